/**
 * Students and windows that the C runtime must compute as the reference does, on every processor.
 *
 * The golden students with their golden windows and more noise; the same with scrambled weights, that
 * saturate; the shipped students. Where recordings are, real windows of their shapes go with them.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { StudentCase } from "../deploy/firmware/tools/embed.ts";
import { datasetFolder, findRecordings } from "../recordings/find.ts";
import { readRecordings } from "../recordings/read.ts";
import type { Engine } from "../src/engine/engine.ts";
import { decodeContainer, encodeContainer } from "../src/model/container.ts";
import { quantizeStudent } from "../src/model/quantize.ts";
import { hashLogits } from "../src/model/self-test.ts";
import { below, prng } from "../src/prng.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import type { Profile } from "../src/signal/profile.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import { windowAt } from "../src/signal/window-set.ts";
import { containerWithEncoder, ENCODER_SPEC } from "./encoder-samples.ts";
import { GOLDEN_STUDENTS, goldenBytes } from "./golden-students.ts";
import { GOLDEN_ENCODER_SEED } from "./make-golden-encoder.ts";
import {
  COLLAR_SPEC,
  containerAround,
  noiseWindows,
  randomFloatStudent,
  SPECS,
  scrambled,
} from "./student-samples.ts";

const ROOT = join(import.meta.dirname, "..");
const NOISE_WINDOWS = 5;
const REAL_WINDOWS = 6;

/** Data set and profile whose recordings give windows of so many samples. */
const REAL: Readonly<Record<number, readonly [string, Profile]>> = {
  50: ["cows", shippedProfile("cattle")],
  128: ["people", shippedProfile("people")],
  256: ["people", { ...shippedProfile("people"), rateHz: 50, windowSamples: 256, hopSamples: 256 }],
};

/** That of the golden codes, and cattle's recipe: one convolution. */
const ENCODERS = [
  ["encoder-golden", ENCODER_SPEC],
  [
    "encoder-one-layer",
    { layers: [{ kind: "conv", filters: 7, kernel: 8, stride: 2 }], codeBits: 2 },
  ],
] as const;

export type RuntimeCases = {
  readonly cases: readonly StudentCase[];
  /** Whether recorded windows are among them. */
  readonly real: boolean;
};

export async function runtimeCases(): Promise<RuntimeCases> {
  const found = findRecordings();
  const shapes = new Map<number, StudentCase["windows"]>();
  let real = false;
  for (const samples of Object.keys(REAL).map(Number)) {
    const [dataset, profile] = REAL[samples] as readonly [string, Profile];
    const folder = datasetFolder(found, dataset);
    const recorded = folder === null ? [] : await recordedWindows(folder, profile);
    real ||= recorded.length > 0;
    const windows = [...madeUpWindows(samples), ...recorded];
    const bytes = new Uint8Array(Buffer.concat(windows.map((it) => new Uint8Array(it))));
    shapes.set(samples, { key: `of_${samples}`, count: windows.length, bytes });
  }
  const cases = containers().map(([name, container]): StudentCase => {
    const { windowSamples } = decodeContainer(container).student;
    return { name, container, windows: shapes.get(windowSamples) as StudentCase["windows"] };
  });
  return { cases, real };
}

/** What `programs/golden.c` must print. */
export function expectedLines(engine: Engine, { name, container, windows }: StudentCase): string[] {
  const loaded = engine.load(decodeContainer(container));
  const hashes = Array.from({ length: loaded.exits }, () => [0x811c9dc5, 0x811c9dc5]);
  const length = windows.bytes.length / windows.count;
  const hasEncoder = loaded.container.encoder !== undefined;
  let codes = 0x811c9dc5;
  for (let w = 0; w < windows.count; w++) {
    loaded.begin(new Int8Array(windows.bytes.slice(w * length, (w + 1) * length).buffer));
    for (const pair of hashes) {
      const { logits, features } = loaded.nextExit();
      pair[0] = hashLogits(pair[0] as number, logits);
      pair[1] = hashBytes(pair[1] as number, features);
    }
    if (hasEncoder) codes = hashBytes(codes, loaded.encode());
  }
  const exits = hashes.map(([logits, features], exit) => `${name} ${exit} ${logits} ${features}`);
  return hasEncoder ? [...exits, `${name} codes ${codes}`] : exits;
}

function hashBytes(hash: number, features: Int8Array | Uint8Array): number {
  let out = hash;
  for (const value of features) out = Math.imul(out ^ (value & 0xff), 0x01000193);
  return out >>> 0;
}

function containers(): readonly (readonly [string, Uint8Array])[] {
  const list = GOLDEN_STUDENTS.map((name): [string, Uint8Array] => [name, goldenBytes(name)]);
  for (const name of ["small-cnn", "small-gru"] as const) {
    const calibration = noiseWindows(SPECS[name], 8, 1);
    const student = quantizeStudent(randomFloatStudent(SPECS[name], 1), calibration, 31.25);
    for (const seed of [1, 2]) {
      const container = containerAround(scrambled(student, seed));
      list.push([`${name}-scrambled-${seed}`, encodeContainer(container)]);
    }
  }
  for (const [i, [name, encoder]] of ENCODERS.entries()) {
    list.push([
      name,
      encodeContainer(containerWithEncoder(COLLAR_SPEC, encoder, GOLDEN_ENCODER_SEED + i)),
    ]);
  }
  for (const path of ["cattle/student", "cattle/student-plain", "people/student"]) {
    const bytes = readFileSync(join(ROOT, "profiles", `${path}.bwm`));
    list.push([path, new Uint8Array(bytes)]);
  }
  return list;
}

/** Noise about gravity, noise over all values, and what saturates: both ends, silence, jumps. */
function madeUpWindows(windowSamples: number): readonly Int8Array[] {
  const length = windowSamples * 3;
  const spec = { ...SPECS["small-cnn"], windowSamples };
  const noise = noiseWindows(spec, NOISE_WINDOWS, 77);
  const random = prng(78, "every-value");
  return [
    ...Array.from({ length: NOISE_WINDOWS }, (_, w) => windowAt(noise, w)),
    Int8Array.from({ length }, () => below(random, 256) - 128),
    new Int8Array(length).fill(-128),
    new Int8Array(length).fill(127),
    new Int8Array(length),
    Int8Array.from({ length }, (_, i) => (i % 2 === 0 ? 127 : -128)),
    Int8Array.from({ length }, (_, i) => (Math.floor(i / 3) % 2 === 0 ? 127 : -128)),
    Int8Array.from({ length }, (_, i) => ((i * i) % 7 < 3 ? 127 : -128)),
  ];
}

async function recordedWindows(folder: string, profile: Profile): Promise<readonly Int8Array[]> {
  const set = makeWindows(await readRecordings(folder), profile);
  const step = Math.floor(set.count / REAL_WINDOWS);
  return Array.from({ length: REAL_WINDOWS }, (_, i) => windowAt(set, i * step));
}
