/**
 * From rows of CSV, of any layout that has one sample a row, to recordings. Pure: rows come from a
 * disk (`import-csv.ts`) or from a file that somebody has given to a browser.
 *
 * Nothing is guessed about units; rates and gaps come from the time column where there is one, and
 * are checked against what the user says. Every refusal names the file, the line and the mend.
 */

import { EdgeError } from "../src/assert.ts";
import { LEAST_RATE_HZ, MOST_RATE_HZ, type Recordings } from "../src/signal/recordings.ts";
import { type CsvColumns, csvColumns, HeaderSearch } from "./csv-columns.ts";
import type { BytesProgress, CsvRow } from "./csv-lines.ts";
import { isCoarse, parseTime, rateOfSteps, type TimeFormat, type TimeUnit } from "./csv-time.ts";
import { type ImportCounts, RowReader } from "./csv-row-reader.ts";
import type { IntervalBook } from "./label-intervals.ts";
import { LabelNames } from "./label-names.ts";
import { type PathFields, pathTemplate } from "./path-template.ts";
import { type AccelerationUnit, MILLIG_PER_UNIT, RecordingBuilder } from "./recording-builder.ts";
import type { TimeRules } from "./time-check.ts";

export type CsvSource = {
  /** Its own name, without folders. */
  readonly name: string;
  /** What it is called in errors. */
  readonly where: string;
  readonly bytes: number;
  /** May be asked for twice: the rate is worked out first where nobody says it. */
  readonly rows: (onBytes?: BytesProgress) => AsyncIterable<readonly CsvRow[]>;
};

/** Of a sensor that gives numbers of its own. */
export type SensorCounts = {
  readonly perG: number;
  /** What it gives where nothing pulls. */
  readonly zero: number;
};

export type CsvOptions = {
  /** As given by `--columns`, parsed by `csvColumns`. */
  readonly columns: readonly string[];
  readonly units: AccelerationUnit | SensorCounts;
  /** Needed where there is no time column. */
  readonly rateHz?: number | undefined;
  /** Of the time column; see `parseTime`. */
  readonly timeUnit?: TimeUnit | undefined;
  readonly dateOrder?: TimeFormat["dateOrder"];
  /** For files without such a column; the subject is then the file's name without its ending. */
  readonly label?: string | undefined;
  readonly subject?: string | undefined;
  /** A template as in `pathTemplate`: subject and label from the files' paths. */
  readonly path?: string | undefined;
  /** Pairs as in `LabelNames`. */
  readonly labels?: readonly string[];
  readonly labelTable?: ReadonlyMap<string, string>;
  /** Labels from a file of their own, made with the names that are to apply to them. */
  readonly intervals?: ((names: LabelNames) => IntervalBook) | undefined;
  readonly name: string;
  /** Ends the segment at a row with a value that is no number, and goes on behind it; leaves rows out
   * whose time repeats or goes back. */
  readonly skipBadRows?: boolean;
  /** Straight lines over holes of at most so long, in seconds; none by default. */
  readonly fillSeconds?: number | undefined;
  readonly anyMagnitude?: boolean;
  /** Bytes read of all files and bytes there are. */
  readonly onProgress?: (bytes: number, total: number) => void;
};

export type CsvImported = ImportCounts & { readonly recordings: Recordings };

/** A stretch shorter than this on average means that rows of several subjects are interleaved. */
const LEAST_MEAN_SAMPLES = 8;
/** Rows from which a clock's rate is read. */
const CLOCK_STEPS = 20_000;

/**
 * @throws EdgeError `csv-columns`, `csv-row`, `csv-labels`, `csv-path`, `recording-value`,
 * `recording-time`, `recording-rate`, `recording-unit`, `recording-label`, `recording-empty`,
 * `csv-interleaved`, and those of `IntervalBook`
 */
export async function importCsvSources(
  sources: readonly CsvSource[],
  request: CsvOptions,
): Promise<CsvImported> {
  const columns = csvColumns(request.columns);
  const fieldsOf = request.path === undefined ? undefined : pathTemplate(request.path);
  const fields = sources.map(({ where }) => fieldsOf?.(where) ?? {});
  checkLabelled(request, columns, fields);
  const clock = await readClock(sources[0], request, columns);
  const rateHz = checkedRate(request.rateHz ?? clock.rateHz, sources, columns);
  const rules = { rateHz, coarse: clock.coarse, allowStrays: request.skipBadRows === true };
  const total = sources.reduce((sum, { bytes }) => sum + bytes, 0);
  const names = new LabelNames(request.labels ?? [], request.labelTable);
  const builder = new RecordingBuilder();
  const intervals = request.intervals?.(names);
  const reader = new RowReader({ ...readerOptions(request), rules, names, intervals, builder });
  let before = 0;
  for (const [i, source] of sources.entries()) {
    const done = before;
    await importSource(source, fields[i] ?? {}, columns, reader, (bytes) => {
      request.onProgress?.(done + bytes, total);
    });
    before += source.bytes;
  }
  const where = someOf(sources.map((source) => source.where));
  names.finish(where);
  if (builder.sampleCount === 0 && intervals !== undefined) throw intervals.emptyError();
  const recordings = builder.finish(
    {
      name: request.name,
      rateHz,
      about: { origin: someOf(sources.map((source) => source.name)) },
    },
    { where, anyMagnitude: request.anyMagnitude === true },
  );
  checkInterleaving(recordings, where);
  return { recordings, ...reader.counts };
}

