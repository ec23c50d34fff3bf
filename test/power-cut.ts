/**
 * Power cuts that a test can make: a file system in a file, copied while a process writes on it.
 *
 * What a process has flushed is in the image file; what only waits in the upper file system's page
 * cache is not, and so is lost, as by a real cut. Killing a process cannot show that, since the page
 * cache outlives it. It needs root and loop devices; `diskReason` says why where they are missing.
 */

import { type ChildProcess, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

/** Undefined where power cuts can be made. */
export function diskReason(): string | undefined {
  if (process.getuid?.() !== 0) return "power cuts need root, to mount a file system";
  let disk: Disk | undefined;
  try {
    disk = createDisk();
    return undefined;
  } catch (error) {
    return `power cuts need loop devices: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    disk?.remove();
  }
}

export type Disk = {
  /** Where processes may write. */
  readonly folder: string;
  /** What a cut right now would leave: mounted for `look`, which is given its folder. */
  cut<T>(look: (folder: string) => T): T;
  remove(): void;
};

/** A fresh file system of 32 MiB that writes back as late as it can. */
export function createDisk(): Disk {
  const home = mkdtempSync(join(tmpdir(), "bellwether-disk-"));
  const image = join(home, "disk.img");
  const folder = join(home, "disk");
  mkdirSync(folder);
  run("truncate", "-s", "32M", image);
  run("mkfs.ext4", "-q", "-F", image);
  run("mount", "-o", "loop,commit=300", image, folder);
  holdBack(folder);
  return {
    folder,
    cut: (look) => {
      const copy = join(home, "copy.img");
      const left = join(home, "left");
      mkdirSync(left, { recursive: true });
      run("cp", "--sparse=always", image, copy);
      run("mount", "-o", "loop", copy, left);
      try {
        return look(left);
      } finally {
        run("umount", left);
      }
    },
    remove: () => {
      run("umount", folder);
      rmSync(home, { recursive: true });
    },
  };
}

/** A new device writes back almost at once, which would hide what was never flushed. */
function holdBack(folder: string): void {
  const { dev } = statSync(folder);
  const number = `${Math.floor(dev / 256)}:${dev % 256}`;
  if (readdirSync("/sys/class/bdi").includes(number)) {
    writeFileSync(`/sys/class/bdi/${number}/min_ratio`, "60");
  }
}

/** Stops a process where it is, and lets what it said before arrive. */
export async function freeze(child: ChildProcess): Promise<void> {
  child.kill("SIGSTOP");
  await wait(50);
}

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { stdio: ["ignore", "ignore", "pipe"] });
}
