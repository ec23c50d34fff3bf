/** What ships under `profiles/`: every file opens, fits its profile, and says the same in floats and
 * in integers. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { openOnnxTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { decodeGate } from "../src/gate/gate-bytes.ts";
import { largestIndex } from "../src/learn/metrics.ts";
import { predictStudent } from "../src/learn/predict.ts";
import { recipeFor } from "../src/learn/recipes.ts";
import { studentFromOnnx } from "../src/learn/student-network.ts";
import { decodeContainer } from "../src/model/container.ts";
import { normal, prng, uniform } from "../src/prng.ts";
import { cohortOf } from "../src/signal/profile.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import { type WindowSet, windowAt } from "../src/signal/window-set.ts";

const FOLDER = new URL("../profiles/", import.meta.url).pathname;
const STUDENTS = [
  ["cattle", "student"],
  ["cattle", "student-plain"],
  ["people", "student"],
] as const;

/** Gravity somewhere near where collars and pockets have it, and a swing. */
function plausibleWindows(count: number, windowSamples: number, step: number): WindowSet {
  const random = prng(5, "plausible");
  const samples = new Int8Array(count * windowSamples * 3);
  for (let w = 0; w < count; w++) {
    const rest = [normal(random) * 200, -600 + 150 * normal(random), -700 + 150 * normal(random)];
    const [swing, pace] = [uniform(random, 0, 500), uniform(random, 0.2, 1.5)];
    for (let i = 0; i < windowSamples * 3; i++) {
      const value = (rest[i % 3] as number) + swing * Math.sin(pace * Math.floor(i / 3) + (i % 3));
      samples[w * windowSamples * 3 + i] = Math.max(-127, Math.min(127, Math.round(value / step)));
    }
  }
  const labels = new Uint8Array(count);
  const subjects = Array.from(labels, () => "nobody");
  return {
    count,
    windowSamples,
    channels: 3,
    samples,
    labels,
    subjects,
    bouts: new Int32Array(count),
  };
}

describe("shipped models", () => {
  it.each(["cattle", "people"])("of %s: the teacher fits and is small", async (name) => {
    const file = `${FOLDER}${name}/teacher.onnx`;
    expect(statSync(file).size).toBeLessThanOrEqual(1_500_000);
    const profile = shippedProfile(name);
    const teacher = await openOnnxTeacher(file, profile);
    expect(teacher.classes).toEqual(profile.classes);
    expect(teacher.rateHz).toBe(profile.rateHz);
    expect(teacher.featureCount).toBeGreaterThan(0);
    await teacher.close();
  });

  it.each(STUDENTS)(
    "of %s: %s opens, has a gate, and agrees with its floats",
    async (name, file) => {
      const profile = shippedProfile(name);
      const container = decodeContainer(readFileSync(`${FOLDER}${name}/${file}.bwm`));
      expect(container.classes).toEqual(profile.classes);
      expect(container.cohort).toBe(cohortOf(profile));
      expect(container.inputMilligPerStep).toBe(profile.inputMilligPerStep);
      const gate = decodeGate(container.gate);
      expect(gate.classes).toBe(profile.classes.length);
      expect(gate.exits.length).toBe(container.student.stages.length);

      const float = studentFromOnnx(readFileSync(`${FOLDER}${name}/${file}.onnx`));
      expect(float?.spec).toEqual(recipeFor(profile).student.spec);
      if (float === undefined) return;
      const windows = plausibleWindows(200, profile.windowSamples, profile.inputMilligPerStep);
      const step = profile.inputMilligPerStep;
      const logits = (await predictStudent(onnxRuntime(), float, windows, step)).at(-1);
      const engine = referenceEngine.load(container);
      let same = 0;
      for (let w = 0; w < windows.count; w++) {
        engine.begin(windowAt(windows, w));
        let last = engine.nextExit();
        for (let exit = 1; exit < engine.exits; exit++) last = engine.nextExit();
        const row = logits?.subarray(w * profile.classes.length, (w + 1) * profile.classes.length);
        if (largestIndex(last.logits) === largestIndex(row ?? [])) same++;
      }
      // Most of these windows are like nothing that it has learned.
      expect(same / windows.count).toBeGreaterThan(0.9);
    },
  );

  it("come with a card that says where they are from and what they are worth", () => {
    for (const name of readdirSync(FOLDER)) {
      const card = `${FOLDER}${name}/CARD.md`;
      if (!existsSync(`${FOLDER}${name}/teacher.onnx`)) continue;
      const text = readFileSync(card, "utf8");
      expect(text).toMatch(/## Data\n\n.+/);
      expect(text).toMatch(/## What they are worth[\s\S]+subjects' mean/);
      expect(text).toContain("npm run -s bellwether -- train");
    }
  });
});