/** A few files by name, or the first and how many there are. */
function someOf(files: readonly string[]): string {
  return files.length <= 5 ? files.join(", ") : `${files[0]} and ${files.length - 1} more`;
}

function readerOptions(request: CsvOptions) {
  const { units, label, subject, skipBadRows = false, fillSeconds = 0 } = request;
  const counts =
    typeof units === "string" ? { perG: 1000 / MILLIG_PER_UNIT[units], zero: 0 } : units;
  return { counts, format: formatOf(request), label, subject, skipBadRows, fillSeconds };
}

function formatOf({ timeUnit, dateOrder }: CsvOptions): TimeFormat {
  return { unit: timeUnit, dateOrder };
}

function checkLabelled(
  request: CsvOptions,
  columns: CsvColumns,
  fields: readonly PathFields[],
): void {
  if (request.intervals !== undefined && columns.time === null) {
    throw new EdgeError({
      code: "csv-columns",
      message: "intervals need a time",
      where: "--columns",
      hint: "Name the column of time as the sixth: x,y,z,-,-,time.",
    });
  }
  const isLabelled =
    columns.label !== null ||
    request.label !== undefined ||
    request.intervals !== undefined ||
    fields.every(({ label }) => label !== undefined);
  if (isLabelled) return;
  throw new EdgeError({
    code: "csv-columns",
    message: "there is no label",
    where: "--columns",
    hint: "Name the label's column as the fourth, give one to all rows with --label, take it from the files' names with --path, or from a file of bouts with --intervals.",
  });
}

async function importSource(
  from: CsvSource,
  fields: PathFields,
  columns: CsvColumns,
  reader: RowReader,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const header = new HeaderSearch(columns, from.where);
  reader.beginFile(from, fields);
  for await (const rows of from.rows(onBytes)) {
    for (const row of rows) {
      const found = header.next(row);
      // Only a change of subject or of file has anything to wait for.
      const pending = found === null ? undefined : reader.take(row, found);
      if (pending !== undefined) await pending;
    }
  }
  header.finish();
  reader.endFile();
}

/** The rate that the first file's times tell, and whether several rows share a tick. */
async function readClock(
  source: CsvSource | undefined,
  request: CsvOptions,
  columns: CsvColumns,
): Promise<{ readonly rateHz: number | null; readonly coarse: TimeRules["coarse"] }> {
  if (columns.time === null || source === undefined) return { rateHz: null, coarse: false };
  const header = new HeaderSearch(columns, source.where);
  const format = formatOf(request);
  const steps: number[] = [];
  let last = Number.NaN;
  for await (const rows of source.rows()) {
    for (const row of rows) {
      const found = header.next(row);
      if (found === null || row.fields.length < found.width) continue;
      const text = found.time.map((index) => row.fields[index] ?? "").join(" ");
      const time = parseTime(text, `${source.where}:${row.line}`, format);
      if (time >= last) steps.push(time - last);
      last = time;
    }
    if (steps.length > CLOCK_STEPS) break;
  }
  return { rateHz: rateOfSteps(steps), coarse: isCoarse(steps) };
}

function checkedRate(
  rateHz: number | null,
  sources: readonly CsvSource[],
  columns: CsvColumns,
): number {
  const where = sources[0]?.where ?? "";
  if (rateHz === null) {
    throw new EdgeError({
      code: "recording-rate",
      message: "the sampling rate is not known",
      where,
      hint:
        columns.time === null
          ? "Give --rate in hertz, or name a column of time as the sixth of --columns."
          : "Give --rate in hertz: the times of the first file do not tell it.",
    });
  }
  if (rateHz >= LEAST_RATE_HZ && rateHz <= MOST_RATE_HZ) return rateHz;
  throw new EdgeError({
    code: "recording-rate",
    message: `${rateHz} Hz is no rate of a wearable (${LEAST_RATE_HZ} to ${MOST_RATE_HZ} Hz)`,
    where,
    hint: "Check --rate; where the rate comes from the times, say what they count with --time-unit: s, ms, us, ns or days.",
  });
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
