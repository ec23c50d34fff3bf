/**
 * The C runtime as a peer of the engines: compiled for this machine, run as a child process.
 *
 * The child answers how long so many windows took, by its own clock, so that the pipe between us is
 * not in the figure. Where there is no compiler, that is said and nothing is timed.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import {
  compile,
  FIRMWARE_FOLDER,
  findProgram,
  TARGETS,
} from "../deploy/firmware/tools/toolchain.ts";
import { assert } from "../src/assert.ts";
import type { WindowSet } from "../src/signal/window-set.ts";

export const NATIVE_FLAGS = ["-O3", "-march=native"];

const PROGRAM = fileURLToPath(new URL("engine-native.c", import.meta.url));

/** The program, compiled once per run of the benchmark. */
export type NativeProgram = { readonly file: string; readonly folder: string };

export type NativeEngine = {
  /** FNV-1a over the logits of all windows, one per exit. */
  readonly hashes: readonly number[];
  /** Nanoseconds that so many windows took. */
  readonly run: (windows: number) => Promise<number>;
  readonly stop: () => Promise<void>;
};

/** Undefined where there is no compiler. */
export function buildNative(): NativeProgram | undefined {
  if (findProgram(TARGETS.host.compiler) === undefined) return undefined;
  const runtime = join(FIRMWARE_FOLDER, "runtime");
  const sources = readdirSync(runtime)
    .filter((name) => name.endsWith(".c"))
    .map((name) => join(runtime, name));
  if (sources.length === 0) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "bellwether-native-"));
  const file = join(folder, "engine-native");
  compile({
    target: "host",
    sources: [...sources, PROGRAM],
    output: file,
    flags: [...NATIVE_FLAGS, `-I${runtime}`],
  });
  return { file, folder };
}

export function removeNative({ folder }: NativeProgram): void {
  rmSync(folder, { recursive: true });
}

export async function startNative(
  program: NativeProgram,
  container: Uint8Array,
  windows: WindowSet,
): Promise<NativeEngine> {
  const [model, samples] = [join(program.folder, "model.bwm"), join(program.folder, "windows")];
  writeFileSync(model, container);
  writeFileSync(samples, windows.samples);
  const child = spawn(program.file, [model, samples, String(windows.count)], {
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

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.stdin?.end();
  });
}
