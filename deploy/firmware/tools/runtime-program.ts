/**
 * Programs around the runtime, for every processor that it is tested on: builds them and runs them.
 *
 * A *place* is a board in QEMU, or this machine, or a 64-bit Arm by qemu-aarch64. The same sources
 * and the same cases go to all of them; what comes back is what the program wrote.
 */

import { execFile } from "node:child_process";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { BOARDS, type BoardName, buildImage } from "./boards.ts";
import { canEmulate, emulate, type Finished } from "./emulator.ts";
import {
  compile,
  FIRMWARE_FOLDER,
  findProgram,
  firmwareFiles,
  TARGETS,
  type TargetName,
} from "./toolchain.ts";

export type Place = BoardName | "host" | "aarch64";

/** What the figures in docs/RESULTS.md were taken with. Without scheduling a Cortex-M4 spills less. */
export const RUNTIME_FLAGS: readonly string[] = ["-O2", "-fno-schedule-insns"];

/** The same for what `bellwether export c` writes. */
export const GENERATED_FLAGS: readonly string[] = ["-O3", "-fno-schedule-insns"];

const RUNTIME = join(FIRMWARE_FOLDER, "runtime");
const PROGRAMS = join(FIRMWARE_FOLDER, "programs");
const BOARDS_FOLDER = join(FIRMWARE_FOLDER, "boards");

/** The runtime's C files. */
export function runtimeSources(): readonly string[] {
  return firmwareFiles("runtime");
}

/** The gate's C files, of the folder `node`. */
export function gateSources(): readonly string[] {
  const names = ["margin_tables", "margins", "belief", "novelty", "burst", "decide"];
  return [...names, "gate_load", "gate_state", "prng"].map((name) =>
    join(FIRMWARE_FOLDER, "node", `bw_${name}.c`),
  );
}

/** What makes an offload's payload, of the same folder. */
export function formSources(): readonly string[] {
  return ["codes", "companded"].map((name) => join(FIRMWARE_FOLDER, "node", `bw_${name}.c`));
}

/** What is not installed and would be needed; empty where the place can be built for and run. */
export function missingFor(place: Place): readonly string[] {
  const { compiler } = TARGETS[targetOf(place)];
  const missing = findProgram(compiler) === undefined ? [compiler] : [];
  if (place === "aarch64" && findProgram("qemu-aarch64") === undefined)
    missing.push("qemu-aarch64");
  if (isBoard(place) && !canEmulate(place)) missing.push(BOARDS[place].emulator);
  return missing;
}

export type RuntimeProgram = {
  readonly place: Place;
  /** Of the folder `programs`. */
  readonly program: "golden" | "measure" | "decision" | "forms";
  /** Cases, and further C files. */
  readonly sources: readonly string[];
  readonly output: string;
  readonly flags?: readonly string[];
};

/** Throws as `compile` does. */
export function buildProgram({ place, program, sources, output, flags }: RuntimeProgram): void {
  const all = [join(PROGRAMS, `${program}.c`), ...sources, ...runtimeSources()];
  const folders = [RUNTIME, PROGRAMS, BOARDS_FOLDER, ...new Set(sources.map(dirname))];
  const options = {
    output,
    flags: [...(flags ?? RUNTIME_FLAGS), ...folders.map((folder) => `-I${folder}`)],
  };
  if (isBoard(place)) {
    buildImage({ ...options, board: place, sources: all });
  } else {
    const console = join(BOARDS_FOLDER, "hosted", "console.c");
    compile({ ...options, target: targetOf(place), sources: [...all, console] });
  }
}

/** Runs what `buildProgram` made. On boards the counter counts instructions. */
export async function runProgram(
  place: Place,
  image: string,
  timeoutMs: number,
): Promise<Finished> {
  if (isBoard(place)) {
    return emulate({ board: place, image, flags: BOARDS[place].counterFlags, timeoutMs });
  }
  const [file, ...args] = place === "host" ? [image] : ["qemu-aarch64", image];
  try {
    const options = { timeout: timeoutMs, maxBuffer: 4 << 20 };
    const { stdout } = await promisify(execFile)(file as string, args, options);
    return { exitCode: 0, output: stdout, timedOut: false };
  } catch (error) {
    const { code, killed, stdout } = error as { code?: number; killed?: boolean; stdout?: string };
    return { exitCode: code, output: stdout ?? "", timedOut: killed === true };
  }
}

export function targetOf(place: Place): TargetName {
  return isBoard(place) ? BOARDS[place].target : place;
}

function isBoard(place: Place): place is BoardName {
  return place in BOARDS;
}
