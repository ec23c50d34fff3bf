/**
 * Exact instruction counts of students on microcontrollers, in QEMU, with code size, RAM and stack.
 *
 * Counts are exact and repeatable; they are no cycles, and nothing here ran on silicon. A bound that
 * the runtime misses makes the run not ok; one that the gate misses is told. Figures of other
 * runtimes on the same shape are stated, not measured here. `--quick` takes the Cortex-M4 alone, and
 * one window.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StudentCase } from "../deploy/firmware/tools/embed.ts";
import { encodeContainer } from "../src/model/container.ts";
import { quantizeStudent } from "../src/model/quantize.ts";
import { studentCost } from "../src/model/student-cost.ts";
import type { StudentSpec } from "../src/model/student-spec.ts";
import {
  CNN_SPEC,
  containerAround,
  GRU_SPEC,
  noiseWindows,
  randomFloatStudent,
} from "../test/student-samples.ts";
import { type BenchmarkOptions, type BenchmarkResult, table } from "./benchmark.ts";
import { boundsOf, gateBoundsOf, runBytes } from "./mcu-bounds.ts";
import { type DecisionFigures, measureDecisions } from "./mcu-decision.ts";
import { type FormFigures, measureForms } from "./mcu-forms.ts";
import {
  type CodeSize,
  codeSizes,
  type EngineFigures,
  type Measured,
  measureCases,
  type ProcessorFigures,
  type ShapeFigures,
  VARIANTS,
} from "./mcu-variant.ts";

/** Other runtimes on the CNN's shape, Cortex-M4, instructions up to each exit: measured elsewhere by
 * the same method. They need their own sources to be run again. */
const STATED = {
  "CMSIS-NN, -O3": { instructions: [444_137, 829_756, 1_061_238], instructionsPerMac: 3.96 },
  "TFLM with CMSIS-NN, -O2": { instructions: [1_124_408], instructionsPerMac: 4.2 },
  "NNoM, -O3": { instructions: [2_779_534], instructionsPerMac: 10.4 },
} as const;

const SHAPES: Readonly<Record<string, StudentSpec>> = { cnn: CNN_SPEC, gru: GRU_SPEC };

type Shape = {
  readonly case: StudentCase;
  readonly macs: readonly number[];
  readonly weightBytes: number;
};

