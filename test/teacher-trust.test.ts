import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { OpenTeacher } from "../gateway/teacher/onnx-teacher.ts";
import {
  fitTeacherTrust,
  judgeTrust,
  noveltyOf,
  type TrustModel,
  trustOf,
  withStatistics,
} from "../gateway/teacher/teacher-trust.ts";
import { recipeFor } from "../src/learn/recipes.ts";
import { turnAbout } from "../src/signal/turn.ts";
import type { WindowSet } from "../src/signal/window-set.ts";
import { cattle, turningHerd as herd, turningAnchor, turningTeacher } from "./turning-herd.ts";

const folder = mkdtempSync(path.join(tmpdir(), "trust-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const augmentation = recipeFor(cattle).teacher.augmentation;
const anchor = turningAnchor();
let teacher: OpenTeacher;
let model: TrustModel;

beforeAll(async () => {
  teacher = await turningTeacher(folder, anchor);
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
    const verdict = judgeTrust([...answers("a", 40, 2), ...answers("b", 1, 19)]);
    expect(verdict).toMatchObject({ trusted: true, unknownNodes: ["b"] });
    expect(verdict.unknownShare).toBeCloseTo(21 / 62);
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
