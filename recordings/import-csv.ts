/** Imports accelerometry from CSV files on disk; `csv-samples.ts` says what is made of them. */

import { stat } from "node:fs/promises";
import { basename } from "node:path";
import type { SeparatorName } from "./csv-lines.ts";
import { csvBatches } from "./csv-rows.ts";
import { type CsvImported, type CsvOptions, importCsvSources } from "./csv-samples.ts";
import { IntervalBook, type IntervalOptions } from "./label-intervals.ts";

export type CsvImport = Omit<CsvOptions, "intervals"> & {
  readonly files: readonly string[];
  /** Where it is not to be found out. */
  readonly separator?: SeparatorName | undefined;
  readonly intervals?: Omit<IntervalOptions, "format"> | undefined;
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
    intervals:
      intervals && ((names) => new IntervalBook({ ...intervals, format }, names, csvBatches)),
  });
}

async function fileSize(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    // Reading it says what is wrong, with a hint.
    return 0;
  }
}
