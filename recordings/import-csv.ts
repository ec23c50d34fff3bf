/** Imports accelerometry from CSV files on disk; `csv-samples.ts` says what is made of them. */

import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { EdgeError } from "../src/assert.ts";
import type { SeparatorName } from "./csv-lines.ts";
import { csvBatches } from "./csv-rows.ts";
import { type CsvImported, type CsvOptions, importCsvSources } from "./csv-samples.ts";
import { IntervalBook, type IntervalOptions } from "./label-intervals.ts";

export type CsvImport = Omit<CsvOptions, "intervals" | "labelTable"> & {
  readonly files: readonly string[];
  /** Where it is not to be found out. */
  readonly separator?: SeparatorName | undefined;
  readonly intervals?: Omit<IntervalOptions, "format"> | undefined;
  /** A file with two columns: labels as they were recorded, and what they shall be called. */
  readonly labelFile?: string | undefined;
};

/** @throws EdgeError `csv-missing`, `csv-binary`, and what `importCsvSources` throws */
export async function importCsv(request: CsvImport): Promise<CsvImported> {
  const { intervals, separator, timeUnit, dateOrder } = request;
  const sources = await Promise.all(
    request.files.map(async (file) => ({
      name: basename(file),
      where: file,
      bytes: await fileSize(file),
      rows: (onBytes?: (bytes: number) => void) => csvBatches(file, onBytes, separator),
    })),
  );
  const format = { unit: timeUnit, dateOrder };
  return importCsvSources(sources, {
    ...request,
    ...(request.labelFile !== undefined && { labelTable: await readTable(request.labelFile) }),
    intervals:
      intervals && ((names) => new IntervalBook({ ...intervals, format }, names, csvBatches)),
  });
}

async function readTable(path: string): Promise<ReadonlyMap<string, string>> {
  const table = new Map<string, string>();
  for await (const rows of csvBatches(path)) {
    for (const { fields, line } of rows) {
      const [from, to] = fields;
      if (from === undefined || to === undefined) {
        throw new EdgeError({
          code: "csv-labels",
          message: "has one column, two are needed",
          where: `${path}:${line}`,
          hint: "Write the label as it was recorded, a comma, and what it shall be called.",
        });
      }
      table.set(from, to);
    }
  }
  return table;
}

async function fileSize(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    // Reading it says what is wrong, with a hint.
    return 0;
  }
}
