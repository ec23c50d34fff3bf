/**
 * What `doctor` looks at that is the machine's: Node, native libraries, memory, the clock, the disk,
 * and what else could be installed.
 */

import { existsSync, readdirSync, statfsSync, statSync } from "node:fs";
import { totalmem } from "node:os";
import path from "node:path";
import { findProgram } from "../deploy/firmware/tools/toolchain.ts";
import { sqliteVersion } from "../gateway/store/database-files.ts";
import { type Disk, writeDurably } from "../gateway/store/durable-file.ts";
import { probeOnnxRuntime } from "../gateway/teacher/onnx-probe.ts";
import { EdgeError } from "../src/assert.ts";
import { type Finding, note, ok, problem, warning } from "./finding.ts";

const MEGABYTE = 1024 * 1024;
/** A gateway with ONNX Runtime takes about 200 MB; distilling takes as much again. */
const MEMORY_LEAST = 700 * MEGABYTE;
/** Below the first nothing more is stored soon; below the second somebody should look. */
const DISK_LEAST = 64 * MEGABYTE;
const DISK_LOW = 512 * MEGABYTE;
/** A worn memory card takes seconds to flush a page, and every acknowledgement waits for it. */
const FLUSH_SLOW_MS = 250;
/** No copy of this program is older; a Pi without a battery for its clock starts in the past. */
const CLOCK_LEAST_MS = Date.parse("2026-01-01T00:00:00Z");
const CLOCK_SLACK_MS = 60_000;

export function checkNode(version = process.versions.node): Finding {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  // Types are stripped without a flag from 22.18 on; 23 had it from 23.6 on and is of the past.
  const runs = major >= 24 || (major === 22 && minor >= 18);
  if (!runs) {
    return problem(
      "node",
      `Node ${version} cannot run TypeScript as it is`,
      "Run `npm ci` in Bellwether's folder: it brings Node 24 with it, which `bellwether` then uses.",
    );
  }
  return ok(
    "node",
    `Node ${version} on ${process.platform}/${process.arch}, SQLite ${sqliteVersion()}`,
  );
}

export function checkMemory(bytes = totalmem()): Finding {
  const found = `${Math.round(bytes / MEGABYTE)} MB`;
  if (bytes >= MEMORY_LEAST) return ok("memory", found);
  return warning(
    "memory",
    `${found}: enough to serve, too little to distil`,
    "Run with `--serve-only`, or on a machine with 1 GB or more.",
  );
}

/** Loads the native library in a process of its own, for a wrong binary kills the one it is in. */
export async function checkOnnxRuntime(teacherFile: string): Promise<Finding> {
  const check = "onnx runtime";
  if (!existsSync(teacherFile)) {
    return problem(
      check,
      `there is no teacher at ${teacherFile}`,
      "Name an ONNX file or a TensorFlow.js model with teacher.file.",
    );
  }
  if (!teacherFile.endsWith(".onnx")) {
    return note(
      check,
      "not tried: the teacher is a TensorFlow.js model",
      "Nothing; distilling needs it.",
    );
  }
  try {
    await probeOnnxRuntime(teacherFile);
    return ok(check, "loads in a process of its own and takes the teacher");
  } catch (error) {
    return problemOf(check, error);
  }
}

/** @param dataDirectory its files are from the past, if the clock is right */
export function checkClock(dataDirectory: string, nowMs = Date.now()): Finding {
  const found = new Date(nowMs).toISOString();
  const todo =
    "Set the clock: `timedatectl set-ntp true`, or a battery-backed clock without network.";
  if (nowMs < CLOCK_LEAST_MS) {
    return problem("clock", `${found} is before this program was written`, todo);
  }
  const newest = newestFileMs(dataDirectory);
  if (newest > nowMs + CLOCK_SLACK_MS) {
    const ahead = new Date(newest).toISOString();
    return warning("clock", `${found}, yet the data directory has a file of ${ahead}`, todo);
  }
  return ok("clock", found);
}

/** Writes, flushes and removes a small file where the data are, or where they would be. */
export function checkDisk(dataDirectory: string, disk: Disk): Finding[] {
  const folder = existingFolder(dataDirectory);
  const room = statfsSync(folder);
  const free = room.bavail * room.bsize;
  const found = `${Math.round(free / MEGABYTE)} MB free at ${folder}`;
  const todo =
    'Make room; see docs/OPERATIONS.md, "A full disk". Nodes keep their windows meanwhile.';
  const space =
    free < DISK_LEAST
      ? problem("disk space", found, todo)
      : free < DISK_LOW
        ? warning("disk space", found, todo)
        : ok("disk space", found);
  return [space, checkFlush(folder, disk)];
}

function checkFlush(folder: string, disk: Disk): Finding {
  const check = "disk writes";
  const probe = path.join(folder, ".bellwether-doctor");
  const beganMs = performance.now();
  try {
    writeDurably(disk, probe, new Uint8Array(4096), 0o600);
    disk.remove(probe);
  } catch (error) {
    return problem(
      check,
      `${folder} cannot be written and flushed: ${(error as Error).message}`,
      `Run as the user who owns it, give it to that user (\`chown -R bellwether ${folder}\`), or mount it writable.`,
    );
  }
  const tookMs = performance.now() - beganMs;
  const found = `written and flushed in ${tookMs.toFixed(1)} ms`;
  if (tookMs < FLUSH_SLOW_MS) return ok(check, found);
  return warning(
    check,
    found,
    "Every acknowledgement waits for this: use another memory card or an SSD, unless the machine is just busy.",
  );
}

export function checkToolchain(): Finding {
  const wanted = ["arm-none-eabi-gcc", "qemu-system-arm"];
  const missing = wanted.filter((name) => findProgram(name) === undefined);
  if (missing.length === 0) return ok("firmware tools", wanted.join(", "));
  return note(
    "firmware tools",
    `no ${missing.join(", no ")}`,
    "Only who builds firmware needs them: `apt-get install gcc-arm-none-eabi qemu-system-arm`.",
  );
}

export function problemOf(check: string, error: unknown): Finding {
  if (error instanceof EdgeError) {
    // The message ends with the hint, which has a place of its own here.
    return problem(check, error.message.slice(0, -error.hint.length).trim(), error.hint);
  }
  return problem(check, (error as Error).message, "See docs/OPERATIONS.md.");
}

/** The directory, or the nearest one above it that is there. */
function existingFolder(directory: string): string {
  let folder = path.resolve(directory);
  while (!existsSync(folder) && path.dirname(folder) !== folder) folder = path.dirname(folder);
  return folder;
}

function newestFileMs(directory: string): number {
  if (!existsSync(directory)) return 0;
  try {
    const files = readdirSync(directory).map((name) => path.join(directory, name));
    return Math.max(0, ...files.map((file) => statSync(file).mtimeMs));
  } catch {
    // A folder that cannot be read is told by the check of the directory.
    return 0;
  }
}
