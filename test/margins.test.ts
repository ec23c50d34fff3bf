import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MARGIN_TOP_Q8, ONE_Q15, uncalibratedGate } from "../src/gate/gate-parameters.ts";
import { confidenceAt, exitProbabilities, fuseExits, log2Q8 } from "../src/gate/margins.ts";

const logits = fc
  .array(fc.integer({ min: -32768, max: 32767 }), { minLength: 2, maxLength: 20 })
  .map((values) => Int16Array.from(values));
const smallLogits = fc
  .array(fc.integer({ min: -1500, max: 1500 }), { minLength: 3, maxLength: 3 })
  .map((values) => Int16Array.from(values));

const exit = uncalibratedGate({ exits: 1, classes: 3 }).exits[0] as ReturnType<
  typeof uncalibratedGate
>["exits"][number];

function softmax(values: Int16Array, temperature: number): number[] {
  const best = Math.max(...values);
  const weights = [...values].map((value) => Math.exp((value - best) / 256 / temperature));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

describe("exitProbabilities", () => {
  it("is a softmax to within half a percent", () => {
    fc.assert(
      fc.property(smallLogits, fc.integer({ min: 60, max: 1500 }), (values, inverse) => {
        const temperature = (256 * Math.LOG2E) / inverse;
        const exact = softmax(values, temperature);
        const ours = exitProbabilities({ ...exit, inverseTemperatureQ8: inverse }, values);
        exact.forEach((p, c) => {
          expect(Math.abs((ours[c] as number) / ONE_Q15 - p)).toBeLessThan(0.005);
        });
      }),
    );
  });

  it("stays whole, in range, and sums to one less rounding, for any logits", () => {
    fc.assert(
      fc.property(logits, fc.integer({ min: 1, max: 65535 }), (values, inverse) => {
        const ours = exitProbabilities({ ...exit, inverseTemperatureQ8: inverse }, values);
        const sum = ours.reduce((a, b) => a + b, 0);
        expect(ours.every((p) => p >= 0 && p <= ONE_Q15)).toBe(true);
        expect(sum).toBeLessThanOrEqual(ONE_Q15);
        expect(sum).toBeGreaterThan(ONE_Q15 - values.length);
      }),
    );
  });
});

describe("fuseExits", () => {
  it("is the mean of the exits' probabilities", () => {
    const exits = uncalibratedGate({ exits: 2, classes: 2 }).exits;
    const sure = Int16Array.from([2000, -2000]);
    const opposite = Int16Array.from([-2000, 2000]);
    expect([...fuseExits(exits, [sure])]).toEqual([ONE_Q15, 0]);
    expect([...fuseExits(exits, [sure, opposite])]).toEqual([ONE_Q15 / 2, ONE_Q15 / 2]);
  });

  it("weighs the exits", () => {
    const [first, second] = uncalibratedGate({ exits: 2, classes: 2 }).exits;
    if (first === undefined || second === undefined) throw new Error("two exits");
    const probabilitiesQ15 = fuseExits(
      [first, { ...second, fusionWeight: 3 }],
      [Int16Array.from([20000, -20000]), Int16Array.from([-20000, 20000])],
    );
    expect([...probabilitiesQ15]).toEqual([ONE_Q15 / 4, (ONE_Q15 * 3) / 4]);
  });
});

describe("confidenceAt", () => {
  it("is linear between the table's entries and exact on them", () => {
    const table = { ...exit, confidenceQ8: Array.from({ length: 33 }, (_, i) => i * 7) };
    expect(confidenceAt(table, 0)).toBe(0);
    expect(confidenceAt(table, MARGIN_TOP_Q8)).toBe(224);
    expect(confidenceAt(table, 160)).toBe(7);
    expect(confidenceAt(table, 80)).toBe(3);
  });
});

describe("log2Q8", () => {
  it("is the logarithm to within 1/100 of an octave", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0x7fffffff }), (value) => {
        expect(Math.abs(log2Q8(value) / 256 - Math.log2(value))).toBeLessThan(0.01);
      }),
    );
    expect(log2Q8(0)).toBe(0);
    expect(log2Q8(256)).toBe(8 * 256);
  });
});
