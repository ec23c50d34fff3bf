/**
 * The exported ONNX file against the reference engine: the same answer, and logits nearly the same.
 *
 * Convolutional students differ by what rounds a logit to 1/256, and once in a thousand windows or so by
 * a sum so near a half that float32 takes it to the other side. A GRU runs in float there: it may
 * differ by a quarter of a logit, and in the answer where two are that close.
 */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Agreement, onnxAgreement, someOf } from "../bench/onnx-agreement.ts";
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { datasetFolder, findRecordings } from "../recordings/find.ts";
import { readRecordings } from "../recordings/read.ts";
import { exportOnnx } from "../src/export/student-onnx.ts";
import { onnxMetadata } from "../src/learn/onnx-model.ts";
import { type Container, decodeContainer } from "../src/model/container.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import type { WindowSet } from "../src/signal/window-set.ts";
import { GOLDEN_STUDENTS, goldenBytes } from "./golden-students.ts";
import { noiseWindows } from "./student-samples.ts";

/** Rounding a logit to 1/256 alone makes a mean of 1/1024. */
const CONVOLUTION = { mean: 1.5 / 1024, largest: 1, same: 0.995 };
const GRU = { mean: 0.02, largest: 0.25, same: 0.99 };
const RECORDED = [
  ["cattle", "cows"],
  ["people", "people"],
] as const;

function noise({ student }: Container, count: number): WindowSet {
  const { windowSamples, channels, classes } = student;
  return noiseWindows({ windowSamples, channels, classes, stages: [] }, count, 9);
}

function shipped(profile: string): Container {
  return decodeContainer(readFileSync(`profiles/${profile}/student.bwm`));
}

function expectNear(found: Agreement, bounds: typeof GRU): void {
  expect(found.answers).toBeGreaterThan(0);
  expect(found.largestDifference).toBeLessThanOrEqual(bounds.largest);
  expect(found.meanDifference).toBeLessThanOrEqual(bounds.mean);
  expect(found.same / found.answers).toBeGreaterThanOrEqual(bounds.same);
}

describe("the exported ONNX file", () => {
  it.each(GOLDEN_STUDENTS)("of %s agrees on noise", async (name) => {
    const container = decodeContainer(goldenBytes(name));
    const bounds = name.includes("gru") ? GRU : CONVOLUTION;
    expectNear(await onnxAgreement(container, noise(container, 150)), bounds);
  });

  it.each(["cattle", "people"])("of %s, which ships, agrees on noise", async (profile) => {
    const container = shipped(profile);
    expectNear(await onnxAgreement(container, noise(container, 150)), CONVOLUTION);
  });

  const found = findRecordings(undefined);
  for (const [profile, dataset] of RECORDED) {
    const folder = datasetFolder(found, dataset);
    if (folder === null) console.log(`windows of ${profile} are skipped: no recordings ${dataset}`);
    it.skipIf(folder === null)(`of ${profile} agrees on recorded windows`, async () => {
      const recorded = makeWindows(await readRecordings(folder ?? ""), shippedProfile(profile));
      expectNear(await onnxAgreement(shipped(profile), someOf(recorded, 500)), CONVOLUTION);
    });
  }

  it("takes one window as well as many, in g, and says what it is", async () => {
    const container = shipped("cattle");
    const { student } = container;
    const onnx = exportOnnx({ container, modelId: "0123456789abcdef" });
    const program = await onnxRuntime().compile(onnx);
    const shape = [1, student.windowSamples, student.channels];
    const window = { shape, data: new Float32Array(student.windowSamples * student.channels) };
    const outputs = await program.run({ window });
    expect(Object.keys(outputs)).toEqual(student.stages.map((_, s) => `exit${s + 1}_logits`));
    for (const { shape: logits } of Object.values(outputs)) {
      expect(logits).toEqual([1, student.classes]);
    }
    expect(Object.fromEntries(onnxMetadata(onnx))).toMatchObject({
      model: "0123456789abcdef",
      cohort: container.cohort,
      classes: JSON.stringify(container.classes),
      rateHz: "10",
      inputUnit: "g",
    });
  });

  it("is the same bytes for the same container", () => {
    const facts = { container: shipped("cattle"), modelId: "00".repeat(8) };
    expect(Buffer.compare(exportOnnx(facts), exportOnnx(facts))).toBe(0);
  });
});
