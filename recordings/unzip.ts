/**
 * Unpacks chosen files of a ZIP archive, one after the other, so that memory holds the archive and
 * one file. The only file that imports fflate.
 */

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { unzipSync } from "fflate";
import { EdgeError } from "../src/assert.ts";

export type UnzipRequest = {
  readonly archive: string;
  readonly folder: string;
  /** Where an entry goes below the folder; null leaves it out. Names in archives are not to be
   * trusted, so the path is made by the caller and never taken from the entry. */
  readonly pathOf: (entryName: string) => string | null;
  readonly onProgress?: (files: number, total: number) => void;
};

/**
 * @returns how many files were written
 * @throws EdgeError `unzip` for what is not a ZIP archive or is damaged
 */
export async function unzip(request: UnzipRequest): Promise<number> {
  const bytes = await readFile(request.archive);
  const entries = new Map<string, { path: string; size: number }>();
  readEntries(request.archive, bytes, (name, size) => {
    const path = request.pathOf(name);
    if (path !== null) entries.set(name, { path, size });
    return false;
  });
  let written = 0;
  for (const [name, { path, size }] of entries) {
    const content = readEntries(request.archive, bytes, (candidate) => candidate === name)[name];
    if (content === undefined || content.length !== size) {
      throw damaged(request.archive, `${name} has ${content?.length ?? 0} of ${size} bytes`);
    }
    const target = join(request.folder, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, content);
    request.onProgress?.(++written, entries.size);
  }
  return written;
}

function readEntries(
  archive: string,
  bytes: Uint8Array,
  wanted: (name: string, size: number) => boolean,
): Record<string, Uint8Array> {
  try {
    return unzipSync(bytes, { filter: (file) => wanted(file.name, file.originalSize) });
  } catch (error) {
    throw damaged(archive, error instanceof Error ? error.message : String(error));
  }
}

function damaged(where: string, message: string): EdgeError {
  return new EdgeError({
    code: "unzip",
    message,
    where,
    hint: "The archive is damaged or no ZIP file: delete it and download it again.",
  });
}
