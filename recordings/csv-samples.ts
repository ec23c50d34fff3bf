/**
 * From rows of CSV, of any layout that has one sample a row, to recordings. Pure: rows come from a
 * disk (`import-csv.ts`) or from a file that somebody has given to a browser.
 *
 * Nothing is guessed about units; rates and gaps come from the time column where there is one, and
 * are checked against what the user says. Every refusal names the file, the line and the mend.
 */

import { EdgeError } from "../src/assert.ts";
import { LEAST_RATE_HZ, MOST_RATE_HZ, type Recordings } from "../src/signal/recordings.ts";
import { type CsvColumns, csvColumns, type FoundColumns, findColumns } from "./csv-columns.ts";
import type { BytesProgress, CsvRow } from "./csv-lines.ts";
import { parseTime, rateOfSteps, TimeCheck, type TimeUnit } from "./csv-time.ts";
import {
  type AccelerationUnit,
  MILLIG_PER_UNIT,
  MOST_MILLIG,
  RecordingBuilder,
} from "./recording-builder.ts";

export type CsvSource = {
  /** Its own name, without folders. */
  readonly name: string;
  /** What it is called in errors. */
  readonly where: string;
  readonly bytes: number;
  /** May be asked for twice: the rate is worked out first where nobody says it. */
  readonly rows: (onBytes?: BytesProgress) => AsyncIterable<readonly CsvRow[]>;
};

export type CsvOptions = {
  /** As given by `--columns`, parsed by `csvColumns`. */
  readonly columns: readonly string[];
  readonly units: AccelerationUnit;
  /** Needed where there is no time column. */
  readonly rateHz?: number | undefined;
  /** Of a time column of plain numbers; see `parseTime`. */
  readonly timeUnit?: TimeUnit | undefined;
  /** For files without such a column; the subject is then the file's name without its ending. */
  readonly label?: string | undefined;
  readonly subject?: string | undefined;
  readonly name: string;
  /** Ends the segment at a row with a value that is no number, and goes on behind it. */
  readonly skipBadRows?: boolean;
  readonly anyMagnitude?: boolean;
  /** Bytes read of all files and bytes there are. */
  readonly onProgress?: (bytes: number, total: number) => void;
};

export type CsvImported = {
  readonly recordings: Recordings;
  readonly skippedRows: number;
  /** Rows without a label, and times at which rows were missing. */
  readonly unlabelledRows: number;
  readonly gaps: number;
};

/** A stretch shorter than this on average means that rows of several subjects are interleaved. */
const LEAST_MEAN_SAMPLES = 8;

/**
 * @throws EdgeError `csv-columns`, `csv-row`, `recording-value`, `recording-time`, `recording-rate`,
 * `recording-unit`, `recording-empty`, `csv-interleaved`
 */
export async function importCsvSources(
  sources: readonly CsvSource[],
  request: CsvOptions,
): Promise<CsvImported> {
  const columns = csvColumns(request.columns);
  if (columns.label === null && request.label === undefined) {
    throw new EdgeError({
      code: "csv-columns",
      message: "there is no label",
      where: "--columns",
      hint: "Name the label's column as the fourth, or give one label to all rows with --label.",
    });
  }
  const rateHz = request.rateHz ?? (await inferRate(sources, request, columns));
  if (!(rateHz >= LEAST_RATE_HZ && rateHz <= MOST_RATE_HZ)) {
    throw new EdgeError({
      code: "recording-rate",
      message: `${rateHz} Hz is no rate of a wearable (${LEAST_RATE_HZ} to ${MOST_RATE_HZ} Hz)`,
      where: sources[0]?.where ?? "",
      hint: "Check --rate, or --time-unit where the rate comes from the times.",
    });
  }
  const total = sources.reduce((sum, { bytes }) => sum + bytes, 0);
  const state = { builder: new RecordingBuilder(), skippedRows: 0, unlabelledRows: 0, gaps: 0 };
  let before = 0;
  for (const source of sources) {
    const done = before;
    await importSource(source, request, columns, rateHz, state, (bytes) => {
      request.onProgress?.(done + bytes, total);
    });
    before += source.bytes;
  }
  const where = sources.map((source) => source.where).join(", ");
  const { builder, ...counts } = state;
  const recordings = builder.finish(
    {
      name: request.name,
      rateHz,
      about: { origin: sources.map((source) => source.name).join(", ") },
    },
    { where, anyMagnitude: request.anyMagnitude === true },
  );
  checkInterleaving(recordings, where);
  return { recordings, ...counts };
}

