/** Scores of bouts and budgets by hand, lengths that are learned by them, and the benchmark, tiny. */

import { describe, expect, it } from "vitest";
import { run } from "../bench/budget.ts";
import { datasetFolder, findRecordings } from "../recordings/find.ts";
import { scoreBouts } from "../src/behaviour/bout-scores.ts";
import { fitTypical } from "../src/behaviour/fit-typical.ts";
import type { SeenWindow } from "../src/behaviour/open-windows.ts";
import type { SegmentRule } from "../src/behaviour/segment.ts";
import { quickOptions } from "./benchmark-options.ts";

const RULE: SegmentRule = {
  classes: 2,
  hopMs: 2_500,
  windowMs: 5_000,
  typicalMs: [60_000, 60_000],
  gapMs: 60_000,
};

const digits = (text: string): number[] => Array.from(text, Number);

const seenOf = (text: string): SeenWindow[] =>
  digits(text).map((classIndex, i) => ({
    timeMs: (i + 1) * 2_500,
    epoch: 0,
    windowIndex: i,
    student: { classIndex, confidence: 0.8 },
    teacher: null,
  }));

describe("scores", () => {
  const labels = digits("00000000001111111111");
  const scores = (text: string, smooth: boolean) =>
    scoreBouts({ labels, seen: seenOf(text) }, RULE, smooth);

  it("of what is right are perfect", () => {
    const perfect = scores("00000000001111111111", false);
    expect(perfect).toEqual({ errorPercent: [0, 0], boutF1: 1, boutRatio: 1, accuracy: 1 });
  });

  it("of a flicker cost bouts, not the budget; smoothing takes it away", () => {
    const flicker = "00010000001111011111";
    const raw = scores(flicker, false);
    expect(raw.errorPercent).toEqual([0, 0]);
    // Of six pieces two share more than half with a bout: "000000" of ten, "11111" not.
    expect(raw.boutF1).toBeCloseTo(2 / 8);
    expect(raw.accuracy).toBeCloseTo(0.9);
    expect(scores(flicker, true)).toMatchObject({ boutF1: 1, accuracy: 1 });
  });

  it("of a bout that nobody saw cost the budget", () => {
    const blind = scores("00000000000000000000", true);
    expect(blind).toMatchObject({ errorPercent: [50, 50], boutF1: 0, boutRatio: 0.5 });
  });
});

describe("the typical length that is learned", () => {
  const learned = (labels: string, seen: string) =>
    fitTypical([{ labels: digits(labels), seen: seenOf(seen) }], RULE).typicalMs;

  it("leaves short bouts alone where answers are right", () => {
    const labels = "00001100001111001111";
    expect(learned(labels, labels)).toBe(1_000);
  });

  it("is the shortest that mends flickering answers", () => {
    const labels = "0".repeat(40) + "1".repeat(40);
    const seen = "0001000000".repeat(4) + "1111011111".repeat(4);
    const typicalMs = learned(labels, seen);
    expect(typicalMs).toBeGreaterThan(1_000);
    const shorter = { ...RULE, typicalMs: [typicalMs / 2, typicalMs / 2] };
    const stream = { labels: digits(labels), seen: seenOf(seen) };
    expect(scoreBouts(stream, shorter, true).boutF1).toBeLessThan(1);
  });
});

const folder = datasetFolder(findRecordings(), "cows");
if (folder === null) console.info("bench-budget.test.ts runs without recordings: none were found");

describe.skipIf(folder === null)("the whole benchmark", () => {
  it("runs, tiny", async () => {
    const result = await run(quickOptions({ dataset: "cows" }));
    expect(result.ok).toBe(true);
    const scores = result.figures.scores as Record<string, { accuracy: number }>;
    expect(Object.keys(scores)).toHaveLength(9);
    for (const { accuracy } of Object.values(scores)) expect(accuracy).toBeGreaterThan(0.4);
  }, 60_000);
});
