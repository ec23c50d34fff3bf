/**
 * One student, many processors, the same bits: reference, WebAssembly, and the C runtime on x86-64,
 * 64-bit Arm, Cortex-M0, M3, M4 (with and without its DSP instructions) and RV32IMC.
 *
 * All students fit the micro:bit's 192 KB of flash and 16 KB of RAM, so that every processor gets
 * every case. Instruction sets are those of QEMU; no silicon is here.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import {
  embedContainers,
  embedGenerated,
  type StudentCase,
} from "../deploy/firmware/tools/embed.ts";
import type { Finished } from "../deploy/firmware/tools/emulator.ts";
import {
  buildProgram,
  GENERATED_FLAGS,
  missingFor,
  type Place,
  RUNTIME_FLAGS,
  runProgram,
} from "../deploy/firmware/tools/runtime-program.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { createWasmEngine } from "../src/engine/wasm.ts";
import { decodeContainer } from "../src/model/container.ts";
import { below, prng } from "../src/prng.ts";
import { expectedLines, runtimeCases } from "./firmware-cases.ts";
import { anyConvolutions, anyEncoders, anyGrus, anyShifts } from "./firmware-shapes.ts";

const PLACES: readonly (readonly [string, Place, readonly string[]])[] = [
  ["x86-64", "host", []],
  ["aarch64", "aarch64", []],
  ["Cortex-M0", "microbit", []],
  ["Cortex-M3", "mps2-an385", []],
  ["Cortex-M4", "mps2-an386", []],
  ["Cortex-M4 without DSP instructions", "mps2-an386", ["-DBW_PORTABLE"]],
  ["RV32IMC", "virt-rv32", []],
];

/** The exit code of a fault, `cortex-m/startup.c`. */
const UNEXPECTED_INTERRUPT = 70;

const folder = mkdtempSync(join(tmpdir(), "bellwether-golden-"));
afterAll(() => rmSync(folder, { recursive: true }));

const { cases, real } = await runtimeCases();
/** Each is compiled for each processor, so only one of each kind. */
const compiled = cases.filter(({ name }) =>
  /^(cnn|gru)|scrambled-1|^cattle.student$|^encoder-golden$/.test(name),
);
const expected = new Map(cases.map((it) => [it, expectedLines(referenceEngine, it)]));
const expectedOf = (it: StudentCase): readonly string[] => expected.get(it) ?? [];
if (!real) console.log("no recordings were found: only made-up windows are compared");

describe(`${cases.length} students, ${real ? "recorded and made-up" : "made-up"} windows`, () => {
  it("WebAssembly", () => {
    const engine = createWasmEngine();
    expect(cases.flatMap((it) => expectedLines(engine, it))).toEqual(cases.flatMap(expectedOf));
  });

  for (const [name, place, flags] of PLACES) testPlace(name, place, flags);
});

function testPlace(name: string, place: Place, flags: readonly string[]): void {
  const missing = missingFor(place);
  if (missing.length > 0) console.log(`${name} is skipped: no ${missing.join(", no ")}`);

  // With the flags that its figures are taken with on the M4; elsewhere with such as compile fast.
  const generatedFlags = name === "Cortex-M4" ? GENERATED_FLAGS : ["-O2"];
  it.skipIf(missing.length > 0).each([
    ["the interpreter", embedContainers, RUNTIME_FLAGS, cases],
    ["generated code", embedGenerated, generatedFlags, compiled],
  ] as const)(`%s on ${name}`, async (engine, embed, engineFlags, run) => {
    const inside = mkdtempSync(join(folder, "image-"));
    const output = join(inside, "golden.elf");
    buildProgram({
      place,
      program: "golden",
      sources: embed(inside, run),
      output,
      flags: [...engineFlags, ...flags],
    });
    const finished = await runProgram(place, output, 60_000);
    expect(finished, engine).toMatchObject({ exitCode: 0, timedOut: false });
    expect(finished.output.trim().split("\n")).toEqual(run.flatMap(expectedOf));
  });
}

/** The interpreter has other inner loops where there are DSP instructions, rarer paths in both. */
describe("students of any shape and shift", () => {
  const shapes = [...anyConvolutions(30), ...anyGrus(20), ...anyEncoders(20), ...anyShifts()];
  const any = shapes.map(caseOfAnyShape);

  for (const place of ["mps2-an386", "mps2-an385", "virt-rv32"] as const) testShapes(place, any);

  // DSP kernels read up to three bytes behind an activation, and no sanitizer can watch them.
  describe.skipIf(missingFor("mps2-an386").length > 0)("RAM with a guard behind it", () => {
    it("is enough: nothing is read beyond", async () => {
      const finished = await runShapes("mps2-an386", any, ["-DRAM_SHORT_BYTES=0"]);
      expect(finished).toMatchObject({ exitCode: 0, timedOut: false });
      expect(finished.output.trim().split("\n")).toEqual(linesOf(any));
    });

    it("would be told apart from one that is a word short", async () => {
      const finished = await runShapes("mps2-an386", any, ["-DRAM_SHORT_BYTES=4"]);
      expect(finished).toMatchObject({ exitCode: UNEXPECTED_INTERRUPT, timedOut: false });
    });
  });
});

function testShapes(place: Place, any: readonly StudentCase[]): void {
  it.skipIf(missingFor(place).length > 0)(`the interpreter on ${place}`, async () => {
    const finished = await runShapes(place, any, []);
    expect(finished).toMatchObject({ exitCode: 0, timedOut: false });
    expect(finished.output.trim().split("\n")).toEqual(linesOf(any));
  });
}

function linesOf(any: readonly StudentCase[]): readonly string[] {
  return any.flatMap((it) => expectedLines(referenceEngine, it));
}

function runShapes(
  place: Place,
  any: readonly StudentCase[],
  flags: readonly string[],
): Promise<Finished> {
  const inside = mkdtempSync(join(folder, "shapes-"));
  const output = join(inside, "golden.elf");
  const sources = embedContainers(inside, any);
  buildProgram({ place, program: "golden", sources, output, flags: [...RUNTIME_FLAGS, ...flags] });
  return runProgram(place, output, 60_000);
}

function caseOfAnyShape(container: Uint8Array, i: number): StudentCase {
  const { windowSamples, channels } = decodeContainer(container).student;
  const length = windowSamples * channels;
  const random = prng(i, "any window");
  const bytes = Uint8Array.from({ length: 3 * length }, (_, at) =>
    at < length ? below(random, 256) : at < 2 * length ? 128 - below(random, 2) : 128,
  );
  return { name: `any-${i}`, container, windows: { key: `any_${i}`, count: 3, bytes } };
}
