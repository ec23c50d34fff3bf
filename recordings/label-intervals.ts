/**
 * Labels that are in a file of their own, one bout a row with its start and end, as annotation programs
 * (BORIS, ELAN) export them and observers write them down.
 *
 * A sample that lies in no interval has no label. Intervals of two labels that overlap are refused,
 * since nobody can know which of the two was meant.
 */

import { EdgeError } from "../src/assert.ts";
import { type CsvColumns, HeaderSearch } from "./csv-columns.ts";
import type { CsvRow } from "./csv-lines.ts";
import { parseTime, type TimeFormat } from "./csv-time.ts";
import type { LabelNames } from "./label-names.ts";

export type IntervalOptions = {
  /** A path, in which `{subject}` stands for who wore it. */
  readonly file: string;
  /** start, end, label, and who it was where one file is of several. */
  readonly columns: readonly string[];
  /** The moment that intervals count from: `start` for each file's first sample, else a time. */
  readonly zero?: string | undefined;
  readonly format: TimeFormat;
};

type Interval = {
  readonly start: number;
  end: number;
  readonly label: string;
  readonly where: string;
};

/** Ends are written by hand: so much overlap is no contradiction. */
const OVERLAP_S = 1;
const NO_END = /^(|-|na|nan|null)$/i;

export class IntervalBook {
  readonly #options: IntervalOptions;
  readonly #columns: CsvColumns;
  readonly #names: LabelNames;
  readonly #read: (path: string) => AsyncIterable<readonly CsvRow[]>;
  readonly #byFile = new Map<string, ReadonlyMap<string, readonly Interval[]>>();
  /** Of the samples and of the intervals that they were held against, for an error. */
  readonly #seen = { samples: [Infinity, -Infinity], intervals: [Infinity, -Infinity] };

  /** @throws EdgeError `csv-columns` */
  constructor(
    options: IntervalOptions,
    names: LabelNames,
    read: (path: string) => AsyncIterable<readonly CsvRow[]>,
  ) {
    this.#options = options;
    this.#names = names;
    this.#read = read;
    const [start, end, label, subject, ...more] = options.columns.map((name) => name.trim());
    if (start === undefined || end === undefined || label === undefined || more.length > 0) {
      throw new EdgeError({
        code: "csv-columns",
        message: `${options.columns.length} columns are named: ${options.columns.join(",")}`,
        where: "--interval-columns",
        hint: "Name start,end,label and, where one file is of several, subject.",
      });
    }
    this.#columns = { x: start, y: end, z: start, label, subject: subject ?? null, time: null };
  }

  /**
   * The labels of one subject, by time.
   *
   * @param firstSeconds of the samples' file: what `zero: start` counts from
   * @throws EdgeError `interval-order`, `interval-overlap`, `recording-time` and those of reading
   */
  async of(subject: string, firstSeconds: number): Promise<(seconds: number) => string | null> {
    const path = this.#options.file.replaceAll("{subject}", subject);
    let bySubject = this.#byFile.get(path);
    if (bySubject === undefined) {
      bySubject = await this.#readFile(path);
      this.#byFile.set(path, bySubject);
    }
    const own = this.#columns.subject === null ? bySubject.get("") : bySubject.get(subject);
    const intervals = own ?? [];
    const zero = this.#zeroSeconds(firstSeconds);
    const { samples, intervals: span } = this.#seen;
    widen(span, intervals[0]?.start, zero);
    widen(span, intervals.at(-1)?.end, zero);
    return (seconds) => {
      widen(samples, seconds, 0);
      return labelAt(intervals, seconds - zero);
    };
  }

  /** Why no sample has a label. */
  emptyError(): EdgeError {
    const text = ([from, to]: readonly number[]): string => `${timeText(from)} to ${timeText(to)}`;
    const { samples, intervals } = this.#seen;
    return new EdgeError({
      code: "interval-span",
      message: `no sample lies in an interval: samples are from ${text(samples)}, intervals from ${text(intervals)}`,
      where: this.#options.file,
      hint: "Say with --interval-zero what the intervals count from: start for the first sample of each file, or a time of the samples' clock. Are the subjects called alike?",
    });
  }

