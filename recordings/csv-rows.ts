/** Rows of a CSV file on disk; `csv-lines.ts` says what a row is. */

import { createReadStream } from "node:fs";
import { EdgeError } from "../src/assert.ts";
import { type BytesProgress, type CsvRow, csvRows } from "./csv-lines.ts";

/**
 * @throws EdgeError `csv-missing` when the file cannot be read, `csv-line` for a line of over 1 MiB
 */
export function csvBatches(
  path: string,
  onBytes?: BytesProgress,
): AsyncGenerator<readonly CsvRow[]> {
  return csvRows(readChunks(path), path, onBytes);
}

async function* readChunks(path: string): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 })) {
      yield chunk as Buffer;
    }
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    throw new EdgeError({
      code: "csv-missing",
      message: `cannot be read: ${error.message}`,
      where: path,
      hint: "Check the path and its permissions.",
    });
  }
}
