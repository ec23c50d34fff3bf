import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { adapt, believe, instruct, personalise } from "../src/gate/belief.ts";
import { MARGIN_TOP_Q8, ONE_Q15 } from "../src/gate/gate-parameters.ts";

const FORGET = { changeQ15: ONE_Q15, adaptQ8: 256 };
const REMEMBER = { changeQ15: Math.round(0.1 * ONE_Q15), adaptQ8: 256 };

/** Probabilities of a few classes, Q15, rounded down as a node has them. */
const probabilities = fc
  .array(fc.integer({ min: 0, max: 1000 }), { minLength: 2, maxLength: 64 })
  .map((weights) => {
    const sum = weights.reduce((a, b) => a + b, 0) || 1;
    return Int32Array.from(weights, (weight) => Math.trunc((weight * ONE_Q15) / sum));
  });

describe("believe", () => {
  it("is Bayes' rule to within a thousandth", () => {
    fc.assert(
      fc.property(
        fc.tuple(
          fc.array(fc.integer({ min: 200, max: 9000 }), { minLength: 3, maxLength: 3 }),
          fc.array(fc.integer({ min: 200, max: 9000 }), { minLength: 3, maxLength: 3 }),
        ),
        ([before, now]) => {
          const scale = (values: number[]): number[] => {
            const sum = values.reduce((a, b) => a + b, 0);
            return values.map((value) => Math.trunc((value * ONE_Q15) / sum));
          };
          const prior = scale(before);
          const evidence = scale(now);
          const joint = prior.map(
            (p, c) => (0.9 * p + (0.1 * ONE_Q15) / 3) * ((evidence[c] as number) + 8),
          );
          const sum = joint.reduce((a, b) => a + b, 0);
          const { beliefQ15 } = believe(REMEMBER, prior, Int32Array.from(evidence));
          joint.forEach((value, c) => {
            expect(Math.abs((beliefQ15[c] as number) / ONE_Q15 - value / sum)).toBeLessThan(1e-3);
          });
        },
      ),
    );
  });

  it("stays whole and in range for any belief and any probabilities", () => {
    fc.assert(
      fc.property(
        probabilities,
        fc.integer({ min: 1, max: ONE_Q15 }),
        fc.nat(5),
        (p, change, n) => {
          const filter = { changeQ15: change, adaptQ8: 0 };
          let before: readonly number[] = [];
          for (let i = 0; i <= n; i++) {
            const { beliefQ15, classIndex, marginQ8 } = believe(filter, before, p);
            before = [...beliefQ15];
            const sum = before.reduce((a, b) => a + b, 0);
            expect(before.every((value) => Number.isInteger(value) && value >= 0)).toBe(true);
            expect(sum).toBeLessThanOrEqual(ONE_Q15);
            expect(sum).toBeGreaterThan(ONE_Q15 - 2 * p.length);
            expect(marginQ8 >= 0 && marginQ8 <= MARGIN_TOP_Q8).toBe(true);
            expect(before[classIndex]).toBe(Math.max(...before));
          }
        },
      ),
    );
  });

  it("answers window by window when it forgets", () => {
    const p = Int32Array.of(20000, 10000, 2768);
    const sure = [0, 0, ONE_Q15];
    expect(believe(FORGET, sure, p)).toEqual(believe(FORGET, [], p));
    expect(believe(FORGET, sure, p).classIndex).toBe(0);
    expect(believe(REMEMBER, sure, p).classIndex).toBe(2);
  });

  it("tells a thousand to one from a hundred thousand to one", () => {
    const steady = [32000, 384, 384];
    const thousand = believe(REMEMBER, [], Int32Array.of(32704, 32, 32)).marginQ8;
    const more = believe(REMEMBER, steady, Int32Array.of(32704, 32, 32)).marginQ8;
    expect(more - thousand).toBeGreaterThan(3 * 256);
  });
});

describe("verdicts", () => {
  it("are multiplied with the belief, and neither rules a class out", () => {
    const share = (belief: readonly number[], verdict: Uint8Array): number =>
      (instruct(belief, verdict, 0)[0] as number) / ONE_Q15;
    // Odds of three to two against odds of two to one, with the floors that both have.
    const odds = (((19661 + 1024) / (13107 + 1024)) * (2 * 85 + 1)) / (2 * 170 + 1);
    expect(share([19661, 13107], Uint8Array.of(85, 170))).toBeCloseTo(odds / (1 + odds), 3);
    expect(share([ONE_Q15, 0], Uint8Array.of(0, 255))).toBeLessThan(0.1);
    expect(share([0, ONE_Q15], Uint8Array.of(255, 0))).toBeLessThan(0.95);
    expect(share([32768, 0], Uint8Array.of(128, 127))).toBeGreaterThan(0.95);
  });

  it("stay below 2^31 for whatever a state may hold", () => {
    const most = Array.from({ length: 64 }, () => 65535);
    const after = instruct(most, new Uint8Array(64).fill(255), 0);
    expect(Math.min(...after)).toBeGreaterThan(ONE_Q15 / 64 - 2);
    expect(Math.max(...after)).toBeLessThanOrEqual(ONE_Q15 / 64);
  });

  it("count half a window later, and nothing after that", () => {
    const belief = [30000, 2768];
    const verdict = Uint8Array.of(0, 255);
    const half = instruct(belief, verdict, 1);
    expect(half[0]).toBeGreaterThan(14000);
    expect(half[1]).toBeGreaterThan(16000);
    expect(instruct(belief, verdict, 2)).toBe(belief);
    expect(instruct(belief, verdict, -1)).toBe(belief);
  });

  it("teach a node the class that it keeps taking for another, within bounds", () => {
    const said = { windowIndex: 0, classIndex: 0, probabilityQ8: 200 };
    let bias: readonly number[] = [];
    for (let i = 0; i < 40; i++) {
      bias = adapt(FORGET, bias, said, Uint8Array.of(0, 255, 0));
      expect(bias.every((value) => Number.isInteger(value) && Math.abs(value) <= 1108)).toBe(true);
    }
    const p = Int32Array.of(25000, 7000, 768);
    expect(believe(FORGET, [], p).classIndex).toBe(0);
    expect(believe(FORGET, [], personalise(bias, p)).classIndex).toBe(1);
  });

  it("teach nothing when they agree, and are forgotten slowly", () => {
    const said = { windowIndex: 0, classIndex: 0, probabilityQ8: 255 };
    expect(adapt(FORGET, [], said, Uint8Array.of(255, 0))).toEqual([0, 0]);
    const faded = adapt(FORGET, [500, -500], said, Uint8Array.of(255, 0));
    expect(faded).toEqual([490, -490]);
    expect(adapt({ ...FORGET, adaptQ8: 0 }, [], said, Uint8Array.of(0, 255))).toEqual([]);
  });

  it("shift odds by what the bias says", () => {
    fc.assert(
      fc.property(fc.integer({ min: -1108, max: 1108 }), (bias) => {
        const even = Int32Array.of(ONE_Q15 / 2, ONE_Q15 / 2);
        const [a, b] = personalise([bias, 0], even) as unknown as [number, number];
        expect(Math.abs(Math.log2(a / b) - bias / 256)).toBeLessThan(0.02);
      }),
    );
  });
});
