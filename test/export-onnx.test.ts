/**
 * The exported ONNX file against the reference engine: the same answer, and logits nearly the same.
 *
 * Convolutional students may differ by what rounds a logit to 1/256 and by nothing else. A GRU runs
 * in float there: it may differ by a quarter of a logit, and in the answer where two are that close.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { onnxRuntime } from "../gateway/onnx-runtime.ts";
import { datasetFolder, findRecordings } from "../recordings/find.ts";
import { readRecordings } from "../recordings/read.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { exportOnnx } from "../src/export/student-onnx.ts";
import { onnxMetadata } from "../src/learn/onnx-model.ts";
import { type Container, decodeContainer } from "../src/model/container.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import { type WindowSet, windowAt } from "../src/signal/window-set.ts";
import { GOLDEN_FOLDER } from "./make-golden.ts";
import { noiseWindows, SPECS } from "./student-samples.ts";

const HALF_STEP = 0.5 / 256;
const GRU_LOGITS = 0.25;
const RECORDED = [
  ["cattle", "cows"],
  ["people", "people"],
] as const;
const GOLDEN = Object.keys(SPECS).flatMap((student) => [
  `${student}-int8`,
  `${student}-dynamic-fixed-point`,
]);

type Agreement = {
  /** Share of windows and exits with the same largest logit. */
  readonly answers: number;
  /** The largest difference of two logits, both within the node's range. */
  readonly logits: number;
};

async function compare(container: Container, windows: WindowSet): Promise<Agreement> {
  const { student } = container;
  const program = await onnxRuntime().compile(exportOnnx({ container, modelId: "00".repeat(8) }));
  const grams = container.inputMilligPerStep / 1000;
  const data = Float32Array.from(windows.samples, (value) => value * grams);
  const shape = [windows.count, student.windowSamples, student.channels];
  const outputs = await program.run({ window: { shape, data } });
  const loaded = referenceEngine.load(container);
  let same = 0;
  let most = 0;
  for (let w = 0; w < windows.count; w++) {
    loaded.begin(windowAt(windows, w));
    for (let exit = 1; exit <= loaded.exits; exit++) {
      const ours = Array.from(loaded.nextExit().logits, (logit) => logit / 256);
      const all = outputs[`exit${exit}_logits`]?.data ?? new Float32Array(0);
      const theirs = [...all.slice(w * student.classes, (w + 1) * student.classes)];
      const inRange = theirs.map((logit) => Math.max(-128, Math.min(32_767 / 256, logit)));
      ours.forEach((logit, c) => {
        most = Math.max(most, Math.abs(logit - (inRange[c] as number)));
      });
      // Of equal logits any is an answer.
      if (ours[theirs.indexOf(Math.max(...theirs))] === Math.max(...ours)) same++;
    }
  }
  return { answers: same / (windows.count * loaded.exits), logits: most };
}

function noise({ student }: Container, count: number): WindowSet {
  const { windowSamples, channels, classes } = student;
  return noiseWindows({ windowSamples, channels, classes, stages: [] }, count, 9);
}

function shipped(profile: string): Container {
  return decodeContainer(readFileSync(`profiles/${profile}/student.bwm`));
}

describe("the exported ONNX file", () => {
  it.each(GOLDEN)("of %s agrees on noise", async (name) => {
    const container = decodeContainer(readFileSync(join(GOLDEN_FOLDER, `${name}.container.bin`)));
    const { answers, logits } = await compare(container, noise(container, 150));
    const isGru = name.includes("gru");
    expect(logits).toBeLessThanOrEqual(isGru ? GRU_LOGITS : HALF_STEP + 1e-4);
    expect(answers).toBeGreaterThanOrEqual(isGru ? 0.99 : 1);
  });

  it.each(["cattle", "people"])("of %s, which ships, agrees on noise", async (profile) => {
    const container = shipped(profile);
    const { answers, logits } = await compare(container, noise(container, 150));
    expect(logits).toBeLessThanOrEqual(HALF_STEP + 1e-4);
    expect(answers).toBe(1);
  });

  const found = findRecordings(undefined);
  for (const [profile, dataset] of RECORDED) {
    const folder = datasetFolder(found, dataset);
    if (folder === null) console.log(`windows of ${profile} are skipped: no recordings ${dataset}`);
    it.skipIf(folder === null)(`of ${profile} agrees on recorded windows`, async () => {
      const recorded = makeWindows(await readRecordings(folder ?? ""), shippedProfile(profile));
      const { answers, logits } = await compare(shipped(profile), everyNth(recorded, 500));
      expect(logits).toBeLessThanOrEqual(HALF_STEP + 1e-4);
      expect(answers).toBe(1);
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

function everyNth(set: WindowSet, count: number): WindowSet {
  const taken = Array.from({ length: Math.min(count, set.count) }, (_, i) =>
    windowAt(set, Math.floor((i * set.count) / count)),
  );
  const samples = new Int8Array(taken.length * set.windowSamples * set.channels);
  taken.forEach((window, i) => {
    samples.set(window, i * window.length);
  });
  return { ...set, count: taken.length, samples };
}
