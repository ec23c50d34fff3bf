/** Reads a model container or a release from disk, as commands are given it. */

import { readFileSync, statSync } from "node:fs";
import { EdgeError } from "../src/assert.ts";
import { LIMITS } from "../src/wire/limits.ts";

/** The bytes of a container or release, or of what is no longer than `bytesMax`. Throws `EdgeError` for
 * what cannot be one. */
export function readFile(path: string, bytesMax: number = LIMITS.releaseBytes): Uint8Array {
  try {
    if (statSync(path).size > bytesMax) {
      throw new EdgeError({
        code: "file-oversized",
        message: `more than ${bytesMax} bytes`,
        where: path,
        hint: "No model container is that long.",
      });
    }
    return readFileSync(path);
  } catch (error) {
    throw error instanceof EdgeError ? error : unreadable(path, error);
  }
}

export function unreadable(path: string, error: unknown): EdgeError {
  return new EdgeError({
    code: "file-unreadable",
    message: (error as Error).message,
    where: path,
    hint: "Give the path of a file or folder that exists and may be read.",
  });
}
