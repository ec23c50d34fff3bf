/** From one row of CSV after the other to samples: numbers, label, subject, time, and what is amiss. */

import { EdgeError } from "../src/assert.ts";
import { type FoundColumns, toNumber } from "./csv-columns.ts";
import type { CsvRow } from "./csv-lines.ts";
import { parseTime, type TimeFormat } from "./csv-time.ts";
import type { IntervalBook } from "./label-intervals.ts";
import type { LabelNames } from "./label-names.ts";
import type { PathFields } from "./path-template.ts";
import { MOST_MILLIG, type RecordingBuilder } from "./recording-builder.ts";
import { TimeCheck, type TimeRules } from "./time-check.ts";

export type ImportCounts = {
  /** Rows left out for a value that is no number, or a time that repeats or goes back. */
  readonly skippedRows: number;
  readonly unlabelledRows: number;
  /** Holes that ended a segment, and samples that were drawn into shorter ones. */
  readonly gaps: number;
  readonly filledSamples: number;
};

export type RowReaderOptions = {
  /** What a sensor's value is to be read as. */
  readonly counts: { readonly perG: number; readonly zero: number };
  readonly format: TimeFormat;
  readonly label: string | undefined;
  readonly subject: string | undefined;
  readonly skipBadRows: boolean;
  readonly fillSeconds: number;
  readonly rules: TimeRules;
  readonly names: LabelNames;
  readonly intervals: IntervalBook | undefined;
  readonly builder: RecordingBuilder;
};

type Sample = {
  readonly millig: readonly [number, number, number];
  readonly subject: string;
  readonly label: string;
  readonly seconds: number | null;
};

export class RowReader {
  readonly #options: RowReaderOptions;
  readonly #counts = { skippedRows: 0, unlabelledRows: 0, gaps: 0, filledSamples: 0 };
  #file = { name: "", where: "" };
  #fields: PathFields = {};
  #time: TimeCheck;
  /** Of the subjects of this file, whose intervals count from their first sample in it. */
  readonly #labelAt = new Map<string, (seconds: number) => string | null>();
  /** The sample before, where this one may go on from it, and rows that were no samples since. */
  #before: Sample | null = null;
  #badRows = 0;

  constructor(options: RowReaderOptions) {
    this.#options = options;
    this.#time = new TimeCheck(options.rules, "");
  }

  get counts(): ImportCounts {
    return this.#counts;
  }

  beginFile(file: { readonly name: string; readonly where: string }, fields: PathFields): void {
    this.#file = file;
    this.#fields = fields;
    this.#time = new TimeCheck(this.#options.rules, file.where);
    this.#labelAt.clear();
    this.#endSegment();
  }

  endFile(): void {
    this.#endSegment();
    this.#time.finish();
  }

  /** Takes a row; something to wait for where labels of another subject have to be read first.
   *
   * @throws EdgeError as `importCsvSources` lists them */
  take(row: CsvRow, found: FoundColumns): Promise<void> | undefined {
    const place = `${this.#file.where}:${row.line}`;
    checkWidth(row, found, place);
    const { skipBadRows, intervals, format } = this.#options;
    const millig = this.#milligOf(row, found);
    if (skipBadRows && !millig.every((value) => Math.abs(value) <= MOST_MILLIG)) {
      this.#counts.skippedRows++;
      this.#badRows++;
      return undefined;
    }
    const subject = this.#subjectOf(row, found, place);
    const text = found.time.map((index) => row.fields[index] ?? "").join(" ");
    const seconds = found.time.length === 0 ? null : parseTime(text, place, format);
    if (intervals !== undefined && seconds !== null) {
      const labelAt = this.#labelAt.get(subject);
      if (labelAt === undefined) {
        return this.#takeFirst(intervals, { millig, subject, seconds }, place);
      }
      this.#add({ millig, subject, seconds, label: labelAt(seconds) }, place);
      return undefined;
    }
    const recorded =
      found.label === null
        ? (this.#options.label ?? this.#fields.label ?? "")
        : (row.fields[found.label] ?? "");
    const label = recorded === "" ? null : this.#options.names.nameOf(recorded);
    this.#add({ millig, subject, seconds, label }, place);
    return undefined;
  }

  async #takeFirst(
    intervals: IntervalBook,
    row: Omit<Sample, "label" | "seconds"> & { readonly seconds: number },
    place: string,
  ): Promise<void> {
    const { subject, seconds } = row;
    const at = await intervals.of(subject, seconds);
    this.#labelAt.set(subject, at);
    this.#add({ ...row, label: at(seconds) }, place);
  }

