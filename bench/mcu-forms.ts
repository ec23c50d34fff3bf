/**
 * What a Cortex-M4 takes to make each form of an offload: codes by the encoders that tasks are given,
 * and windows in 4 and 2 bits a value; beside the shipped students, on emulated animals and people.
 * Encoders are as training begins with them: what they cost follows from their shapes.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { embedContainers, type StudentCase } from "../deploy/firmware/tools/embed.ts";
import { buildProgram, formSources, runProgram } from "../deploy/firmware/tools/runtime-program.ts";
import { assert } from "../src/assert.ts";
import { encoderOn } from "../src/cost/encoder-on-target.ts";
import { splitRecipeFor } from "../src/learn/split-recipes.ts";
import { type Container, decodeContainer, encodeContainer } from "../src/model/container.ts";
import { codeShape, encoderMacs, type QuantizedEncoder } from "../src/model/encoder.ts";
import { encodeEncoder } from "../src/model/encoder-bytes.ts";
import { modelRamBytes } from "../src/model/encoder-cost.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import { emulatedWindows } from "./mcu-decision.ts";
import { measureCases } from "./mcu-variant.ts";
import { untrainedEncoder, untrainedSplit } from "./untrained-encoder.ts";

export type FormFigures = {
  readonly codeBytes: number;
  readonly macs: number;
  /** By the cost model, which nothing of this has fitted. */
  readonly estimatedInstructions: number;
  /** Means over the windows; packing is not part of encoding. */
  readonly encodeInstructions: number;
  /** The same by `export c`. */
  readonly generatedInstructions: number;
  readonly packInstructions: number;
  readonly companded4Instructions: number;
  readonly companded2Instructions: number;
  /** Of the student at full depth. */
  readonly wholeInstructions: number;
  readonly shareOfWhole: number;
  /** RAM beyond the student's, the encoder's section of the container, and stack. */
  readonly moreRamBytes: number;
  readonly flashBytes: number;
  readonly stackBytes: number;
};

const M4 = { name: "forms", place: "mps2-an386", flags: [] } as const;
const PLACE = M4.place;
const TIMEOUT_MS = 60_000;
const WANTED = [
  ["cattle", 24],
  ["cattle", 44],
  ["people", 48],
] as const;

/** By task and bytes of the codes. */
export async function measureForms(
  folder: string,
  windowCount: number,
): Promise<Readonly<Record<string, FormFigures>>> {
  const made = await Promise.all(WANTED.map(([task, bytes]) => caseOf(task, bytes, windowCount)));
  const output = join(folder, "forms.elf");
  const sources = [
    ...embedContainers(
      folder,
      made.map(({ asCase }) => asCase),
    ),
    ...formSources(),
  ];
  buildProgram({ place: PLACE, program: "forms", sources, output });
  const finished = await runProgram(PLACE, output, TIMEOUT_MS);
  assert(finished.exitCode === 0, `forms end with 0: ${JSON.stringify(finished)}`);
  const figures = new Map<string, number>();
  for (const line of finished.output.trim().split("\n")) {
    const [name, what, value] = line.split(" ");
    figures.set(`${name} ${what}`, Number(value));
  }
  const cases = made.map(({ asCase }) => asCase);
  const generated = await measureCases(M4, "generated", cases, folder);
  return Object.fromEntries(
    made.map(({ asCase: { name, windows }, container, encoder }) => {
      const figure = (what: string): number => figures.get(`${name} ${what}`) ?? Number.NaN;
      const mean = (what: string): number => Math.round(figure(what) / windows.count);
      const { student } = container;
      assert(figure("ram") === modelRamBytes(container), "the loader plans what is counted here");
      const of: FormFigures = {
        codeBytes: codeShape(encoder).bytes,
        macs: encoderMacs(encoder),
        estimatedInstructions: encoderOn("nrf52840", encoder).instructions,
        encodeInstructions: mean("encode"),
        generatedInstructions: generated.get(name)?.encodeInstructions ?? Number.NaN,
        packInstructions: mean("pack"),
        companded4Instructions: mean("companded4"),
        companded2Instructions: mean("companded2"),
        wholeInstructions: figure("whole"),
        shareOfWhole: mean("encode") / figure("whole"),
        moreRamBytes: modelRamBytes(container) - modelRamBytes({ student }),
        flashBytes: encodeEncoder(encoder).length,
        stackBytes: figure("stack"),
      };
      return [name, of];
    }),
  );
}

type Made = {
  readonly asCase: StudentCase;
  readonly container: Container;
  readonly encoder: QuantizedEncoder;
};

async function caseOf(task: string, bytes: number, count: number): Promise<Made> {
  const profile = shippedProfile(task);
  const { design } = splitRecipeFor(profile, bytes);
  const encoder = untrainedEncoder(untrainedSplit(design, 1), profile.inputMilligPerStep);
  const path = fileURLToPath(new URL(`../profiles/${task}/student.bwm`, import.meta.url));
  const container = { ...decodeContainer(new Uint8Array(readFileSync(path))), encoder };
  const windows = { key: task, count, bytes: await emulatedWindows(task, count) };
  const name = `${task}-${codeShape(encoder).bytes}`;
  return { asCase: { name, container: encodeContainer(container), windows }, container, encoder };
}
