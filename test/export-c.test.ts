/** Generated C: the bits of the reference engine wherever it is compiled, and what it costs. */

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { BOARDS, type BoardName, buildImage } from "../deploy/firmware/tools/boards.ts";
import { canEmulate, emulate } from "../deploy/firmware/tools/emulator.ts";
import { GENERATED_FLAGS } from "../deploy/firmware/tools/runtime-program.ts";
import {
  compile,
  FIRMWARE_FOLDER,
  findProgram,
  TARGETS,
} from "../deploy/firmware/tools/toolchain.ts";
import { EdgeError } from "../src/assert.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { exportC } from "../src/export/student-c.ts";
import { type Container, decodeContainer } from "../src/model/container.ts";
import { quantizeStudent } from "../src/model/quantize.ts";
import { studentCost } from "../src/model/student-cost.ts";
import type { StudentSpec } from "../src/model/student-spec.ts";
import { windowAt } from "../src/signal/window-set.ts";
import { arbitraryEncoders, containerWithEncoder } from "./encoder-samples.ts";
import { SANITIZED } from "./firmware-kit.ts";
import { GOLDEN_STUDENTS, goldenAnswers, goldenBytes, goldenWindowsOf } from "./golden-students.ts";
import {
  arbitrarySpecs,
  containerAround,
  noiseWindows,
  randomFloatStudent,
  SMALL_CNN_SPEC,
  SMALL_GRU_SPEC,
  scrambled,
} from "./student-samples.ts";

const folder = mkdtempSync(join(tmpdir(), "bellwether-export-"));
afterAll(() => rmSync(folder, { recursive: true }));

const RUNTIME = join(FIRMWARE_FOLDER, "runtime");
const SHIPPED = ["cattle/student", "cattle/student-plain", "people/student"];

const RESTLESS = ["small-cnn 1", "small-cnn 2", "small-gru 3"];

/** Shifts of all sizes: sums that are lifted, and sums that only 64 bits can rescale. */
function restless(name: string): Container {
  const seed = Number(name.split(" ")[1]);
  const spec = name.startsWith("small-cnn") ? SMALL_CNN_SPEC : SMALL_GRU_SPEC;
  const calm = quantizeStudent(randomFloatStudent(spec, seed), noiseWindows(spec, 4, seed), 31.25);
  const student = scrambled(calm, seed);
  let draw = seed;
  for (const stage of student.stages) {
    for (const layer of [...stage.layers, ...stage.exit.layers]) {
      if (layer.kind === "gru") continue;
      const { shifts } = layer.requantization;
      draw = (draw * 7 + 3) % 11;
      const rise = draw % 3 === 0 ? 9 : 1;
      for (let i = 0; i < shifts.length; i++) shifts[i] = 5 + 4 * (draw % 6) + rise * (i % 3);
    }
  }
  return containerAround(student);
}

function golden(name: string): Container {
  return decodeContainer(goldenBytes(name));
}
function shipped(name: string): Container {
  return decodeContainer(readFileSync(`profiles/${name}.bwm`));
}

/** Writes the generated files where the compiler finds them, and says where that is. */
function generate(name: string, container: Container): string {
  const place = mkdtempSync(join(folder, `${name.replace("/", "-")}-`));
  const { files } = exportC({ container, modelId: "00".repeat(8), name: "student" });
  for (const file of files) writeFileSync(join(place, file.name), file.text);
  return place;
}

/** One line per window and exit, as the host's program prints it. */
function onHost(
  name: string,
  container: Container,
  windows: readonly Int8Array[],
  defines: readonly string[] = [],
): string[] {
  const place = generate(name, container);
  const output = join(place, "host");
  compile({
    target: "host",
    sources: [join(import.meta.dirname, "firmware/exported_host.c"), join(place, "student.c")],
    output,
    flags: [...SANITIZED, ...defines, `-I${place}`, `-I${RUNTIME}`],
  });
  const input = Buffer.concat(windows.map((window) => Buffer.from(window)));
  return execFileSync(output, { input, encoding: "utf8" }).trim().split("\n");
}

