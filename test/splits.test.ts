import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { foldsBySubject, holdOut, splitBouts, subjectsOf } from "../src/signal/splits.ts";
import type { WindowSet } from "../src/signal/window-set.ts";

/** A set of empty windows from `[class, windows]` per bout. */
function setOfBouts(bouts: readonly (readonly [number, number])[]): WindowSet {
  const labels = bouts.flatMap(([label, count]) => Array<number>(count).fill(label));
  const numbers = bouts.flatMap(([, count], bout) => Array<number>(count).fill(bout));
  return {
    count: labels.length,
    windowSamples: 2,
    channels: 3,
    samples: new Int8Array(labels.length * 6),
    labels: Uint8Array.from(labels),
    subjects: labels.map(() => "a"),
    bouts: Int32Array.from(numbers),
  };
}

const boutsArbitrary = fc.array(fc.tuple(fc.nat(3), fc.integer({ min: 1, max: 40 })), {
  minLength: 1,
  maxLength: 30,
});

describe("splitBouts", () => {
  it("never puts windows of one bout on both sides, except where it says that it cut one", () => {
    fc.assert(
      fc.property(boutsArbitrary, fc.nat(1000), (bouts, seed) => {
        const set = setOfBouts(bouts);
        const all = Array.from({ length: set.count }, (_, i) => i);
        const { first, second, cutBouts } = splitBouts(set, all, seed);
        const boutsOfFirst = new Set(first.map((i) => set.bouts[i]));
        const shared = new Set(second.map((i) => set.bouts[i]).filter((b) => boutsOfFirst.has(b)));
        expect(shared.size).toBeLessThanOrEqual(cutBouts);
        expect(new Set([...first, ...second]).size).toBe(first.length + second.length);
        expect(first.length + second.length).toBeGreaterThanOrEqual(set.count - cutBouts);
        // Windows left and right of a cut share no sample.
        for (const bout of shared) {
          const last = Math.max(...first.filter((i) => set.bouts[i] === bout));
          const next = Math.min(...second.filter((i) => set.bouts[i] === bout));
          expect(next - last).toBeGreaterThan(1);
        }
      }),
    );
  });

  it("keeps every class that has two bouts in both parts", () => {
    fc.assert(
      fc.property(boutsArbitrary, fc.nat(1000), (bouts, seed) => {
        const set = setOfBouts(bouts);
        const all = Array.from({ length: set.count }, (_, i) => i);
        const { first, second } = splitBouts(set, all, seed);
        for (const label of new Set(bouts.map(([l]) => l))) {
          if (bouts.filter(([l]) => l === label).length < 2) continue;
          expect(first.some((i) => set.labels[i] === label)).toBe(true);
          expect(second.some((i) => set.labels[i] === label)).toBe(true);
        }
      }),
    );
  });

  it("balances many bouts to the asked share", () => {
    const set = setOfBouts(Array.from({ length: 60 }, (_, i) => [0, 1 + (i % 7)]));
    const all = Array.from({ length: set.count }, (_, i) => i);
    const { first } = splitBouts(set, all, 1, { share: 0.25 });
    expect(first.length / set.count).toBeCloseTo(0.25, 1);
  });

  it("depends on the seed and on nothing else", () => {
    const set = setOfBouts(Array.from({ length: 30 }, () => [0, 5]));
    const all = Array.from({ length: set.count }, (_, i) => i);
    expect(splitBouts(set, all, 3)).toEqual(splitBouts(set, all, 3));
    expect(splitBouts(set, all, 3)).not.toEqual(splitBouts(set, all, 4));
  });
});

describe("foldsBySubject", () => {
  it("tests everybody once and never trains or validates on whom it tests", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 4, maxLength: 20 }),
        fc.integer({ min: 2, max: 4 }),
        fc.nat(100),
        (subjects, folds, seed) => {
          const made = foldsBySubject(subjects, { folds, seed, validationSubjects: 1 });
          expect(made.flatMap((fold) => fold.test).sort()).toEqual([...subjects].sort());
          for (const { train, validation, test } of made) {
            const everybody = [...train, ...validation, ...test];
            expect(everybody.sort()).toEqual([...subjects].sort());
            expect(train.length).toBeGreaterThan(0);
          }
        },
      ),
    );
  });

  it("refuses more folds than subjects, and to validate on everybody", () => {
    expect(() => foldsBySubject(["a", "b"], { folds: 3, seed: 1 })).toThrow(/too-few-subjects/);
    expect(() => holdOut(["a"], 1, 1)).toThrow(/none to train on/);
  });
});

describe("subjectsOf", () => {
  it("sorts numbers as numbers", () => {
    const set = { ...setOfBouts([[0, 3]]), subjects: ["10", "9", "10"] };
    expect(subjectsOf(set)).toEqual(["9", "10"]);
  });
});
