/**
 * Exact instruction counts of students in the C runtime's interpreter, for each instruction set of the
 * cost model: Cortex-M4 and RV32IMC on QEMU's boards, aarch64 under QEMU's user mode.
 *
 * In user mode there is no counter: QEMU writes a line for each instruction, and the lines are
 * counted. A run of two windows less a run of one leaves the start of the program out.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { StudentCase } from "../deploy/firmware/tools/embed.ts";
import {
  compile,
  FIRMWARE_FOLDER,
  findProgram,
  firmwareFiles,
  TARGETS,
} from "../deploy/firmware/tools/toolchain.ts";
import { assert } from "../src/assert.ts";
import type { InstructionSet } from "../src/cost/targets.ts";
import { type Work, workOf } from "../src/cost/work.ts";
import { encodeContainer } from "../src/model/container.ts";
import type { QuantizedStudent } from "../src/model/student.ts";
import { containerAround, noiseWindows } from "../test/student-samples.ts";
import { codeSizes, measureCases, VARIANTS } from "./mcu-variant.ts";

/** One student: the work and the instructions between one count and the next. */
export type Counted = {
  readonly stages: readonly { readonly work: readonly Work[]; readonly instructions: number }[];
};

/** What the runtime takes beside a student's buffers; undefined where it was not measured. */
export type Overhead = {
  readonly codeBytes: number;
  readonly stateBytes: number;
  readonly stackBytes: number;
};

export type Counts = {
  readonly students: readonly Counted[];
  readonly overhead: Overhead | undefined;
};

const BOARD_VARIANT: Readonly<Record<Exclude<InstructionSet, "aarch64">, string>> = {
  "cortex-m4": "m4",
  rv32imc: "rv32",
};
const USER_MODE = "qemu-aarch64";
const PROGRAM = fileURLToPath(new URL("engine-native.c", import.meta.url));

/** What is not installed and would be needed, or undefined. */
export function missingFor(set: InstructionSet): string | undefined {
  const needed = {
    "cortex-m4": [TARGETS["cortex-m4"].compiler, "qemu-system-arm"],
    rv32imc: [TARGETS.rv32.compiler, "qemu-system-riscv32"],
    aarch64: [TARGETS.aarch64.compiler, USER_MODE],
  }[set];
  return needed.find((program) => findProgram(program) === undefined);
}

export async function countStudents(
  set: InstructionSet,
  students: readonly QuantizedStudent[],
  folder: string,
): Promise<Counts> {
  const cases = students.map(caseOf);
  return set === "aarch64"
    ? { students: await countInUserMode(students, cases, folder), overhead: undefined }
    : countOnBoard(BOARD_VARIANT[set], students, cases, folder);
}

async function countOnBoard(
  name: string,
  students: readonly QuantizedStudent[],
  cases: readonly StudentCase[],
  folder: string,
): Promise<Counts> {
  const variant = VARIANTS.find((one) => one.name === name);
  assert(variant !== undefined, `there is a variant ${name}`);
  const measured = await measureCases(variant, "interpreter", cases, folder);
  const codeBytes = codeSizes(variant, folder).reduce(
    (sum, { textBytes, constantBytes }) => sum + textBytes + constantBytes,
    0,
  );
  const all = cases.map((one) => {
    const found = measured.get(one.name);
    assert(found !== undefined, `${one.name} was measured`);
    return found;
  });
  return {
    students: students.map((student, i) => {
      const sums = all[i]?.instructions ?? [];
      const stages = workOf(student).map((work, s) => {
        return { work, instructions: (sums[s] ?? Number.NaN) - (s === 0 ? 0 : (sums[s - 1] ?? 0)) };
      });
      return { stages };
    }),
    overhead: {
      codeBytes,
      stateBytes: Math.max(...all.map((one) => one.stateBytes)),
      stackBytes: Math.max(...all.map((one) => one.runStackBytes)),
    },
  };
}

/** The whole depth alone: a stage by itself is not to be had here. */
async function countInUserMode(
  students: readonly QuantizedStudent[],
  cases: readonly StudentCase[],
  folder: string,
): Promise<Counted[]> {
  const place = join(folder, "aarch64");
  mkdirSync(place, { recursive: true });
  const program = join(place, "count");
  const runtime = join(FIRMWARE_FOLDER, "runtime");
  compile({
    target: "aarch64",
    sources: [...firmwareFiles("runtime"), PROGRAM],
    output: program,
    flags: ["-O3", `-I${runtime}`],
  });
  const counted: Counted[] = [];
  for (const [i, { container, windows }] of cases.entries()) {
    const [model, samples] = [join(place, `${i}.bwm`), join(place, `${i}.windows`)];
    writeFileSync(model, container);
    writeFileSync(samples, windows.bytes);
    const command = [program, model, samples, String(windows.count)];
    const [one, two] = [await linesOf(command, "1\n"), await linesOf(command, "2\n")];
    const work = workOf(students[i] as QuantizedStudent).flat();
    counted.push({ stages: [{ work, instructions: two - one }] });
  }
  return counted;
}

/** How many instructions QEMU logs. */
async function linesOf(command: readonly string[], input: string): Promise<number> {
  const flags = ["-singlestep", "-d", "nochain,exec"];
  const child = spawn(USER_MODE, [...flags, ...command], { stdio: ["pipe", "ignore", "pipe"] });
  let lines = 0;
  child.stderr.on("data", (chunk: Buffer) => {
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines++;
  });
  child.stdin.end(input);
  const [code] = (await once(child, "close")) as [number];
  assert(code === 0, `the counted program ends with 0, not ${code}`);
  return lines;
}

function caseOf(student: QuantizedStudent, i: number): StudentCase {
  const { windowSamples, channels, classes } = student;
  const { samples } = noiseWindows({ windowSamples, channels, classes, stages: [] }, 1, 100 + i);
  const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  return {
    name: `student${i}`,
    container: encodeContainer(containerAround(student)),
    windows: { key: `windows${i}`, count: 1, bytes },
  };
}
