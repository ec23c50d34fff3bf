import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  accuracyAtShare,
  groundlightTaken,
  marginScore,
  maxSoftmaxScore,
  oracleScore,
  sednaCrossEntropyScore,
  softmaxOf,
  takenAtShare,
} from "../src/gate/baselines.ts";

describe("scores", () => {
  it("Sedna's is 1 when sure and 0 when every class is alike", () => {
    expect(sednaCrossEntropyScore(Float64Array.of(1, 0, 0))).toBe(1);
    expect(sednaCrossEntropyScore(Float64Array.of(1 / 3, 1 / 3, 1 / 3))).toBeCloseTo(0, 12);
    // 1 + (.7 ln .7 + .2 ln .2 + .1 ln .1) / ln 3, by hand.
    expect(sednaCrossEntropyScore(Float64Array.of(0.7, 0.2, 0.1))).toBeCloseTo(0.2702, 4);
  });

  it("the largest softmax is that of logits in Q8", () => {
    expect(maxSoftmaxScore(softmaxOf(Int16Array.of(256, 0)))).toBeCloseTo(0.73106, 5);
  });
});

describe("chances of going to the teacher", () => {
  const scores = fc.array(fc.nat(6), { minLength: 1, maxLength: 80 });
  const share = fc.double({ min: 0, max: 1, noNaN: true });

  it("add up to the share, by rank and by Groundlight's rule alike", () => {
    fc.assert(
      fc.property(scores, share, (given, wanted) => {
        for (const taken of [takenAtShare(given, wanted), groundlightTaken(given, wanted, 0.01)]) {
          const sum = taken.reduce((total, chance) => total + chance, 0);
          expect(sum).toBeCloseTo(wanted * given.length, 6);
          for (const chance of taken) expect(chance).toBeLessThanOrEqual(1 + 1e-12);
        }
      }),
    );
  });

  it("are those of the audit for the sure ones, and nothing else where the share is no more", () => {
    const few = groundlightTaken([0.2, 0.9, 0.9, 0.9], 0.25, 0.01);
    expect(few[0]).toBeGreaterThan(0.95);
    expect(few[1]).toBeCloseTo(0.01 + 0.99 * 0, 2);
    expect([...groundlightTaken([0.2, 0.9], 0.005, 0.01)]).toEqual([0.005, 0.005]);
  });
});

describe("entropy", () => {
  it("ranks as Sedna's filter does: maximum entropy is no other filter", () => {
    const random = fc.array(fc.double({ min: 0.01, max: 1, noNaN: true }), {
      minLength: 3,
      maxLength: 3,
    });
    fc.assert(
      fc.property(random, (weights) => {
        const sum = weights.reduce((a, b) => a + b, 0);
        const p = Float64Array.from(weights, (weight) => weight / sum);
        const entropy = -p.reduce((total, x) => total + x * Math.log(x), 0);
        expect(sednaCrossEntropyScore(p)).toBeCloseTo(1 - entropy / Math.log(3), 10);
      }),
    );
    expect(marginScore(Float64Array.of(0.1, 0.6, 0.3))).toBeCloseTo(0.3, 12);
  });
});

describe("accuracyAtShare", () => {
  const windows = fc
    .array(fc.record({ score: fc.nat(4), student: fc.nat(1), teacher: fc.nat(1) }), {
      minLength: 1,
      maxLength: 60,
    })
    .map((all) => ({
      scores: all.map((window) => window.score),
      studentRight: all.map((window) => window.student),
      teacherRight: all.map((window) => window.teacher),
    }));
  const mean = (values: readonly number[]): number =>
    values.reduce((a, b) => a + b, 0) / values.length;

  it("is the student's at 0, the teacher's at 1", () => {
    fc.assert(
      fc.property(windows, (all) => {
        expect(accuracyAtShare(all, 0)).toBeCloseTo(mean(all.studentRight), 12);
        expect(accuracyAtShare(all, 1)).toBeCloseTo(mean(all.teacherRight), 12);
      }),
    );
  });

  it("is nowhere above the oracle's", () => {
    fc.assert(
      fc.property(windows, fc.double({ min: 0, max: 1, noNaN: true }), (all, share) => {
        const scores = all.studentRight.map((right, i) =>
          oracleScore(right === 1, all.teacherRight[i] === 1),
        );
        const oracle = accuracyAtShare({ ...all, scores }, share);
        expect(accuracyAtShare(all, share)).toBeLessThanOrEqual(oracle + 1e-12);
      }),
    );
  });

  it("does not depend on the order of windows that tie", () => {
    const all = { scores: [0, 0, 0, 0], studentRight: [1, 1, 0, 0], teacherRight: [1, 1, 1, 1] };
    expect(accuracyAtShare(all, 0.5)).toBeCloseTo(0.75, 12);
    const turned = { ...all, studentRight: [0, 0, 1, 1] };
    expect(accuracyAtShare(turned, 0.5)).toBeCloseTo(0.75, 12);
  });
});
