/**
 * One gateway at a time on a data directory.
 *
 * The lock is an SQLite file held open in an exclusive transaction: the kernel releases it when the
 * process ends, however it ends, so there is no stale lock to remove by hand after a kill or a power
 * cut, as there is with files that hold a process id.
 */

import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { EdgeError } from "../../src/assert.ts";

const SQLITE_BUSY = 5;

/** Returns the function that releases it. Throws `EdgeError` `data-directory-in-use`. */
export function lockDataDirectory(directory: string): () => void {
  const file = path.join(directory, "gateway.lock");
  const database = new DatabaseSync(file, { timeout: 0 });
  try {
    // Nothing is ever written, so the rollback journal stays out of the folder.
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw error;
    throw new EdgeError({
      code: "data-directory-in-use",
      message: "another gateway is running on this data directory",
      where: directory,
      hint: "Stop that gateway, or give this one a directory of its own (data_directory).",
    });
  }
  return () => database.close();
}
