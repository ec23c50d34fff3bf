/** A teacher of windows in 2 bits a value: trained from one of whole windows, opened as any other. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, it } from "vitest";
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { openOnnxTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { fitCoarseTrust } from "../gateway/teacher/tail-trust.ts";
import type { Teacher } from "../gateway/teacher/teacher.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { splitRecipeFor } from "../src/learn/split-recipes.ts";
import { teacherOnnx } from "../src/learn/teacher-network.ts";
import { trainCoarse } from "../src/learn/train-coarse.ts";
import { NO_AUGMENTATION } from "../src/signal/augment.ts";
import { type WindowSet, windowAt } from "../src/signal/window-set.ts";
import { decodeCompanded, encodeCompanded } from "../src/wire/companded.ts";
import { noiseWindows } from "./student-samples.ts";
import { cattle, turningAnchor, turningHerd, turningTeacher } from "./turning-herd.ts";

const folder = mkdtempSync(path.join(tmpdir(), "coarse-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** As a gateway has them where nodes send 2 bits a value. */
function inTwoBits(set: WindowSet): WindowSet {
  const samples = new Int8Array(set.samples.length);
  for (let w = 0; w < set.count; w++) {
    const packed = encodeCompanded(windowAt(set, w), 3, 2);
    samples.set(decodeCompanded(packed, 50, 3, 2), w * 150);
  }
  return { ...set, samples };
}

async function accuracy(teacher: Teacher, set: WindowSet): Promise<number> {
  const { probabilities } = await teacher.predict(set.samples, set.count, 16);
  let right = 0;
  for (let w = 0; w < set.count; w++) {
    const row = probabilities.subarray(3 * w, 3 * w + 3);
    if (row.indexOf(Math.max(...row)) === set.labels[w]) right++;
  }
  return right / set.count;
}

it("knows coarse windows, and what is not one of its kinds", { timeout: 120_000 }, async () => {
  const anchor = turningAnchor();
  const teacher = await turningTeacher(folder, anchor);
  const program = await onnxRuntime().compile(readFileSync(path.join(folder, "teacher.onnx")));
  const { objective, options } = splitRecipeFor(cattle, 64, { quick: true });
  const trained = await trainCoarse(onnxRuntime(), {
    ...{ profile: cattle, windows: anchor.replay, teacher: program, seed: 1 },
    size: { widths: [8, 16, 16], strides: [2, 2, 1], kernels: [5, 3, 3] },
    recipe: { objective, options: { ...options, epochs: 24, learningRate: 5e-3 } },
  });
  await program.release();
  const file = path.join(folder, "coarse.onnx");
  writeFileSync(file, teacherOnnx(trained));
  const coarse = await openOnnxTeacher(file, cattle);
  expect(coarse.assumptions).toEqual(["input in g"]);
  expect(await accuracy(coarse, inTwoBits(turningHerd(2, 6)))).toBeGreaterThan(0.95);

  const fit = { teacher, anchor, augmentation: NO_AUGMENTATION, engine: referenceEngine, seed: 1 };
  const trust = await fitCoarseTrust(coarse, fit);
  const known = async (set: WindowSet): Promise<number> => {
    const { probabilities, features } = await coarse.predict(set.samples, set.count, 16);
    const width = Number(features?.length) / set.count;
    const trusted = Array.from({ length: set.count }, (_, w) =>
      trust?.(probabilities, features?.subarray(w * width, (w + 1) * width) ?? null),
    );
    return trusted.filter(Boolean).length / set.count;
  };
  expect(await known(inTwoBits(turningHerd(3, 6)))).toBeGreaterThan(0.85);
  const noise = noiseWindows({ windowSamples: 50, channels: 3, classes: 3, stages: [] }, 90, 5);
  expect(await known(inTwoBits(noise))).toBeLessThan(0.3);
  await coarse.close();
  await teacher.close();
});
