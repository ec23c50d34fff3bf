/**
 * Writes a table as CSV or Parquet, and holds one group of rows and no more, however long it is.
 *
 * It writes beside the file and renames at the end, so that what has the name is whole.
 */

import { closeSync, existsSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { EdgeError } from "../src/assert.ts";
import { parquetRows } from "./parquet-rows.ts";
import type { Column, RowWriter, Table, TableRow } from "./table.ts";

export const TABLE_FORMATS = ["csv", "parquet"] as const;
export type TableFormat = (typeof TABLE_FORMATS)[number];

/** Rows held at once: with windows about two megabytes, and small enough for any Pi. */
const GROUP_ROWS = 2_048;

/**
 * Writes a table and says how many rows it has.
 *
 * @throws EdgeError `file-exists` without `force`, `file-unwritable`
 */
export function writeTable(
  file: string,
  table: Table,
  format: TableFormat,
  force: boolean,
): number {
  if (existsSync(file) && !force) {
    throw new EdgeError({
      code: "file-exists",
      message: "exists",
      where: file,
      hint: "Give --force to write over it, or another --out.",
    });
  }
  const unfinished = `${file}.tmp-${process.pid}`;
  try {
    const count = writeRows(unfinished, table, format);
    renameSync(unfinished, file);
    return count;
  } catch (error) {
    rmSync(unfinished, { force: true });
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw new EdgeError({
      code: "file-unwritable",
      message: (error as Error).message,
      where: file,
      hint: "Give an --out that may be written, on a disk with room.",
    });
  }
}

function writeRows(file: string, { columns, rows }: Table, format: TableFormat): number {
  const writer = format === "csv" ? csvRows(file, columns) : parquetRows(file, columns);
  let count = 0;
  let group: TableRow[] = [];
  try {
    for (const row of rows) {
      group.push(row);
      count += 1;
      if (group.length < GROUP_ROWS) continue;
      writer.add(group);
      group = [];
    }
    if (group.length > 0) writer.add(group);
  } finally {
    writer.end();
  }
  return count;
}

function csvRows(file: string, columns: readonly Column[]): RowWriter {
  const handle = openSync(file, "w");
  writeSync(handle, csvLine(columns.map(({ name }) => name)));
  return {
    add: (rows) => {
      writeSync(handle, rows.map(csvLine).join(""));
    },
    end: () => closeSync(handle),
  };
}

/** RFC 4180, but with line feeds alone, as what reads tables here expects. */
function csvLine(row: TableRow): string {
  return `${row.map(csvField).join(",")}\n`;
}

function csvField(value: TableRow[number]): string {
  if (value === null) return "";
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  const text = String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
