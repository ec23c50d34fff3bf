/**
 * Which column is what: `--columns x,y,z[,label[,subject[,time]]]`.
 *
 * A column is named as in the header, or by its number from 1 in a file without a header. `-` stands
 * for a column that is not there: `ax,ay,az,-,-,seconds`.
 */

import { EdgeError } from "../src/assert.ts";

const ROLES = ["x", "y", "z", "label", "subject", "time"] as const;

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
  readonly time: number | null;
  readonly width: number;
  /** False where columns are numbers and the first row already holds samples. */
  readonly hasHeader: boolean;
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

/**
 * Finds the columns in the first row of a file.
 *
 * @throws EdgeError `csv-columns` naming those that are not there and those that are
 */
export function findColumns(
  columns: CsvColumns,
  firstRow: readonly string[],
  where: string,
): FoundColumns {
  const header = firstRow.map((name) => name.toLowerCase());
  const missing: string[] = [];
  let hasHeader = false;
  const find = (name: string | null): number | null => {
    if (name === null) return null;
    const named = header.indexOf(name.toLowerCase());
    if (named >= 0) {
      hasHeader = true;
      return named;
    }
    if (/^\d+$/.test(name) && Number(name) >= 1 && Number(name) <= header.length) {
      return Number(name) - 1;
    }
    missing.push(name);
    return null;
  };
  const [x, y, z, label, subject, time] = ROLES.map((role) => find(columns[role]));
  if (missing.length > 0 || x == null || y == null || z == null) {
    throw new EdgeError({
      code: "csv-columns",
      message: `there is no column ${missing.map((name) => `"${name}"`).join(", ")}`,
      where,
      hint: `The first row is ${firstRow.slice(0, 30).join(", ")}; without a header give numbers from 1 to ${firstRow.length}.`,
    });
  }
  const used = [x, y, z, label, subject, time].map((index) => index ?? -1);
  // By numbers a header may still be there: words where numbers are due.
  const headed = hasHeader || [x, y, z].every((index) => Number.isNaN(Number(firstRow[index])));
  return {
    x,
    y,
    z,
    label: label ?? null,
    subject: subject ?? null,
    time: time ?? null,
    width: Math.max(...used) + 1,
    hasHeader: headed,
  };
}
