/**
 * The C runtime as a peer of the engines, compiled for this machine and run as a child process: its
 * interpreter, and the C that is generated for a student.
 *
 * The child answers how long so many windows took, by its own clock, so that the pipe between us is
 * not in the figure. Where there is no compiler, that is said and nothing is timed.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import {
  compile,
  FIRMWARE_FOLDER,
  findProgram,
  firmwareFiles,
  TARGETS,
} from "../deploy/firmware/tools/toolchain.ts";
import { assert } from "../src/assert.ts";
import { exportC } from "../src/export/student-c.ts";
import { type Container, encodeContainer } from "../src/model/container.ts";
import type { WindowSet } from "../src/signal/window-set.ts";

export const NATIVE_FLAGS = ["-O3", "-march=native"];

const PROGRAM = fileURLToPath(new URL("engine-native.c", import.meta.url));

export type NativeKind = "interpreter" | "generated";

export type NativeEngine = {
  /** FNV-1a over the logits of all windows, one per exit. */
  readonly hashes: readonly number[];
  /** Nanoseconds that so many windows took. */
  readonly run: (windows: number) => Promise<number>;
  readonly stop: () => Promise<void>;
};

export function hasCompiler(): boolean {
  return findProgram(TARGETS.host.compiler) !== undefined;
}

/** Compiles and starts it; the folder is the caller's to remove. */
export async function startNative(
  kind: NativeKind,
  container: Container,
  windows: WindowSet,
  folder: string,
): Promise<NativeEngine> {
  const [model, samples] = [join(folder, "model.bwm"), join(folder, "windows")];
  writeFileSync(model, encodeContainer(container));
  writeFileSync(samples, windows.samples);
  const program = build(kind, container, folder);
  const child = spawn(program, [model, samples, String(windows.count)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const { value, done } = await lines.next();
    assert(done !== true, `the native benchmark ended with ${child.exitCode}`);
    return value as string;
  };
  const hashes = (await next()).trim().split(" ").map(Number);
  return {
    hashes,
    run: async (count) => {
      child.stdin.write(`${count}\n`);
      return Number(await next());
    },
    stop: () => ended(child),
  };
}

function build(kind: NativeKind, container: Container, folder: string): string {
  const runtime = join(FIRMWARE_FOLDER, "runtime");
  const output = join(folder, kind);
  const sources = [PROGRAM];
  const flags = [...NATIVE_FLAGS, `-I${runtime}`];
  if (kind === "generated") {
    const { files } = exportC({ container, modelId: "00".repeat(8), name: "student" });
    for (const { name, text } of files) writeFileSync(join(folder, name), text);
    sources.push(join(folder, "student.c"));
    flags.push("-DGENERATED", `-I${folder}`);
  } else {
    sources.push(...firmwareFiles("runtime"));
  }
  compile({ target: "host", sources, output, flags });
  return output;
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.stdin?.end();
  });
}