  #milligOf(row: CsvRow, found: FoundColumns): readonly [number, number, number] {
    const { perG, zero } = this.#options.counts;
    const at = (index: number): number =>
      ((toNumber(row.fields[index] ?? "") - zero) * 1000) / perG;
    return [at(found.x), at(found.y), at(found.z)];
  }

  #subjectOf(row: CsvRow, found: FoundColumns, place: string): string {
    if (found.subject === null) {
      const ofFile = this.#file.name.replace(/\.gz$/i, "").replace(/\.[^.]*$/, "");
      return this.#options.subject ?? this.#fields.subject ?? ofFile;
    }
    const subject = row.fields[found.subject] ?? "";
    if (subject !== "") return subject;
    throw rowError(place, "the subject is empty", "Name who wore it.");
  }

  #add(sample: Omit<Sample, "label"> & { readonly label: string | null }, place: string): void {
    const { subject, label, seconds, millig } = sample;
    if (label === null) {
      this.#counts.unlabelledRows++;
      this.#endSegment();
      return;
    }
    const step =
      seconds === null ? "next" : this.#time.step(`${subject}\n${label}`, seconds, place);
    if (step === "stray") {
      this.#counts.skippedRows++;
      return;
    }
    const next: Sample = { ...sample, label };
    if (step === "gap" || this.#badRows > 0) this.#bridge(next, step === "gap");
    const key = { subject, label, source: this.#file.name };
    this.#options.builder.add(key, ...millig, () => place);
    this.#before = next;
    this.#badRows = 0;
  }

  /** Draws a line over a hole that is short enough, or ends the segment. */
  #bridge(next: Sample, isGap: boolean): void {
    const { builder, rules, fillSeconds } = this.#options;
    const before = this.#before;
    const isSame = before?.subject === next.subject && before.label === next.label;
    const lost =
      before === null || before.seconds === null || next.seconds === null
        ? this.#badRows
        : Math.max(this.#badRows, Math.round((next.seconds - before.seconds) * rules.rateHz) - 1);
    if (before === null || !isSame || lost < 1 || lost / rules.rateHz > fillSeconds) {
      if (isGap && before !== null) this.#counts.gaps++;
      builder.endSegment();
      return;
    }
    const key = { subject: next.subject, label: next.label, source: this.#file.name };
    for (let i = 1; i <= lost; i++) {
      const between = (axis: 0 | 1 | 2): number =>
        before.millig[axis] + ((next.millig[axis] - before.millig[axis]) * i) / (lost + 1);
      builder.add(key, between(0), between(1), between(2), () => "");
    }
    this.#counts.filledSamples += lost;
  }

  #endSegment(): void {
    this.#options.builder.endSegment();
    this.#before = null;
    this.#badRows = 0;
  }
}

function checkWidth(row: CsvRow, found: FoundColumns, place: string): void {
  if (row.fields.length >= found.width) return;
  throw rowError(
    place,
    `has ${row.fields.length} fields, ${found.width} are needed`,
    "The file may be cut short here, or the separator occurs in a name: put it in quotes.",
  );
}

function rowError(where: string, message: string, hint: string): EdgeError {
  return new EdgeError({ code: "csv-row", message, where, hint });
}