function byReference(container: Container, windows: readonly Int8Array[]): string[] {
  const loaded = referenceEngine.load(container);
  const lines = windows.flatMap((window) => {
    loaded.begin(window);
    const exits = Array.from({ length: loaded.exits }, () => {
      const { logits, features } = loaded.nextExit();
      return `${logits.join(" ")} | ${features.join(" ")}`;
    });
    return container.encoder === undefined
      ? exits
      : [...exits, `codes ${loaded.encode().join(" ")}`];
  });
  return [...lines, "self-test 1"];
}

function noise(container: Container, count: number): Int8Array[] {
  const { windowSamples, channels, classes } = container.student;
  const set = noiseWindows({ windowSamples, channels, classes, stages: [] }, count, 5);
  return Array.from({ length: count }, (_, w) => windowAt(set, w));
}

describe("on the host, with sanitizers", () => {
  it.each(fc.sample(arbitrarySpecs, { numRuns: 5, seed: 20_261_126 }).map((spec, i) => [i, spec]))(
    "shape %i of any gives what the reference gives",
    (i, spec) => {
      const calibration = noiseWindows(spec as StudentSpec, 8, 1);
      const float = randomFloatStudent(spec as StudentSpec, i as number);
      const container = containerAround(quantizeStudent(float, calibration, 31.25));
      const windows = noise(container, 5);
      expect(onHost(`shape-${i}`, container, windows)).toEqual(byReference(container, windows));
    },
  );

  it.each(GOLDEN_STUDENTS)("%s gives the golden logits at every exit", (name) => {
    const all = goldenWindowsOf(name);
    const container = golden(name);
    const lines = onHost(name, container, all);
    expect(lines).toEqual(byReference(container, all));
    const found = lines.slice(0, -1).map((line) => line.split(" | ")[0]);
    expect(found).toEqual(
      goldenAnswers(name)
        .logits.flat()
        .map((exit) => exit.join(" ")),
    );
  });

  it.each(SHIPPED)("%s, which ships, gives what the reference gives", (name) => {
    const container = shipped(name);
    const windows = noise(container, 20);
    expect(onHost(name, container, windows)).toEqual(byReference(container, windows));
  });

  const encoders = fc.sample(fc.tuple(arbitraryEncoders, fc.boolean()), { numRuns: 8, seed: 4 });
  it.each(encoders.map(([encoder, gru], i) => [i, gru ? "GRU" : "convolutions", encoder]))(
    "encoder %i of any shape beside %s makes the reference's codes",
    (i, kind, encoder) => {
      const spec = kind === "GRU" ? SMALL_GRU_SPEC : SMALL_CNN_SPEC;
      const shape = encoder as (typeof encoders)[number][0];
      const container = containerWithEncoder(spec, shape, i as number);
      const windows = noise(container, 4);
      expect(onHost(`encoder-${i}`, container, windows)).toEqual(byReference(container, windows));
    },
  );

  it("leaves an encoder out where it is asked to, and its memory with it", () => {
    const whole = shipped("people/student");
    const { encoder, ...exits } = whole;
    expect(encoder).toBeDefined();
    const windows = noise(exits, 4);
    expect(onHost("exits", exits, windows)).toEqual(byReference(exits, windows));
    const facts = { modelId: "00".repeat(8), name: "student" };
    const [with_, without] = [whole, exits].map(
      (container) => exportC({ ...facts, container }).figures.ramBytes,
    );
    expect(without).toBeLessThan(with_ as number);
  });

  it.each(RESTLESS)("%s with weights and shifts at random", (name) => {
    const container = restless(name);
    const windows = noise(container, 8);
    const expected = byReference(container, windows);
    expect(onHost(name, container, windows)).toEqual(expected);
    // As a Cortex-M0 does it.
    expect(onHost(name, container, windows, ["-DBW_SHORT_PRODUCTS=1"])).toEqual(expected);
  });
});

