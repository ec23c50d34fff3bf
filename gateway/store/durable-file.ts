/**
 * Files that are either wholly there or not there at all, whatever cuts the power.
 *
 * The order is the whole point: write a temporary file beside the target, flush it, rename it over
 * the target, flush the folder. A reader therefore sees the old bytes or the new bytes. What a kill
 * can leave is a temporary file, which the next start sweeps away. The disk is an argument so that a
 * test can break it at every single operation.
 */

import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import path from "node:path";

/** The few disk operations that change something. */
export type Disk = {
  makeFolder(folder: string): void;
  /** Creates or empties the file, writes every byte and flushes it. */
  writeFlushed(file: string, bytes: Uint8Array, mode: number): void;
  rename(from: string, to: string): void;
  flushFolder(folder: string): void;
  remove(file: string): void;
};

const TEMPORARY_SUFFIX = ".tmp";

export const nodeDisk: Disk = {
  makeFolder: (folder) => {
    mkdirSync(folder, { recursive: true });
  },
  writeFlushed: (file, bytes, mode) => {
    const handle = openSync(file, "w", mode);
    try {
      for (let written = 0; written < bytes.length; ) {
        written += writeSync(handle, bytes, written);
      }
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
  },
  rename: renameSync,
  flushFolder: (folder) => {
    const handle = openSync(folder, "r");
    try {
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
  },
  remove: unlinkSync,
};

/** Replaces a file in one step. When it returns, the new bytes survive a power cut. */
export function writeDurably(disk: Disk, file: string, bytes: Uint8Array, mode = 0o644): void {
  const temporary = `${file}${TEMPORARY_SUFFIX}`;
  disk.writeFlushed(temporary, bytes, mode);
  disk.rename(temporary, file);
  disk.flushFolder(path.dirname(file));
}

/** Removes what an interrupted `writeDurably` left in a folder. */
export function sweepTemporary(disk: Disk, folder: string): void {
  for (const name of readdirSync(folder)) {
    if (name.endsWith(TEMPORARY_SUFFIX)) disk.remove(path.join(folder, name));
  }
}

/** The file's bytes, or undefined where there is no such file. Other failures are thrown. */
export function readIfThere(file: string): Uint8Array | undefined {
  try {
    return readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