type ImportState = {
  readonly builder: RecordingBuilder;
  skippedRows: number;
  unlabelledRows: number;
  gaps: number;
};

async function importSource(
  from: CsvSource,
  request: CsvOptions,
  columns: CsvColumns,
  rateHz: number,
  state: ImportState,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const factor = MILLIG_PER_UNIT[request.units];
  const { name: source, where: file } = from;
  const ownSubject = request.subject ?? source.replace(/\.[^.]*$/, "");
  const time = new TimeCheck(rateHz, file);
  let found: FoundColumns | null = null;

  for await (const rows of from.rows(onBytes)) {
    for (const row of rows) {
      if (found === null) {
        found = findColumns(columns, row.fields, `${file}:${row.line}`);
        if (found.hasHeader) continue;
      }
      const at = (index: number | null): string =>
        index === null ? "" : (row.fields[index] ?? "");
      checkWidth(row, found, file);
      const label = found.label === null ? (request.label ?? "") : at(found.label);
      const values = [at(found.x), at(found.y), at(found.z)].map(toNumber);
      const usable = values.every((value) => Math.abs(value * factor) <= MOST_MILLIG);
      if (request.skipBadRows === true && !usable) {
        state.skippedRows++;
        state.builder.endSegment();
        continue;
      }
      if (label === "") {
        state.unlabelledRows++;
        state.builder.endSegment();
        continue;
      }
      const subject = found.subject === null ? ownSubject : at(found.subject);
      const place = `${file}:${row.line}`;
      if (subject === "") throw rowError(place, "the subject is empty", "Name who wore it.");
      if (found.time !== null) {
        const gap = time.step(
          `${subject}\n${label}`,
          parseTime(at(found.time), place, request.timeUnit),
          place,
        );
        if (gap) {
          state.gaps++;
          state.builder.endSegment();
        }
      }
      const [x = Number.NaN, y = Number.NaN, z = Number.NaN] = values;
      state.builder.add(
        { subject, label, source },
        x * factor,
        y * factor,
        z * factor,
        () => place,
      );
    }
  }
  state.builder.endSegment();
  time.finish();
}

/** The rate from the median step of the time column of the first file. */
async function inferRate(
  [source]: readonly CsvSource[],
  request: CsvOptions,
  columns: CsvColumns,
): Promise<number> {
  const file = source?.where ?? "";
  const needed = new EdgeError({
    code: "recording-rate",
    message: "the sampling rate is not known",
    where: file,
    hint: "Give --rate in hertz, or name a column of time as the sixth of --columns.",
  });
  if (columns.time === null || source === undefined) throw needed;
  let found: FoundColumns | null = null;
  let last = Number.NaN;
  const steps: number[] = [];
  for await (const rows of source.rows()) {
    for (const row of rows) {
      if (found === null) {
        found = findColumns(columns, row.fields, `${file}:${row.line}`);
        if (found.hasHeader) continue;
      }
      const time = parseTime(
        row.fields[found.time ?? 0] ?? "",
        `${file}:${row.line}`,
        request.timeUnit,
      );
      if (time > last) steps.push(time - last);
      last = time;
    }
    if (steps.length > 20_000) break;
  }
  const rateHz = rateOfSteps(steps);
  if (rateHz === null) throw needed;
  return rateHz;
}

/** Empty and `NaN` are no numbers; a decimal comma is one where commas do not separate fields. */
function toNumber(text: string): number {
  if (text === "") return Number.NaN;
  const value = Number(text);
  return Number.isNaN(value) && /^[-+]?\d*,\d+$/.test(text)
    ? Number(text.replace(",", "."))
    : value;
}

function checkWidth(row: CsvRow, found: FoundColumns, file: string): void {
  if (row.fields.length >= found.width) return;
  throw rowError(
    `${file}:${row.line}`,
    `has ${row.fields.length} fields, ${found.width} are needed`,
    "The file may be cut short here, or the separator occurs in a name: put it in quotes.",
  );
}

function rowError(where: string, message: string, hint: string): EdgeError {
  return new EdgeError({ code: "csv-row", message, where, hint });
}

function checkInterleaving(recordings: Recordings, where: string): void {
  const samples = recordings.samples.length / 3;
  if (samples / recordings.segments.length >= LEAST_MEAN_SAMPLES) return;
  throw new EdgeError({
    code: "csv-interleaved",
    message: `${recordings.segments.length} segments of ${(samples / recordings.segments.length).toFixed(1)} samples in the mean`,
    where,
    hint: "Sort the rows by subject, then by time; and check --rate, since rows further apart than it says are gaps.",
  });
}