function isThere(board: BoardName): boolean {
  return canEmulate(board) && findProgram(TARGETS[BOARDS[board].target].compiler) !== undefined;
}

/** Instructions up to each exit; the program ends with 0 only when its self-test holds. */
async function onBoard(
  board: BoardName,
  container: Container,
  flags: readonly string[],
): Promise<number[]> {
  const place = generate(board, container);
  const image = join(place, "image.elf");
  buildImage({
    board,
    sources: [join(import.meta.dirname, "firmware/exported_board.c"), join(place, "student.c")],
    output: image,
    flags: [...flags, `-I${place}`, `-I${RUNTIME}`],
  });
  const { counterFlags } = BOARDS[board];
  const finished = await emulate({ board, image, flags: counterFlags, timeoutMs: 60_000 });
  expect(finished).toMatchObject({ exitCode: 0, timedOut: false });
  return finished.output.trim().split("\n").map(Number);
}

for (const { name: board, target, emulator } of Object.values(BOARDS)) {
  const needs = `${TARGETS[target].compiler} and ${emulator}`;
  if (!isThere(board)) console.log(`generated C on ${board} is skipped: it needs ${needs}`);

  describe.skipIf(!isThere(board))(`on ${board}`, () => {
    // The one processor with code of its own runs all of them, the others one of each kind.
    const names =
      board === "mps2-an386" ? GOLDEN_STUDENTS : ["small-cnn-int8", "gru-dynamic-fixed-point"];
    it.each(names)("%s holds its self-test", async (name) => {
      const counts = await onBoard(board, golden(name), ["-O2"]);
      expect(counts).toHaveLength(golden(name).student.stages.length);
    });
  });
}

describe.skipIf(!isThere("mps2-an386"))("on a Cortex-M4", () => {
  it.each([
    ["cnn-int8", 1.6],
    ["gru-int8", 1.8],
  ] as const)("%s takes few instructions a multiply-accumulate", async (name, most) => {
    const macs = studentCost(golden(name).student).at(-1)?.macs ?? 0;
    const counts = await onBoard("mps2-an386", golden(name), GENERATED_FLAGS);
    expect((counts.at(-1) ?? Number.NaN) / macs).toBeLessThan(most);
    expect((counts[0] ?? Number.NaN) / (counts.at(-1) ?? Number.NaN)).toBeLessThan(0.4);
  });

  it.each(RESTLESS)("%s with weights and shifts at random", async (name) => {
    expect(await onBoard("mps2-an386", restless(name), ["-O2"])).toHaveLength(2);
  });

  // Where a kernel has one caller, a compiler knows its arguments and may be tempted to drop them.
  it.each([
    ["convolution", { kind: "conv", filters: 7, kernel: 5, stride: 2 }],
    ["GRU", { kind: "gru", patchSamples: 5, hidden: 8, patches: 8, continues: false }],
  ] as const)("a student of one %s", async (_, layer) => {
    const stages = [{ layers: [layer], exit: { hidden: 0 } }];
    const spec: StudentSpec = { windowSamples: 40, channels: 3, classes: 4, stages };
    const student = quantizeStudent(randomFloatStudent(spec, 1), noiseWindows(spec, 32, 1), 31.25);
    for (const flags of [["-O2"], GENERATED_FLAGS]) {
      expect(await onBoard("mps2-an386", containerAround(student), flags)).toHaveLength(1);
    }
  });

  it("works without its DSP instructions too, and without optimisation", async () => {
    expect(await onBoard("mps2-an386", golden("cnn-int8"), ["-O2", "-DBW_PORTABLE"])).toHaveLength(
      3,
    );
    expect(await onBoard("mps2-an386", golden("gru-int8"), ["-O0"])).toHaveLength(3);
  });

  it("needs a stack that is small beside the block", () => {
    const place = generate("stack", golden("cnn-int8"));
    compile({
      target: "cortex-m4",
      sources: [join(place, "student.c")],
      output: join(place, "student.o"),
      flags: ["-c", ...GENERATED_FLAGS, "-fstack-usage", `-I${place}`, `-I${RUNTIME}`],
    });
    const frames = readFileSync(join(place, "student.su"), "utf8").trim().split("\n");
    const largest = Math.max(...frames.map((line) => Number(line.split("\t")[1])));
    expect(largest).toBeLessThanOrEqual(128);
    // Calls are five deep at most, and nothing calls itself.
    expect(frames.every((line) => line.endsWith("static"))).toBe(true);
  });
});

