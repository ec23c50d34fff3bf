/**
 * One fleet at a time on a folder: two would write into each other's outboxes.
 *
 * A file names the process that holds the folder, and the start of the machine where that is known
 * (Linux). A process that died leaves the file behind; it counts only while that process lives. After a
 * power cut another process may bear the number, often this one: it counts for that start alone.
 */

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EdgeError } from "../src/assert.ts";

/** Returns the function that lets go. Throws `EdgeError` `store-in-use`, and `store-unwritable` where
 * nothing can be written: the disk is full, or the folder is somebody else's. */
export function lockStore(folder: string): () => void {
  try {
    return takeLock(folder);
  } catch (error) {
    if (!(error instanceof Error && "code" in error) || error instanceof EdgeError) throw error;
    throw new EdgeError({
      code: "store-unwritable",
      message: error.message,
      where: folder,
      hint: "Make room on its disk, or name a folder with --store that this user may write.",
    });
  }
}

function takeLock(folder: string): () => void {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "fleet.lock");
  if (!create(file)) {
    const [number, start] = readFileSync(file, "utf8").split(" ");
    const holder = Number(number);
    const isOfNow = start === undefined || start === machineStart();
    if (isOfNow && (holder === process.pid || isAlive(holder))) throw inUse(file, holder);
    rmSync(file, { force: true });
    if (!create(file)) throw inUse(file, holder);
  }
  return () => rmSync(file, { force: true });
}

/** Drawn anew at each start of the machine; empty where nobody says it. */
function machineStart(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "";
  }
}

function create(file: string): boolean {
  try {
    writeFileSync(file, [process.pid, machineStart()].join(" ").trim(), { flag: "wx" });
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
