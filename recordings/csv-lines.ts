/**
 * Rows of CSV from bytes as they come, so that a file larger than memory passes through. Pure: where
 * the bytes come from, a disk or a browser's file, is somebody else's business.
 *
 * Commas, semicolons, tabs or blanks, whichever the first lines have; quotes as in RFC 4180, except
 * that a quoted field may not hold a line break, which no table of numbers needs. UTF-8, or UTF-16 with
 * its mark, as spreadsheets write "Unicode text". Records that end in a semicolon (WISDM's) are taken
 * for what they are, also where two share a line.
 */

import { EdgeError } from "../src/assert.ts";

export type CsvRow = {
  /** Counted from 1, as editors do. */
  readonly line: number;
  readonly fields: readonly string[];
};

/** Called with the bytes read so far, once per batch. */
export type BytesProgress = (bytes: number) => void;

const LONGEST_LINE = 1 << 20;

/** What stands between fields; blanks are any run of spaces and tabs. */
export const SEPARATORS = { comma: ",", semicolon: ";", tab: "\t", space: " " } as const;
export type SeparatorName = keyof typeof SEPARATORS;
type Separator = (typeof SEPARATORS)[SeparatorName];

/** So many lines vote on what separates fields: files begin with lines of prose. */
const VOTING_LINES = 60;

/**
 * @param where names the source in errors
 * @param separator where it is not to be found out
 * @throws EdgeError `csv-line` for a line of over 1 MiB, and what `chunks` throws
 */
export async function* csvRows(
  chunks: AsyncIterable<Uint8Array>,
  where: string,
  onBytes?: BytesProgress,
  separator?: SeparatorName,
): AsyncGenerator<readonly CsvRow[]> {
  let between: Separator | null = separator === undefined ? null : SEPARATORS[separator];
  let line = 0;
  for await (const lines of lineBatches(chunks, where, onBytes)) {
    const rows: CsvRow[] = [];
    for (const text of lines) {
      line++;
      if (text.trim() === "") continue;
      between ??= separatorOf(lines);
      for (const record of recordsOf(text, between)) {
        rows.push({ line, fields: splitLine(record, between) });
      }
    }
    if (rows.length > 0) yield rows;
  }
}

/** `1,Walking,0,0.1,0.2,9.8;` is one record, and a line may hold two of them. */
function recordsOf(text: string, separator: Separator): readonly string[] {
  if (separator !== "," || !text.trimEnd().endsWith(";")) return [text];
  return text.split(";").filter((record) => record.trim() !== "");
}

/** Splits one line; exported for tests. */
export function splitLine(text: string, separator: string): string[] {
  if (separator === " ") return text.trim().split(/[ \t]+/);
  if (!text.includes('"')) return text.split(separator).map((field) => field.trim());
  const fields: string[] = [];
  let field = "";
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i] as string;
    if (character === '"') {
      if (quoted && text[i + 1] === '"') {
        field += '"';
        i++;
      } else quoted = !quoted;
    } else if (character === separator && !quoted) {
      fields.push(field.trim());
      field = "";
    } else field += character;
  }
  return [...fields, field.trim()];
}

async function* lineBatches(
  chunks: AsyncIterable<Uint8Array>,
  where: string,
  onBytes: BytesProgress | undefined,
): AsyncGenerator<readonly string[]> {
  let rest = "";
  let bytes = 0;
  let decoder: InstanceType<typeof TextDecoder> | null = null;
  for await (const chunk of chunks) {
    decoder ??= new TextDecoder(chunk[0] === 0xff && chunk[1] === 0xfe ? "utf-16le" : "utf-8");
    bytes += chunk.length;
    const text = rest + decoder.decode(chunk, { stream: true });
    const lines = text.split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > LONGEST_LINE) {
      throw new EdgeError({
        code: "csv-line",
        message: "a line is longer than 1 MiB",
        where,
        hint: "Is this a CSV file, with one sample a line?",
      });
    }
    onBytes?.(bytes);
    yield lines.map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line));
  }
  rest += decoder?.decode() ?? "";
  if (rest !== "") yield [rest];
}

/** What most of the first lines speak for. */
function separatorOf(lines: readonly string[]): Separator {
  const votes = new Map<Separator, number>();
  for (const text of lines.slice(0, VOTING_LINES)) {
    if (text.trim() === "") continue;
    const vote = voteOf(text);
    votes.set(vote, (votes.get(vote) ?? 0) + 1);
  }
  return [...votes].reduce((a, b) => (b[1] > a[1] ? b : a))[0];
}

function voteOf(text: string): Separator {
  const count = (pattern: RegExp): number => text.match(pattern)?.length ?? 0;
  const [commas, semicolons, tabs] = [count(/,/g), count(/;/g), count(/\t/g)];
  // Beside semicolons or tabs a comma between digits is a decimal one.
  const isDecimal = commas > 0 && count(/\d,\d/g) === commas;
  if (tabs > 0 && (isDecimal || tabs >= Math.max(commas, semicolons))) return "\t";
  if (semicolons > 1 && (isDecimal || semicolons > commas)) return ";";
  if (commas > 0) return ",";
  if (semicolons > 0) return ";";
  return count(/\S +(?=\S)/g) > 1 ? " " : ",";
}
