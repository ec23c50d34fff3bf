/** Rows of a CSV file on disk, packed with gzip or not; `csv-lines.ts` says what a row is. */

import { createReadStream } from "node:fs";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { EdgeError } from "../src/assert.ts";
import { type BytesProgress, type CsvRow, csvRows, type SeparatorName } from "./csv-lines.ts";

const CHUNK_BYTES = 1 << 18;
/** A file that has a zero byte among its first so many is no text. */
const LOOKED_AT_BYTES = 1 << 12;

/**
 * @param onBytes is told the bytes read from disk, packed ones where the file is packed
 * @throws EdgeError `csv-missing` when the file cannot be read, `csv-binary` for what is no text,
 * `csv-line` for a line of over 1 MiB
 */
export function csvBatches(
  path: string,
  onBytes?: BytesProgress,
  separator?: SeparatorName,
): AsyncGenerator<readonly CsvRow[]> {
  const file = createReadStream(path, { highWaterMark: CHUNK_BYTES });
  const told = onBytes && (() => onBytes(file.bytesRead));
  return csvRows(readText(file, path), path, told, separator);
}

async function* readText(
  file: ReturnType<typeof createReadStream>,
  path: string,
): AsyncGenerator<Uint8Array> {
  const bytes = /\.gz$/i.test(path) ? pipeline(file, createGunzip(), () => {}) : file;
  let isFirst = true;
  try {
    for await (const chunk of bytes) {
      if (isFirst) refuseBinary(chunk as Buffer, path);
      isFirst = false;
      yield chunk as Buffer;
    }
  } catch (error) {
    if (!(error instanceof Error && "code" in error) || error instanceof EdgeError) throw error;
    throw new EdgeError({
      code: "csv-missing",
      message: `cannot be read: ${error.message}`,
      where: path,
      hint: "Check the path and its permissions, and whether the file is whole.",
    });
  }
}

function refuseBinary(start: Buffer, where: string): void {
  const isZip = start.subarray(0, 4).equals(Buffer.from("PK\u0003\u0004"));
  const isGzip = start[0] === 0x1f && start[1] === 0x8b;
  const isWide = start[0] === 0xff && start[1] === 0xfe;
  const isBinary = !isWide && start.subarray(0, LOOKED_AT_BYTES).includes(0);
  if (!isZip && !isGzip && !isBinary) return;
  throw new EdgeError({
    code: "csv-binary",
    message: isZip ? "is a ZIP archive or an Excel workbook" : "is no text",
    where,
    hint: isZip
      ? "Unpack it and name the files in it; save a sheet of a workbook as CSV."
      : "Write it as CSV with the program that it is of; one packed with gzip ends in .gz.",
  });
}
