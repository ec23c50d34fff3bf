/**
 * One student on one microcontroller, measured: builds `programs/measure.c` around it, runs it in QEMU
 * and reads what it wrote. Instructions are exact and the same on every run; time is not measured.
 */

import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import type { BoardName } from "../deploy/firmware/tools/boards.ts";
import { BARE_METAL_FLAGS } from "../deploy/firmware/tools/boards.ts";
import {
  embedContainers,
  embedGenerated,
  type StudentCase,
} from "../deploy/firmware/tools/embed.ts";
import {
  buildProgram,
  GENERATED_FLAGS,
  RUNTIME_FLAGS,
  runProgram,
  runtimeSources,
  targetOf,
} from "../deploy/firmware/tools/runtime-program.ts";
import { compile } from "../deploy/firmware/tools/toolchain.ts";
import { assert } from "../src/assert.ts";
import { sectionBytes } from "./binary-size.ts";

export type Variant = {
  readonly name: string;
  readonly place: BoardName;
  readonly flags: readonly string[];
};

/** A Cortex-M4 twice: with its DSP instructions and, under `BW_PORTABLE`, without. */
export const VARIANTS: readonly Variant[] = [
  { name: "m4", place: "mps2-an386", flags: [] },
  { name: "m4Portable", place: "mps2-an386", flags: ["-DBW_PORTABLE"] },
  { name: "m3", place: "mps2-an385", flags: [] },
  { name: "m0", place: "microbit", flags: [] },
  { name: "rv32", place: "virt-rv32", flags: [] },
];

export type Measured = {
  /** Instructions of one window from `bw_begin` up to and including each exit. */
  readonly instructions: readonly number[];
  /** Of its encoder alone, where it has one. */
  readonly encodeInstructions?: number;
  readonly loadInstructions: number;
  /** What `bw_open` wants, and the structs `bw_model` and `bw_run`. */
  readonly ramBytes: number;
  readonly stateBytes: number;
  readonly runStackBytes: number;
  readonly loadStackBytes: number;
};

/** What one engine costs on one processor, by the names that the JSON has. */
export type EngineFigures = Measured & {
  readonly instructionsPerMac: number;
  readonly exit1Share: number;
};
/** Those of generated code stand for the processor: it is the fastest that ships. */
export type ProcessorFigures = EngineFigures & {
  readonly interpreter: EngineFigures;
  readonly generated: EngineFigures;
};
export type ShapeFigures = Readonly<Record<string, ProcessorFigures>>;

const TIMEOUT_MS = 60_000;

/** Every case by its name. Throws an `EdgeError` where a compiler or QEMU is not installed. */
export async function measureCases(
  variant: Variant,
  engine: "interpreter" | "generated",
  cases: readonly StudentCase[],
  folder: string,
): Promise<ReadonlyMap<string, Measured>> {
  const place = join(folder, `${variant.name}-${engine}`);
  mkdirSync(place, { recursive: true });
  const image = join(place, "measure.elf");
  buildProgram({
    place: variant.place,
    program: "measure",
    sources: (engine === "interpreter" ? embedContainers : embedGenerated)(place, cases),
    output: image,
    flags: [...(engine === "interpreter" ? RUNTIME_FLAGS : GENERATED_FLAGS), ...variant.flags],
  });
  const finished = await runProgram(variant.place, image, TIMEOUT_MS);
  assert(finished.exitCode === 0, `${variant.name} ends with 0: ${JSON.stringify(finished)}`);
  const figures = new Map<string, number>();
  for (const line of finished.output.trim().split("\n")) {
    const [student, what, value] = line.split(" ");
    figures.set(`${student} ${what}`, Number(value));
  }
  return new Map(cases.map((it) => [it.name, measuredOf(figures, it)]));
}

function measuredOf(
  figures: ReadonlyMap<string, number>,
  { name, windows }: StudentCase,
): Measured {
  const figure = (what: string): number => figures.get(`${name} ${what}`) ?? Number.NaN;
  const instructions: number[] = [];
  let sum = figure("begin");
  for (let exit = 1; figures.has(`${name} exit${exit}`); exit++) {
    sum += figure(`exit${exit}`);
    instructions.push(Math.round(sum / windows.count));
  }
  const encode = figures.get(`${name} encode`);
  return {
    instructions,
    ...(encode === undefined ? {} : { encodeInstructions: Math.round(encode / windows.count) }),
    loadInstructions: figure("load"),
    ramBytes: figure("ram"),
    stateBytes: figure("state"),
    runStackBytes: figure("runStack"),
    loadStackBytes: figure("loadStack"),
  };
}

export type CodeSize = {
  readonly file: string;
  readonly textBytes: number;
  readonly constantBytes: number;
  readonly dataBytes: number;
};

/** What each of the runtime's files becomes, before the linker leaves out what nobody calls. */
export function codeSizes(variant: Variant, folder: string): readonly CodeSize[] {
  const target = targetOf(variant.place);
  return runtimeSources().map((source) => {
    const output = join(folder, `${variant.name}-${basename(source)}.o`);
    const flags = [...BARE_METAL_FLAGS, ...RUNTIME_FLAGS, ...variant.flags, "-c"];
    compile({ target, sources: [source], output, flags });
    const bytesOf = sectionBytes(target, output);
    return {
      file: basename(source),
      textBytes: bytesOf(/^\.text/),
      constantBytes: bytesOf(/^\.s?rodata/),
      dataBytes: bytesOf(/^\.(s?data|s?bss)/),
    };
  });
}
