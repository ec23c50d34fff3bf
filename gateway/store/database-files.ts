/**
 * The SQLite files of a data directory, seen from outside: whether they are whole, and a copy of one
 * that a gateway is writing to. It neither repairs nor opens them for use: `label-log.ts` and
 * `access-store.ts` do.
 */

import { statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

const HEADER_BYTES = 100;
const BUSY_MS = 5_000;

export function sqliteVersion(): string {
  const database = new DatabaseSync(":memory:");
  try {
    return String(database.prepare("SELECT sqlite_version() AS version").get()?.version);
  } finally {
    database.close();
  }
}

/** What is wrong with a file, in SQLite's words; undefined where it is whole. Reads all of it: some
 * hundred MB a second. A gateway may be running on it. */
export function databaseDamage(file: string): string | undefined {
  // SQLite takes an empty file for a new database, and ours have tables from their first moment on.
  if (statSync(file).size < HEADER_BYTES) return "the file is cut off";
  let database: DatabaseSync | undefined;
  try {
    // Not read-only: such a connection would leave a log and its index behind in the folder.
    database = new DatabaseSync(file, { timeout: BUSY_MS });
    const rows = database.prepare("PRAGMA quick_check(1)").all();
    const said = String(rows[0]?.quick_check);
    return said === "ok" ? undefined : said;
  } catch (error) {
    return (error as Error).message;
  } finally {
    database?.close();
  }
}

/**
 * Copies a database as it is at one moment, while others read and write it. `copy` must not exist;
 * it is one file, without a log beside it.
 */
export function copyDatabase(file: string, copy: string): void {
  const database = new DatabaseSync(file, { timeout: BUSY_MS });
  try {
    // One read transaction, so a snapshot; and compact, since free pages are left out.
    database.prepare("VACUUM INTO ?").run(copy);
  } finally {
    database.close();
  }
}
