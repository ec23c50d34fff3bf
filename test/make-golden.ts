/**
 * Makes the golden vectors: containers, windows, and the logits that every engine must give.
 *
 * `npx node test/make-golden.ts` writes `test/golden/students/`. Students have random weights: exactness does
 * not need good ones. The logits are the reference engine's, which a test compares with an oracle
 * that shares no code with it. A change of any file here is a change of what students compute.
 */

import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { referenceEngine } from "../src/engine/reference.ts";
import { encodeContainer } from "../src/model/container.ts";
import { quantizeStudent } from "../src/model/quantize.ts";
import type { Scheme } from "../src/model/requantize.ts";
import { selfTestHashes } from "../src/model/self-test.ts";
import type { StudentSpec } from "../src/model/student-spec.ts";
import { containerAround, noiseWindows, randomFloatStudent, SPECS } from "./student-samples.ts";

export const GOLDEN_FOLDER = fileURLToPath(new URL("golden/students", import.meta.url));

export type Golden = {
  readonly madeBy: string;
  readonly student: string;
  readonly scheme: Scheme;
  readonly windows: number;
  readonly windowBytes: number;
  readonly containerSha256: string;
  readonly selfTest: { readonly seed: number; readonly hashes: readonly number[] };
  /** `[window][exit][class]` */
  readonly logits: readonly (readonly (readonly number[])[])[];
  /** `[window][exit][feature]` of the first window only. */
  readonly features: readonly (readonly number[])[];
};
export type GoldenFile = { readonly name: string; readonly bytes: Uint8Array };

const SEED = 20_261_122;
const NOISE_WINDOWS = 4;

/** The files, in memory: three for each student and scheme. */
export function goldenFiles(): readonly GoldenFile[] {
  const schemes: readonly Scheme[] = ["int8", "dynamic-fixed-point"];
  return Object.entries(SPECS).flatMap(([student, spec]) =>
    schemes.flatMap((scheme) => goldenFilesOf(student, spec, scheme)),
  );
}

function goldenFilesOf(student: string, spec: StudentSpec, scheme: Scheme): readonly GoldenFile[] {
  const float = randomFloatStudent(spec, SEED);
  const quantized = quantizeStudent(float, noiseWindows(spec, 32, SEED), 31.25, { scheme });
  const container = containerAround(quantized);
  const bytes = encodeContainer(container);
  const loaded = referenceEngine.load(container);
  const windows = goldenWindows(spec);
  const exits = windows.map((window) => {
    loaded.begin(window);
    return Array.from({ length: loaded.exits }, () => {
      const { logits, features } = loaded.nextExit();
      return { logits: [...logits], features: [...features] };
    });
  });
  const golden: Golden = {
    madeBy: "npx node test/make-golden.ts",
    student,
    scheme,
    windows: windows.length,
    windowBytes: spec.windowSamples * spec.channels,
    containerSha256: createHash("sha256").update(bytes).digest("hex"),
    selfTest: { seed: SEED, hashes: selfTestHashes(loaded, SEED) },
    logits: exits.map((window) => window.map((exit) => exit.logits)),
    features: exits[0]?.map((exit) => exit.features) ?? [],
  };
  const name = `${student}-${scheme}`;
  return [
    { name: `${name}.container.bin`, bytes },
    {
      name: `${name}.windows.bin`,
      bytes: new Uint8Array(Buffer.concat(windows.map((window) => new Uint8Array(window.buffer)))),
    },
    { name: `${name}.json`, bytes: new TextEncoder().encode(`${JSON.stringify(golden)}\n`) },
  ];
}

/** Noise, and then what saturates: both ends, silence, and jumps from end to end. */
export function goldenWindows(spec: StudentSpec): readonly Int8Array[] {
  const { samples } = noiseWindows(spec, NOISE_WINDOWS, SEED + 1);
  const length = spec.windowSamples * spec.channels;
  const noise = Array.from({ length: NOISE_WINDOWS }, (_, w) =>
    samples.slice(w * length, (w + 1) * length),
  );
  return [
    ...noise,
    new Int8Array(length).fill(-128),
    new Int8Array(length).fill(127),
    new Int8Array(length),
    Int8Array.from({ length }, (_, i) => (i % 2 === 0 ? 127 : -128)),
    Int8Array.from({ length }, (_, i) => ((i * i) % 7 < 3 ? 127 : -128)),
  ];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(GOLDEN_FOLDER, { recursive: true });
  for (const { name, bytes } of goldenFiles()) writeFileSync(join(GOLDEN_FOLDER, name), bytes);
}
