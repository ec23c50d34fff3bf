/**
 * Rows of CSV from bytes as they come, so that a file larger than memory passes through. Pure: where
 * the bytes come from, a disk or a browser's file, is somebody else's business.
 *
 * Commas, semicolons or tabs, whichever the header has; quotes as in RFC 4180, except that a quoted
 * field may not hold a line break, which no table of numbers needs.
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

/**
 * @param where names the source in errors
 * @throws EdgeError `csv-line` for a line of over 1 MiB, and what `chunks` throws
 */
export async function* csvRows(
  chunks: AsyncIterable<Uint8Array>,
  where: string,
  onBytes?: BytesProgress,
): AsyncGenerator<readonly CsvRow[]> {
  let separator: string | null = null;
  let line = 0;
  for await (const lines of lineBatches(chunks, where, onBytes)) {
    const rows: CsvRow[] = [];
    for (const text of lines) {
      line++;
      if (text.trim() === "") continue;
      separator ??= separatorOf(text);
      rows.push({ line, fields: splitLine(text, separator) });
    }
    if (rows.length > 0) yield rows;
  }
}

/** Splits one line; exported for tests. */
export function splitLine(text: string, separator: string): string[] {
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
  const decoder = new TextDecoder();
  for await (const chunk of chunks) {
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
  rest += decoder.decode();
  if (rest !== "") yield [rest];
}

function separatorOf(header: string): string {
  const counts = [",", ";", "\t"].map((candidate) => ({
    candidate,
    count: header.split(candidate).length,
  }));
  return counts.reduce((a, b) => (b.count > a.count ? b : a)).candidate;
}