it("has cases of every kind of rescaling", () => {
  const texts = [...RESTLESS.map(restless), golden("gru-int8")].map((container) =>
    exportC({ container, modelId: "00".repeat(8), name: "student" }).files.map(({ text }) => text),
  );
  const structures = texts.join("").match(/_rows, \d+, \d+, (BW_WIDE|\d+)\}/g) ?? [];
  const lifts = structures.map((text) => /(BW_WIDE|\d+)\}$/.exec(text)?.[1] ?? "");
  expect(lifts).toContain("0");
  expect(lifts).toContain("BW_WIDE");
  expect(lifts.some((lift) => Number(lift) > 0)).toBe(true);
});

describe("the text", () => {
  const container = golden("small-cnn-int8");
  const facts = { container, modelId: "00".repeat(8), name: "student" };
  const hashOf = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 16);

  // After a change on purpose, read the generated files and put the new hashes here.
  it("is the same for the same container, for ever", () => {
    const hashes = exportC(facts).files.map(({ name, text }) => `${name} ${hashOf(text)}`);
    expect(hashes).toEqual(["student.h f633b2dd21b6de45", "student.c 112f89c04bf2018a"]);
  });

  it("says what names cannot say in C", () => {
    const classes = ['a "quoted" \\ name', "??/ */ //", "%s"];
    const odd = { ...container, classes, cohort: 'c"??)' };
    const { files } = exportC({ ...facts, container: odd });
    const place = mkdtempSync(join(folder, "names-"));
    for (const { name, text } of files) writeFileSync(join(place, name), text);
    const main = `#include <stdio.h>
      #include "student.h"
      int main(void) {
        puts(STUDENT_COHORT);
        for (int c = 0; c < STUDENT_CLASSES; c++) puts(student_class_names[c]);
        return 0;
      }`;
    writeFileSync(join(place, "main.c"), main);
    const output = join(place, "names");
    const sources = [join(place, "main.c"), join(place, "student.c")];
    compile({ target: "host", sources, output, flags: [`-I${place}`, `-I${RUNTIME}`] });
    const printed = execFileSync(output, { encoding: "utf8" }).trimEnd().split("\n");
    expect(printed).toEqual([odd.cohort, ...classes]);
  });

  it("takes another prefix, and refuses what would be none", () => {
    const { files } = exportC({ ...facts, name: "collar_2" });
    expect(files.map(({ name }) => name)).toEqual(["collar_2.h", "collar_2.c"]);
    expect(files[0]?.text).toContain("#define COLLAR_2_RAM_BYTES ");
    expect(files[1]?.text).not.toContain("student");
    for (const name of ["", "2nd", "a-b", "Main", "main", "bw", "bw_x", "stdint", "a".repeat(33)]) {
      expect(() => exportC({ ...facts, name }), name).toThrow(EdgeError);
    }
  });

  it("does not compile around a block that is too small", () => {
    const place = generate("small-block", container);
    const source = join(place, "small.c");
    const flags = [`-I${place}`, `-I${RUNTIME}`, "-c"];
    const tried = (bytes: string) => {
      const text = `#include "student.h"\nextern char block[${bytes}];\nSTUDENT_CHECK_RAM(block);\n`;
      writeFileSync(source, text);
      compile({ target: "host", sources: [source], output: join(place, "small.o"), flags });
    };
    tried("STUDENT_RAM_BYTES");
    expect(() => tried("STUDENT_RAM_BYTES - 1")).toThrow(/does-not-compile/);
  });
});
