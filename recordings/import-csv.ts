/** Imports accelerometry from CSV files on disk; `csv-samples.ts` says what is made of them. */

import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { csvBatches } from "./csv-rows.ts";
import { type CsvImported, type CsvOptions, importCsvSources } from "./csv-samples.ts";

export type CsvImport = CsvOptions & { readonly files: readonly string[] };

/** @throws EdgeError `csv-missing`, and what `importCsvSources` throws */
export async function importCsv(request: CsvImport): Promise<CsvImported> {
  const sources = await Promise.all(
    request.files.map(async (file) => ({
      name: basename(file),
      where: file,
      bytes: await fileSize(file),
      rows: (onBytes?: (bytes: number) => void) => csvBatches(file, onBytes),
    })),
  );
  return importCsvSources(sources, request);
}

async function fileSize(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    // Reading it says what is wrong, with a hint.
    return 0;
  }
}
