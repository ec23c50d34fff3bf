import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { resample, resampledCount } from "../src/signal/resample.ts";

function sine(hertz: number, rateHz: number, count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) =>
    Math.sin((2 * Math.PI * hertz * i) / rateHz + 0.3),
  );
}

/** The largest difference away from the ends, where inputs are missing. */
function worst(got: Float32Array, wanted: Float32Array, margin: number): number {
  let largest = 0;
  for (let i = margin; i < got.length - margin; i++) {
    largest = Math.max(largest, Math.abs((got[i] ?? 0) - (wanted[i] ?? 0)));
  }
  return largest;
}

describe("resample", () => {
  it.each([
    [50, 25, 3],
    [100, 25, 6],
    [64, 20, 5],
    [50, 10, 2],
    [20, 50, 4],
    [10, 25, 2],
    [25, 20, 5],
    [33.33, 25, 3],
  ])("keeps a sine below both Nyquist rates, %d Hz to %d Hz", (from, to, hertz) => {
    const seconds = 20;
    const got = resample(sine(hertz, from, seconds * from), 1, from, to);
    const margin = Math.ceil(to * 1.5);
    expect(worst(got, sine(hertz, to, got.length), margin)).toBeLessThan(0.01);
  });

  it.each([
    [50, 25, 15],
    [100, 25, 20],
    [50, 10, 8],
  ])("removes what would fold back, %d Hz to %d Hz, a sine of %d Hz", (from, to, hertz) => {
    const got = resample(sine(hertz, from, 20 * from), 1, from, to);
    expect(worst(got, new Float32Array(got.length), to)).toBeLessThan(0.01);
  });

  it("passes gravity unchanged, also at the ends, and keeps axes apart", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.constantFrom(10, 12.5, 20, 25, 50, 100),
        fc.constantFrom(10, 20, 25, 31.25),
        (count, from, to) => {
          const gravity = [123, -456, 789];
          const input = Int16Array.from({ length: count * 3 }, (_, i) => gravity[i % 3] ?? 0);
          const got = resample(input, 3, from, to);
          expect(got.length).toBe(resampledCount(count, from, to) * 3);
          got.forEach((value, i) => {
            expect(value).toBeCloseTo(gravity[i % 3] ?? 0, 2);
          });
        },
      ),
    );
  });

  it("is the identity at equal rates and says how much comes out", () => {
    const input = Int16Array.of(1, -2, 3, 32767, -32768, 0);
    expect([...resample(input, 3, 50, 50)]).toEqual([...input]);
    expect(resampledCount(101, 50, 25)).toBe(51);
    expect(resampledCount(0, 50, 25)).toBe(0);
    expect(resampledCount(10, 10, 20)).toBe(19);
  });
});
