/** Reads and writes a data set's folder: `segments.json` beside `acc.i16`. */

import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EdgeError } from "../src/assert.ts";
import { formatRecordings, parseRecordings } from "../src/signal/recording-bytes.ts";
import type { Recordings } from "../src/signal/recordings.ts";

/**
 * @param folder the data set's own folder, the one that holds `segments.json`
 * @throws EdgeError `recording-missing` where a file is not there, and all of `parseRecordings`
 */
export async function readRecordings(folder: string): Promise<Recordings> {
  const header = await readOrRefuse(folder, "segments.json");
  const samples = await readOrRefuse(folder, "acc.i16");
  return parseRecordings(header.toString("utf8"), samples, folder);
}

/**
 * Writes a data set so that a crash leaves the old one or the new one: the samples first, the
 * header, which names their number, last.
 */
export async function writeRecordings(folder: string, recordings: Recordings): Promise<void> {
  const { headerText, sampleBytes } = formatRecordings(recordings);
  await mkdir(folder, { recursive: true });
  await writeThenRename(join(folder, "acc.i16"), sampleBytes);
  await writeThenRename(join(folder, "segments.json"), headerText);
}

async function writeThenRename(path: string, content: Uint8Array | string): Promise<void> {
  await writeFile(`${path}.new`, content, { flush: true });
  await rename(`${path}.new`, path);
}

async function readOrRefuse(folder: string, file: string): Promise<Buffer> {
  try {
    return await readFile(join(folder, file));
  } catch (error) {
    throw new EdgeError({
      code: "recording-missing",
      message: `cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      where: join(folder, file),
      hint: "A data set is a folder with segments.json and acc.i16; `bellwether data import` makes one.",
    });
  }
}
