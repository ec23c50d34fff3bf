/**
 * What leaves a container: how near the ONNX file comes, and what generated C takes of a Cortex-M4.
 *
 * Instructions are counted by `bench -- mcu`. Windows are recorded ones where recordings are found,
 * for the students that ship, and noise for those with random weights. Sizes want the compiler for
 * Arm; without it they are left out, and the run says so.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BARE_METAL_FLAGS } from "../deploy/firmware/tools/boards.ts";
import {
  GENERATED_FLAGS,
  RUNTIME_FLAGS,
  runtimeSources,
} from "../deploy/firmware/tools/runtime-program.ts";
import {
  compile,
  FIRMWARE_FOLDER,
  findProgram,
  TARGETS,
} from "../deploy/firmware/tools/toolchain.ts";
import { datasetFolder, findRecordings } from "../recordings/find.ts";
import { readRecordings } from "../recordings/read.ts";
import { exportC } from "../src/export/student-c.ts";
import { type Container, decodeContainer, encodeContainer } from "../src/model/container.ts";
import { quantizeStudent } from "../src/model/quantize.ts";
import type { Scheme } from "../src/model/requantize.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import type { WindowSet } from "../src/signal/window-set.ts";
import {
  CNN_SPEC,
  containerAround,
  GRU_SPEC,
  noiseWindows,
  randomFloatStudent,
} from "../test/student-samples.ts";
import { type BenchmarkOptions, type BenchmarkResult, table } from "./benchmark.ts";
import { sectionBytes } from "./binary-size.ts";
import { type Agreement, onnxAgreement, someOf } from "./onnx-agreement.ts";

const TARGET = TARGETS["cortex-m4"];
const RUNTIME = join(FIRMWARE_FOLDER, "runtime");
const SHIPPED = [
  ["cattle", "cows"],
  ["people", "people"],
] as const;

type Case = {
  readonly name: string;
  readonly container: Container;
  readonly windows: WindowSet;
  readonly what: "recorded" | "noise";
};

export type Sizes = {
  readonly codeBytes: number;
  /** Tables, names and gate, as the compiler lays them out. */
  readonly constantBytes: number;
  readonly ramBytes: number;
  /** What it is an alternative to: the runtime's code and constants, and the container in flash. */
  readonly interpreterBytes: number;
  readonly containerBytes: number;
};

export async function run(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const cases = await allCases(options);
  const hasCompiler = findProgram(TARGET.compiler) !== undefined;
  const interpreterBytes = hasCompiler ? interpreterSize() : 0;
  const onnx: Record<string, Agreement & { readonly windows: string }> = {};
  const c: Record<string, Sizes> = {};
  for (const [i, { name, container, windows, what }] of cases.entries()) {
    options.progress(name, i / cases.length);
    onnx[name] = { ...(await onnxAgreement(container, windows)), windows: what };
    if (!hasCompiler) continue;
    c[name] = generatedSizes(container, interpreterBytes);
    const { encoder, ...exits } = container;
    if (encoder !== undefined) c[`${name}, exits alone`] = generatedSizes(exits, interpreterBytes);
  }
  return {
    ok: Object.values(onnx).every(({ answers, same }) => same >= 0.98 * answers),
    lines: [
      ...table(agreementRows(onnx)),
      "",
      ...(hasCompiler
        ? table(sizeRows(c))
        : [`sizes are left out: ${TARGET.compiler} is not installed`]),
    ],
    figures: { onnx, c },
  };
}

async function allCases(options: BenchmarkOptions): Promise<readonly Case[]> {
  const count = options.quick ? 20 : 1000;
  const schemes: readonly Scheme[] = ["int8", "dynamic-fixed-point"];
  const random = Object.entries({ CNN: CNN_SPEC, "GRU-MLP": GRU_SPEC }).flatMap(([shape, spec]) =>
    schemes.map((scheme): Case => {
      const calibration = noiseWindows(spec, 32, 1);
      const student = quantizeStudent(randomFloatStudent(spec, 1), calibration, 31.25, { scheme });
      const windows = noiseWindows(spec, count, 2);
      return {
        name: `${shape}, ${scheme}`,
        container: containerAround(student),
        windows,
        what: "noise",
      };
    }),
  );
  const found = findRecordings(options.data);
  const shipped: Case[] = [];
  for (const [profile, dataset] of SHIPPED) {
    const bytes = readFileSync(new URL(`../profiles/${profile}/student.bwm`, import.meta.url));
    const container = decodeContainer(bytes);
    const folder = options.quick ? null : datasetFolder(found, dataset);
    const { windowSamples, channels, classes } = container.student;
    const windows =
      folder === null
        ? noiseWindows({ windowSamples, channels, classes, stages: [] }, count, 2)
        : makeWindows(await readRecordings(folder), shippedProfile(profile));
    const what = folder === null ? "noise" : "recorded";
    shipped.push({ name: `${profile}, int8`, container, windows: someOf(windows, 5000), what });
  }
  return [...random, ...shipped];
}

/** Code and constants of all of the runtime, the loader's checks included. */
function interpreterSize(): number {
  const folder = mkdtempSync(join(tmpdir(), "bellwether-bench-export-"));
  try {
    return runtimeSources()
      .map((source) => objectSizes(source, RUNTIME_FLAGS, folder))
      .reduce((sum, { codeBytes, constantBytes }) => sum + codeBytes + constantBytes, 0);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function generatedSizes(container: Container, interpreterBytes: number): Sizes {
  const folder = mkdtempSync(join(tmpdir(), "bellwether-bench-export-"));
  try {
    const { files, figures } = exportC({ container, modelId: "00".repeat(8), name: "student" });
    for (const { name, text } of files) writeFileSync(join(folder, name), text);
    const sizes = objectSizes(join(folder, "student.c"), GENERATED_FLAGS, folder);
    return {
      ...sizes,
      ramBytes: figures.ramBytes,
      interpreterBytes,
      containerBytes: encodeContainer(container).length,
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function objectSizes(source: string, optimisation: readonly string[], folder: string) {
  const output = join(folder, "sized.o");
  const includes = [folder, RUNTIME].map((path) => `-I${path}`);
  const flags = [...BARE_METAL_FLAGS, ...optimisation, ...includes, "-c"];
  compile({ target: TARGET.name, sources: [source], output, flags });
  const bytesOf = sectionBytes(TARGET.name, output);
  return { codeBytes: bytesOf(/^\.text/), constantBytes: bytesOf(/^\.rodata/) };
}

function agreementRows(onnx: Readonly<Record<string, Agreement & { windows: string }>>) {
  return [
    [
      "ONNX against the node",
      "windows",
      "answers",
      "same, %",
      "beyond rounding",
      "largest difference",
      "mean",
    ],
    ...Object.entries(onnx).map(([name, it]) => [
      name,
      it.windows,
      it.answers,
      ((100 * it.same) / it.answers).toFixed(2),
      it.beyondRounding,
      it.largestDifference.toFixed(4),
      it.meanDifference.toFixed(5),
    ]),
  ];
}

function sizeRows(c: Readonly<Record<string, Sizes>>) {
  return [
    [
      "Cortex-M4, bytes",
      "RAM",
      "code",
      "constants",
      "together",
      "interpreter",
      "container",
      "together",
    ],
    ...Object.entries(c).map(([name, it]) => [
      name,
      it.ramBytes,
      it.codeBytes,
      it.constantBytes,
      it.codeBytes + it.constantBytes,
      it.interpreterBytes,
      it.containerBytes,
      it.interpreterBytes + it.containerBytes,
    ]),
  ];
}
