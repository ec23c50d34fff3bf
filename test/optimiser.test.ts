import { describe, expect, it } from "vitest";
import { adamW, learningRateAt } from "../src/learn/optimiser.ts";
import { filled, flatten, initialValues, unflatten, weight } from "../src/learn/parameters.ts";

const PARAMETERS = [weight("w", [2, 2], 2), filled("b", [2], 1)];

describe("AdamW", () => {
  it("agrees with its paper's formulas over some steps", () => {
    const weights = Float32Array.of(0.5, -0.5, 1, 2, 1, 1);
    const expected = Float64Array.from(weights);
    const optimiser = adamW(PARAMETERS, { weightDecay: 0.1, clipNorm: 1e9 });
    const m = new Float64Array(6);
    const v = new Float64Array(6);
    for (let t = 1; t <= 5; t++) {
      const gradients = Float32Array.from(weights, (w, i) => Math.sin(3 * w + i));
      optimiser.step(weights, gradients, 0.01);
      for (let i = 0; i < 6; i++) {
        const g = gradients[i] as number;
        m[i] = 0.9 * (m[i] as number) + 0.1 * g;
        v[i] = 0.999 * (v[i] as number) + 0.001 * g * g;
        const step = (m[i] as number) / (1 - 0.9 ** t);
        const scale = Math.sqrt((v[i] as number) / (1 - 0.999 ** t)) + 1e-8;
        // Decay pulls on weights (the first four) and not on biases.
        const decay = i < 4 ? 0.1 * (expected[i] as number) : 0;
        expected[i] = (expected[i] as number) - 0.01 * (step / scale + decay);
      }
      for (let i = 0; i < 6; i++) expect(weights[i]).toBeCloseTo(expected[i] as number, 5);
    }
  });

  it("shortens long gradients to the limit, all alike", () => {
    const a = Float32Array.of(1, 1, 1, 1, 1, 1);
    const b = a.slice();
    const gradients = Float32Array.of(300, -400, 0, 0, 0, 0);
    adamW(PARAMETERS, { weightDecay: 0, clipNorm: 5 }).step(a, gradients, 0.1);
    const short = Float32Array.of(3, -4, 0, 0, 0, 0);
    adamW(PARAMETERS, { weightDecay: 0, clipNorm: 1e9 }).step(b, short, 0.1);
    expect(a).toEqual(b);
  });

  it("warms up, peaks and falls to zero", () => {
    const rates = Array.from({ length: 100 }, (_, step) => learningRateAt(step, 100, 1));
    expect(rates[0]).toBeCloseTo(0.1, 9);
    expect(Math.max(...rates)).toBe(1);
    expect(rates.indexOf(1)).toBeGreaterThanOrEqual(9);
    expect(rates[99]).toBeLessThan(0.001);
    for (let step = 11; step < 100; step++) {
      expect(rates[step]).toBeLessThanOrEqual(rates[step - 1] as number);
    }
    expect(learningRateAt(0, 1, 1)).toBe(1);
  });
});

describe("parameters", () => {
  it("start alike for one seed, and by name rather than by place", () => {
    const first = initialValues(PARAMETERS, 1);
    expect(initialValues(PARAMETERS, 1)).toEqual(first);
    expect(initialValues(PARAMETERS, 2)).not.toEqual(first);
    const [w, b] = PARAMETERS as [(typeof PARAMETERS)[0], (typeof PARAMETERS)[0]];
    const turned = initialValues([b, w], 1);
    expect(turned.slice(2)).toEqual(first.slice(0, 4));
    expect([...first.slice(4)]).toEqual([1, 1]);
  });

  it("survive flattening", () => {
    const flat = initialValues(PARAMETERS, 1);
    expect(flatten(PARAMETERS, unflatten(PARAMETERS, flat))).toEqual(flat);
  });
});
