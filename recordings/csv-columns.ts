/**
 * Which column is what: `--columns x,y,z[,label[,subject[,time]]]`.
 *
 * A column is named as in the header, or by its number from 1 in a file without a header. `-` stands
 * for a column that is not there: `ax,ay,az,-,-,seconds`.
 */

import { EdgeError } from "../src/assert.ts";
import type { CsvRow } from "./csv-lines.ts";

export type CsvColumns = {
  readonly x: string;
  readonly y: string;
  readonly z: string;
  readonly label: string | null;
  readonly subject: string | null;
  readonly time: string | null;
};

/** The columns as indices from 0, and how many fields a row must have. */
export type FoundColumns = {
  readonly x: number;
  readonly y: number;
  readonly z: number;
  readonly label: number | null;
  readonly subject: number | null;
  /** None, one, or a date and a time of day. */
  readonly time: readonly number[];
  readonly width: number;
};

/** @throws EdgeError `csv-columns` */
export function csvColumns(names: readonly string[]): CsvColumns {
  const [x, y, z, label, subject, time, ...more] = names.map((name) => name.trim());
  const given = [x, y, z].every((name) => name !== undefined && name !== "" && name !== "-");
  if (!given || more.length > 0 || x === undefined || y === undefined || z === undefined) {
    throw new EdgeError({
      code: "csv-columns",
      message: `${names.length} columns are named: ${names.join(",")}`,
      where: "--columns",
      hint: "Name x,y,z and if there are such columns label,subject,time, in this order; - for none.",
    });
  }
  const optional = (name: string | undefined): string | null =>
    name === undefined || name === "" || name === "-" ? null : name;
  return { x, y, z, label: optional(label), subject: optional(subject), time: optional(time) };
}

/** Lines of prose that may stand before the header or the first sample. */
const MOST_PRELUDE_ROWS = 60;
/** Of a row that is quoted in an error. */
const QUOTED_FIELDS = 30;

/** Looks for the columns in the first rows of a file, which may hold some lines of prose. */
export class HeaderSearch {
  readonly #columns: CsvColumns;
  readonly #file: string;
  readonly #isNumbered: boolean;
  readonly #isValue: (text: string) => boolean;
  #found: FoundColumns | null = null;
  #seen = 0;
  /** The row most like a header, for an error. */
  #widest: CsvRow | null = null;

  /** @param isValue of the text where a number or, in a file of bouts, a time is due */
  constructor(columns: CsvColumns, file: string, isValue = isNumber) {
    this.#isValue = isValue;
    this.#columns = columns;
    this.#file = file;
    this.#isNumbered = namesOf(columns).every((name) => /^\d+$/.test(name));
  }

  /**
   * @returns the columns for a row of values; null for one that stands before them
   * @throws EdgeError `csv-columns` naming those that are not there and those that are
   */
  next(row: CsvRow): FoundColumns | null {
    if (this.#found !== null) return this.#found;
    const byName = this.#isNumbered ? null : columnsIn(this.#columns, row.fields);
    if (byName !== null) {
      this.#found = byName;
      return null;
    }
    if (this.#isNumbered) {
      const byNumber = numberedColumns(this.#columns);
      // Where columns are numbers a header may still be there: words where numbers are due.
      const axes = [byNumber.x, byNumber.y, byNumber.z].map((index) => row.fields[index] ?? "");
      if (axes.every((text) => text !== "" && this.#isValue(text))) {
        this.#found = byNumber;
        return byNumber;
      }
    }
    if (row.fields.length > (this.#widest?.fields.length ?? 0)) this.#widest = row;
    this.#seen++;
    if (this.#seen >= MOST_PRELUDE_ROWS) this.finish();
    return null;
  }

  /** At the end of a file. Throws `csv-columns` where rows were there and columns were not. */
  finish(): void {
    const row = this.#widest;
    if (this.#found !== null || row === null) return;
    const first = row.fields.slice(0, QUOTED_FIELDS).join(", ");
    const missing = this.#isNumbered
      ? namesOf(this.#columns).filter((name) => Number(name) > row.fields.length)
      : namesOf(this.#columns).filter((name) => indexOf(name, row.fields) === null);
    throw new EdgeError({
      code: "csv-columns",
      message:
        missing.length > 0
          ? `there is no column ${missing.map((name) => `"${name}"`).join(", ")}`
          : `columns ${namesOf(this.#columns).join(", ")} hold no numbers`,
      where: `${this.#file}:${row.line}`,
      hint: `The ${row.line === 1 ? "first row" : "row"} is ${first}; without a header give numbers from 1 to ${row.fields.length}. Is the --separator another?`,
    });
  }
}

/** Empty and `NaN` are no numbers; a decimal comma is one where commas do not separate fields. */
export function toNumber(text: string): number {
  if (text === "") return Number.NaN;
  const value = Number(text);
  return Number.isNaN(value) && /^[-+]?\d*,\d+$/.test(text)
    ? Number(text.replace(",", "."))
    : value;
}

function isNumber(text: string): boolean {
  return !Number.isNaN(toNumber(text));
}

function namesOf({ x, y, z, label, subject, time }: CsvColumns): readonly string[] {
  return [x, y, z, label, subject, ...timeNames(time)].filter((name) => name !== null);
}

function timeNames(time: string | null): readonly string[] {
  return time === null ? [] : time.split("+");
}

/** A header's name, else a number from 1. */
function indexOf(name: string, header: readonly string[]): number | null {
  const named = header.findIndex((field) => field.toLowerCase() === name.toLowerCase());
  if (named >= 0) return named;
  const isWithin = /^\d+$/.test(name) && Number(name) >= 1 && Number(name) <= header.length;
  return isWithin ? Number(name) - 1 : null;
}

/** Null where one is missing. Numbers among names count within this row. */
function columnsIn(columns: CsvColumns, header: readonly string[]): FoundColumns | null {
  const find = (name: string): number => indexOf(name, header) ?? -1;
  const found = foundBy(columns, find);
  const all = [found.x, found.y, found.z, found.label ?? 0, found.subject ?? 0, ...found.time];
  return all.includes(-1) ? null : found;
}

function numberedColumns(columns: CsvColumns): FoundColumns {
  return foundBy(columns, (name) => Number(name) - 1);
}

function foundBy(columns: CsvColumns, find: (name: string) => number): FoundColumns {
  const [x, y, z] = [find(columns.x), find(columns.y), find(columns.z)];
  const label = columns.label === null ? null : find(columns.label);
  const subject = columns.subject === null ? null : find(columns.subject);
  const time = timeNames(columns.time).map(find);
  const width = Math.max(x, y, z, label ?? 0, subject ?? 0, ...time) + 1;
  return { x, y, z, label, subject, time, width };
}

/** Where columns of these names stand, in their order.
 *
 * @throws EdgeError `csv-columns` where one is missing, with the hint */
export function findNamed(
  header: CsvRow,
  names: readonly string[],
  path: string,
  hint: string,
): readonly number[] {
  const columns = names.map((name) => header.fields.indexOf(name));
  const missing = names.filter((_, i) => columns[i] === -1);
  if (missing.length === 0) return columns;
  const message = `there is no column ${missing.join(", ")}`;
  throw new EdgeError({ code: "csv-columns", message, where: `${path}:${header.line}`, hint });
}
