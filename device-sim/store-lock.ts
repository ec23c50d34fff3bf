/**
 * One fleet at a time on a folder: two would write into each other's outboxes.
 *
 * A file names the process that holds the folder. A process that died leaves the file behind; it
 * counts only while that process lives. After a restart of the machine another process may bear the
 * number: then the refusal says which file to remove.
 */

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EdgeError } from "../src/assert.ts";

/** Returns the function that lets go. Throws `EdgeError` `store-in-use`. */
export function lockStore(folder: string): () => void {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "fleet.lock");
  if (!create(file)) {
    const holder = Number(readFileSync(file, "utf8"));
    if (holder === process.pid || isAlive(holder)) throw inUse(file, holder);
    rmSync(file, { force: true });
    if (!create(file)) throw inUse(file, holder);
  }
  return () => rmSync(file, { force: true });
}

function create(file: string): boolean {
  try {
    writeFileSync(file, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process is one all the same.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

function inUse(file: string, holder: number): EdgeError {
  return new EdgeError({
    code: "store-in-use",
    message: `process ${holder} runs a fleet on this folder`,
    where: file,
    hint: "Stop it or name another folder; if that process is something else, remove this file.",
  });
}