export async function run(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const folder = mkdtempSync(join(tmpdir(), "bellwether-mcu-"));
  try {
    return await runIn(folder, options);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function runIn(folder: string, options: BenchmarkOptions): Promise<BenchmarkResult> {
  const variants = options.quick ? VARIANTS.slice(0, 1) : VARIANTS;
  const shapes = new Map(
    Object.entries(SHAPES).map(([name, spec]) => [
      name,
      shapeOf(name, spec, options.quick ? 1 : 4),
    ]),
  );
  const cases = [...shapes.values()].map((shape) => shape.case);
  const byShape: Record<string, Record<string, ProcessorFigures>> = { cnn: {}, gru: {} };
  const code: Record<string, readonly CodeSize[]> = {};
  for (const [i, variant] of variants.entries()) {
    options.progress(variant.name, i / variants.length);
    const interpreted = await measureCases(variant, "interpreter", cases, folder);
    const compiled = await measureCases(variant, "generated", cases, folder);
    code[variant.name] = codeSizes(variant, folder);
    for (const [name, { macs }] of shapes) {
      const interpreter = figuresOf(interpreted.get(name) as Measured, macs);
      const generated = figuresOf(compiled.get(name) as Measured, macs);
      (byShape[name] as Record<string, ProcessorFigures>)[variant.name] = {
        ...generated,
        interpreter,
        generated,
      };
    }
  }
  const cnn = shapes.get("cnn")?.case.container ?? new Uint8Array(0);
  options.progress("decision", 0.95);
  const decision = await measureDecisions(cnn, folder, options.quick ? 4 : 40);
  const forms = await measureForms(folder, options.quick ? 4 : 40);
  const bounds = boundsOf(byShape, code.m4 ?? []);
  const gateBounds = gateBoundsOf(decision);
  return {
    ok: bounds.every(({ met }) => met),
    lines: [
      ...[
        instructionRows(byShape),
        codeRows(code),
        decisionRows(decision),
        formRows(forms),
      ].flatMap((rows) => [...table(rows), ""]),
      ...table([
        ["bound (Cortex-M4)", "figure", "at most", "met"],
        ...[...bounds, ...gateBounds].map(({ what, figure, limit, met }) => [
          what,
          figure,
          limit,
          met ? "yes" : "NO",
        ]),
      ]),
      "",
      "Stated, not measured here (Cortex-M4, a CNN of the same shape):",
      ...Object.entries(STATED).map(
        ([name, { instructions, instructionsPerMac }]) =>
          `  ${name}: ${instructionsPerMac} per MAC, ${instructions.join(" / ")}`,
      ),
    ],
    figures: {
      ...byShape,
      macs: Object.fromEntries([...shapes].map(([name, { macs }]) => [name, macs])),
      weightBytes: Object.fromEntries([...shapes].map(([name, it]) => [name, it.weightBytes])),
      code,
      decision,
      forms,
      bounds,
      gateBounds,
      statedNotMeasured: STATED,
    },
  };
}

function shapeOf(name: string, spec: StudentSpec, count: number): Shape {
  const calibration = noiseWindows(spec, 32, 1);
  const student = quantizeStudent(randomFloatStudent(spec, 1), calibration, 31.25);
  const cost = studentCost(student);
  const { samples } = noiseWindows(spec, count, 2);
  const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  return {
    case: {
      name,
      container: encodeContainer(containerAround(student)),
      windows: { key: `${spec.windowSamples}x${spec.channels}`, count, bytes },
    },
    macs: cost.map(({ macs }) => macs),
    weightBytes: cost.at(-1)?.weightBytes ?? 0,
  };
}

function figuresOf(measured: Measured, macs: readonly number[]): EngineFigures {
  const full = measured.instructions.at(-1) ?? Number.NaN;
  return {
    ...measured,
    instructionsPerMac: round(full / (macs.at(-1) ?? Number.NaN)),
    exit1Share: round((measured.instructions[0] ?? Number.NaN) / full),
  };
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function instructionRows(byShape: Readonly<Record<string, ShapeFigures>>): (string | number)[][] {
  const rows: (string | number)[][] = [
    ["student", "processor", "engine", "exit 1", "exit 2", "exit 3", "per MAC", "exit 1 of all"],
  ];
  rows[0]?.push("RAM", "stack");
  for (const [shape, processors] of Object.entries(byShape)) {
    for (const [processor, { interpreter, generated }] of Object.entries(processors)) {
      for (const [engine, it] of Object.entries({ interpreter, generated })) {
        rows.push([shape, processor, engine, ...it.instructions, it.instructionsPerMac.toFixed(2)]);
        rows.at(-1)?.push(it.exit1Share.toFixed(3), it.ramBytes, it.runStackBytes);
      }
    }
  }
  return rows;
}

const ENCODES = /^bw_encode\.c$/;

/** The interpreter: what runs windows, what makes codes of them, what loads a container and checks it,
 * and its tables. */
function codeRows(code: Readonly<Record<string, readonly CodeSize[]>>): (string | number)[][] {
  const rows: (string | number)[][] = [
    ["interpreter, bytes", "runs windows", "makes codes", "loads and checks", "constants", "data"],
  ];
  for (const [processor, sizes] of Object.entries(code)) {
    const sum = (bytes: (size: CodeSize) => number): number =>
      sizes.reduce((total, size) => total + bytes(size), 0);
    const runs = runBytes(sizes);
    const encodes = sum(({ file, textBytes }) => (ENCODES.test(file) ? textBytes : 0));
    const constants = sum(({ constantBytes }) => constantBytes);
    const data = sum(({ dataBytes }) => dataBytes);
    const loads = sum(({ textBytes }) => textBytes) - runs - encodes;
    rows.push([processor, runs, encodes, loads, constants, data]);
  }
  return rows;
}

function decisionRows(decision: Readonly<Record<string, DecisionFigures>>): (string | number)[][] {
  const rows: (string | number)[][] = [
    ["gate (Cortex-M4)", "decision", "most", "statistics", "student, as run", "whole", "of whole"],
  ];
  rows[0]?.push("of run", "exits run", "offloaded");
  for (const [name, it] of Object.entries(decision)) {
    rows.push([name, it.decisionInstructions, it.mostInstructions, it.statisticsInstructions]);
    rows.at(-1)?.push(it.studentInstructions, it.wholeInstructions, percent(it.shareOfWhole));
    rows.at(-1)?.push(percent(it.shareOfRun), it.exitsRun.toFixed(2), percent(it.offloadShare));
  }
  return rows;
}

function formRows(forms: Readonly<Record<string, FormFigures>>): (string | number)[][] {
  const rows: (string | number)[][] = [
    ["codes (Cortex-M4)", "MAC", "encode", "generated", "estimated", "of whole", "pack"],
  ];
  rows[0]?.push("or 4 bits", "or 2 bits", "more RAM", "flash", "stack");
  for (const [name, it] of Object.entries(forms)) {
    rows.push([name, it.macs, it.encodeInstructions]);
    rows.at(-1)?.push(it.generatedInstructions, it.estimatedInstructions);
    rows.at(-1)?.push(percent(it.shareOfWhole));
    rows.at(-1)?.push(it.packInstructions, it.companded4Instructions, it.companded2Instructions);
    rows.at(-1)?.push(it.moreRamBytes, it.flashBytes, it.stackBytes);
  }
  return rows;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
