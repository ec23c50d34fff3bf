/** A gate that goes through windows whose truth is known, and what is chosen by that. */
import { describe, expect, it } from "vitest";
import type { ExitRecords } from "../src/gate/exit-records.ts";
import { exitGates, fitMemory } from "../src/gate/fit-memory.ts";
import { MARGIN_TOP_Q8, ONE_Q15 } from "../src/gate/gate-parameters.ts";
import { targetShare } from "../src/gate/offload-target.ts";
import { type AnsweredWindows, Rehearsal } from "../src/gate/rehearse.ts";
import { below, chance, type Prng, prng } from "../src/prng.ts";

const CLASSES = 3;
const COUNT = 600;
const INVERSE_TEMPERATURES = [369, 369];

/** An exit that is right with this chance and says so with some doubt. */
function logitsOf(random: Prng, labels: Uint8Array, right: number): Int16Array {
  const logits = new Int16Array(CLASSES * labels.length);
  labels.forEach((label, i) => {
    const said = chance(random, right) ? label : (label + 1) % CLASSES;
    for (let c = 0; c < CLASSES; c++) logits[i * CLASSES + c] = below(random, 300);
    logits[i * CLASSES + said] = 300 + below(random, 900);
  });
  return logits;
}

/** Bouts of so many windows, four animals, a teacher that is always right where there is one. */
function answered(rights: readonly number[], boutWindows: number, taught: boolean) {
  const random = prng(7, `rehearsal ${rights.join()} ${boutWindows}`);
  const labels = new Uint8Array(COUNT);
  let label = 0;
  for (let i = 0; i < COUNT; i++) {
    if (i % boutWindows === 0) label = below(random, CLASSES);
    labels[i] = label;
  }
  const records: ExitRecords = {
    count: COUNT,
    classes: CLASSES,
    exits: rights.map((right) => ({
      logits: logitsOf(random, labels, right),
      features: new Int8Array(0),
      featureCount: 0,
    })),
  };
  const teacher = new Float32Array(COUNT * CLASSES);
  labels.forEach((truth, i) => {
    teacher[i * CLASSES + truth] = 1;
  });
  const windows: AnsweredWindows = {
    records,
    labels,
    subjects: Array.from(labels, (_, i) => `animal-${Math.trunc((4 * i) / COUNT)}`),
    teacher: taught ? teacher : null,
  };
  return windows;
}

const total = (values: Uint8Array): number => values.reduce((sum, value) => sum + value, 0);
const exits = exitGates(INVERSE_TEMPERATURES, [1, 2]);
const forget = { changeQ15: ONE_Q15, adaptQ8: 0 };

describe("Rehearsal", () => {
  it("offloads nothing at a threshold of 0, and at most the share that it is asked for", () => {
    const rehearsal = new Rehearsal(answered([0.7, 0.8], 10, true), exits);
    expect(rehearsal.run(forget, 0).offloads).toBe(0);
    let before = 0;
    for (const share of [0, 0.05, 0.1, 0.3]) {
      const { offloads, right, kept, unsureMarginQ8 } = rehearsal.atShare(forget, share);
      expect(offloads).toBeLessThanOrEqual(share * COUNT);
      expect(offloads).toBeGreaterThanOrEqual(0.8 * share * COUNT);
      expect(COUNT - total(kept)).toBe(offloads);
      expect(rehearsal.run(forget, unsureMarginQ8).offloads).toBe(offloads);
      expect(total(right)).toBeGreaterThanOrEqual(before);
      before = total(right);
    }
  });

  it("answers with the teacher what it offloads, and with itself where nobody was asked", () => {
    const taught = new Rehearsal(answered([0.7, 0.8], 10, true), exits);
    const untaught = new Rehearsal(answered([0.7, 0.8], 10, false), exits);
    expect(total(taught.run(forget, MARGIN_TOP_Q8).right)).toBe(COUNT);
    expect(untaught.run(forget, MARGIN_TOP_Q8).right).toEqual(untaught.run(forget, 0).right);
  });

  it("lets a verdict speak for the windows after it", () => {
    const rehearsal = new Rehearsal(answered([0.5, 0.6], 30, true), exits);
    const keptRight = (changeQ15: number): number => {
      const { right, kept } = rehearsal.atShare({ changeQ15, adaptQ8: 0 }, 0.2);
      return total(right.filter((_, i) => kept[i] === 1)) / total(kept);
    };
    expect(keptRight(Math.round(0.04 * ONE_Q15))).toBeGreaterThan(keptRight(ONE_Q15) + 0.1);
  });
});

describe("fitMemory", () => {
  it("listens to the last exit where the first knows nothing, and to both where they are alike", () => {
    const weightOfLast = (first: number): number =>
      fitMemory(answered([first, 0.85], 1, true), INVERSE_TEMPERATURES, true)
        .fusionWeights[1] as number;
    expect(weightOfLast(0.34)).toBeGreaterThan(2);
    expect(weightOfLast(0.85)).toBeLessThanOrEqual(2);
  });

  it("remembers long bouts longer than windows that come by chance", () => {
    const changeFor = (boutWindows: number): number =>
      fitMemory(answered([0.7, 0.75], boutWindows, true), INVERSE_TEMPERATURES, true).filter
        .changeQ15;
    expect(changeFor(50)).toBeLessThan(changeFor(1));
  });

  it("forgets where it is told to", () => {
    const { filter } = fitMemory(answered([0.7, 0.75], 50, true), INVERSE_TEMPERATURES, false);
    expect(filter).toEqual(forget);
  });
});

describe("targetShare", () => {
  it("offloads no more than the accuracy wanted takes, verdicts and all", () => {
    const windows = answered([0.6, 0.8], 20, true);
    const rehearsal = new Rehearsal(windows, exits);
    const filter = { changeQ15: 5000, adaptQ8: 64 };
    const shareFor = (points: number): number =>
      targetShare({ kind: "points-below-teacher", points }, windows, rehearsal, filter, 1000);
    const reached = rehearsal.atShare(filter, shareFor(5));
    expect(total(reached.right)).toBeGreaterThanOrEqual(0.93 * COUNT);
    expect(shareFor(5)).toBeGreaterThan(0);
    expect(shareFor(5)).toBeLessThan(0.5);
    expect(shareFor(50)).toBe(0);
  });
});