  #zeroSeconds(firstSeconds: number): number {
    const { zero, format } = this.#options;
    if (zero === undefined) return 0;
    return zero === "start" ? firstSeconds : parseTime(zero, "--interval-zero", format);
  }

  async #readFile(path: string): Promise<ReadonlyMap<string, readonly Interval[]>> {
    const { zero, format } = this.#options;
    // What counts from a moment counts in seconds or as a clock does, whatever the samples' unit is.
    const own = zero === undefined ? format : { dateOrder: format.dateOrder };
    const bySubject = new Map<string, Interval[]>();
    const header = new HeaderSearch(this.#columns, path, (text) => isTime(text, own));
    for await (const rows of this.#read(path)) {
      for (const row of rows) {
        const found = header.next(row);
        if (found === null) continue;
        const at = (index: number | null): string =>
          index === null ? "" : (row.fields[index] ?? "");
        const label = this.#names.nameOf(at(found.label));
        // Events of a moment have no end.
        if (label === null || label === "" || NO_END.test(at(found.y))) continue;
        const where = `${path}:${row.line}`;
        const [start, end] = [
          parseTime(at(found.x), where, own),
          parseTime(at(found.y), where, own),
        ];
        if (end < start) throw orderError(where);
        if (end === start) continue;
        const intervals = bySubject.get(at(found.subject)) ?? [];
        intervals.push({ start, end, label, where });
        bySubject.set(at(found.subject), intervals);
      }
    }
    header.finish();
    return new Map([...bySubject].map(([subject, list]) => [subject, inOrder(list)]));
  }
}

/** Sorted by time, with ends that reach a little into the next cut off. */
function inOrder(intervals: Interval[]): readonly Interval[] {
  const sorted = intervals.sort((a, b) => a.start - b.start);
  for (let i = 1; i < sorted.length; i++) {
    const [before, next] = [sorted[i - 1] as Interval, sorted[i] as Interval];
    if (next.start >= before.end) continue;
    if (next.label !== before.label && before.end - next.start > OVERLAP_S) {
      throw new EdgeError({
        code: "interval-overlap",
        message: `${next.label} begins ${(before.end - next.start).toFixed(1)} s before ${before.label} of ${before.where} ends`,
        where: next.where,
        hint: "Mend one of them, or leave one of the two labels out: --labels NAME=-.",
      });
    }
    if (next.label === before.label) next.end = Math.max(next.end, before.end);
    before.end = next.start;
  }
  return sorted;
}

function labelAt(intervals: readonly Interval[], seconds: number): string | null {
  let [low, high] = [0, intervals.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((intervals[middle] as Interval).start <= seconds) low = middle + 1;
    else high = middle;
  }
  const last = intervals[low - 1];
  return last !== undefined && seconds < last.end ? last.label : null;
}

function widen(span: number[], seconds: number | undefined, zero: number): void {
  if (seconds === undefined) return;
  span[0] = Math.min(span[0] as number, seconds + zero);
  span[1] = Math.max(span[1] as number, seconds + zero);
}

/** A moment since 1970 as a date. */
function timeText(seconds: number | undefined): string {
  if (seconds === undefined || !Number.isFinite(seconds)) return "never";
  const isMoment = seconds > 3e8 && seconds < 1e11;
  return isMoment ? new Date(seconds * 1000).toISOString() : `${seconds.toFixed(1)} s`;
}

function isTime(text: string, format: TimeFormat): boolean {
  try {
    return Number.isFinite(parseTime(text, "", format));
  } catch {
    return false;
  }
}

function orderError(where: string): EdgeError {
  return new EdgeError({
    code: "interval-order",
    message: "ends before it starts",
    where,
    hint: "Mend the row, or the order of --interval-columns: start,end,label.",
  });
}
