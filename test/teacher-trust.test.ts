import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeAnchor } from "../gateway/anchor.ts";
import { onnxRuntime } from "../gateway/onnx-runtime.ts";
import { type OpenTeacher, openOnnxTeacher } from "../gateway/onnx-teacher.ts";
import {
  fitTeacherTrust,
  judgeTrust,
  noveltyOf,
  type TrustModel,
  trustOf,
  withStatistics,
} from "../gateway/teacher-trust.ts";
import { recipeFor } from "../src/learn/recipes.ts";
import { teacherOnnx } from "../src/learn/teacher-network.ts";
import { trainTeacher } from "../src/learn/train-teacher.ts";
import { normal, prng } from "../src/prng.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import { type Rotation, turnAbout } from "../src/signal/turn.ts";
import type { WindowSet } from "../src/signal/window-set.ts";

const cattle = shippedProfile("cattle");
const folder = mkdtempSync(path.join(tmpdir(), "trust-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Posture tells the class, and a swing whose size and speed do so too. */
function herd(seed: number, bouts: number, rotation?: Rotation): WindowSet {
  const random = prng(seed, "herd");
  const windows = 8;
  const count = 3 * bouts * windows;
  const samples = new Int8Array(count * 150);
  for (let i = 0; i < count; i++) {
    const label = Math.floor(i / windows) % 3;
    const sway = 0.1 * normal(random);
    const start = 6 * normal(random);
    for (let t = 0; t < 50; t++) {
      const swing = [0.02, 0.12, 0.35][label] as number;
      const phase = start + t * ([0.2, 0.6, 1.3][label] as number);
      const pitch = ([0.5, 0.9, 0.7][label] as number) + 0.5 * sway;
      const g = [
        0.2 + sway + swing * Math.sin(phase) + 0.03 * normal(random),
        -Math.sin(pitch) + 0.5 * swing * Math.cos(phase) + 0.03 * normal(random),
        -Math.cos(pitch) + swing * Math.sin(phase + 1) + 0.03 * normal(random),
      ];
      for (let row = 0; row < 3; row++) {
        const turned =
          rotation === undefined
            ? (g[row] as number)
            : g.reduce((sum, part, k) => sum + (rotation[3 * row + k] as number) * part, 0);
        samples[i * 150 + t * 3 + row] = Math.max(-127, Math.min(127, Math.round(turned / 0.016)));
      }
    }
  }
  return {
    count,
    windowSamples: 50,
    channels: 3,
    samples,
    labels: Uint8Array.from({ length: count }, (_, i) => Math.floor(i / windows) % 3),
    subjects: Array.from({ length: count }, () => "a"),
    bouts: Int32Array.from({ length: count }, (_, i) => Math.floor(i / windows)),
  };
}

const augmentation = recipeFor(cattle).teacher.augmentation;
const anchor = makeAnchor(herd(1, 12), cattle, { seed: 1 });
let teacher: OpenTeacher;
let model: TrustModel;

beforeAll(async () => {
  const trained = await trainTeacher(onnxRuntime(), {
    windows: anchor.replay,
    classes: cattle.classes,
    rateHz: cattle.rateHz,
    inputMilligPerStep: cattle.inputMilligPerStep,
    seed: 1,
    options: { ...recipeFor(cattle).teacher, widths: [8, 16, 16], epochs: 12 },
  });
  const file = path.join(folder, "teacher.onnx");
  writeFileSync(file, teacherOnnx(trained));
  teacher = await openOnnxTeacher(file, cattle);
  model = await fitTeacherTrust(teacher, anchor, augmentation, 1);
});
afterAll(() => teacher.close());

async function unknownShare(of: TrustModel, by: typeof teacher, set: WindowSet): Promise<number> {
  const { features, probabilities } = await withStatistics(by).predict(set.samples, set.count, 16);
  const trust = trustOf(of);
  let unknown = 0;
  for (let i = 0; i < set.count; i++) {
    const row = (features as Float32Array).subarray(i * of.width, (i + 1) * of.width);
    if (!trust(probabilities.subarray(i * 3, i * 3 + 3), row)) unknown++;
    expect(noveltyOf(of, row) > 1).toBe(!trust(probabilities, row));
  }
  return unknown / set.count;
}

describe("the teacher's trust", () => {
  test("knows new bouts, and collars turned as in training", async () => {
    expect(await unknownShare(model, teacher, herd(2, 6))).toBeLessThan(0.1);
    for (const degrees of [90, 180]) {
      const turned = herd(3, 6, turnAbout([0, 0, 1], degrees));
      expect(await unknownShare(model, teacher, turned)).toBeLessThan(0.15);
    }
  });

  test("does not know collars turned as never in training", async () => {
    for (const degrees of [90, 180]) {
      const turned = herd(3, 6, turnAbout([1, 0, 0], degrees));
      expect(await unknownShare(model, teacher, turned)).toBeGreaterThan(0.4);
    }
  });

  test("looks at raw statistics alone where the model gives no features", async () => {
    const bare: OpenTeacher = {
      ...teacher,
      predict: async (...args) => ({ ...(await teacher.predict(...args)), features: null }),
    };
    const raw = await fitTeacherTrust(bare, anchor, augmentation, 1);
    expect(raw.width).toBe(6);
    expect(await unknownShare(raw, bare, herd(2, 6))).toBeLessThan(0.1);
    const turned = herd(3, 6, turnAbout([1, 0, 0], 90));
    expect(await unknownShare(raw, bare, turned)).toBeGreaterThan(0.4);
    expect(trustOf(raw)(new Float32Array(3), null)).toBe(false);
  });

  test("takes what is not a number for unknown", () => {
    const broken = new Float32Array(model.width).fill(Number.NaN);
    expect(trustOf(model)(new Float32Array(3), broken)).toBe(false);
  });
});

describe("the judgement over many answers", () => {
  const answers = (node: string, known: number, unknown: number) =>
    Array.from({ length: known + unknown }, (_, i) => ({ node, trusted: i < known }));

  test("leaves a lost node out and goes on with the others", () => {
    const verdict = judgeTrust([...answers("a", 30, 2), ...answers("b", 1, 19)]);
    expect(verdict).toMatchObject({ trusted: true, unknownNodes: ["b"] });
    expect(verdict.unknownShare).toBeCloseTo(21 / 52);
  });

  test("stops where most of the herd is lost", () => {
    const verdict = judgeTrust([...answers("a", 5, 20), ...answers("b", 10, 10)]);
    expect(verdict).toMatchObject({ trusted: false, unknownNodes: ["a"] });
  });

  test("says nothing of a few", () => {
    expect(judgeTrust(answers("a", 0, 3))).toMatchObject({ trusted: true, unknownNodes: [] });
    expect(judgeTrust([])).toMatchObject({ trusted: true, unknownShare: 0 });
  });
});
