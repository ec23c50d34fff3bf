import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  MULTIPLIER_MAX,
  MULTIPLIER_MIN,
  nearestRequantization,
  requantizationFactor,
  requantizationOf,
  requantize,
  SHIFT_MAX,
  SHIFT_MIN,
  saturateInt8,
  saturateInt16,
} from "../src/model/requantize.ts";

/** The rule as it is written down, in unlimited integers. */
function byDefinition(accumulator: number, multiplier: number, shift: number): number {
  const product = BigInt(accumulator) * BigInt(multiplier);
  return Number((product + (1n << BigInt(shift - 1))) >> BigInt(shift));
}

const accumulators = fc.oneof(
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  fc.constantFrom(-(2 ** 31), -(2 ** 31) + 1, -1, 0, 1, 2 ** 31 - 2, 2 ** 31 - 1),
);
const multipliers = fc.integer({ min: MULTIPLIER_MIN, max: MULTIPLIER_MAX });
const shifts = fc.integer({ min: SHIFT_MIN, max: SHIFT_MAX });

describe("requantize", () => {
  it("is the rule exactly, for every int32, multiplier and shift", () => {
    fc.assert(
      fc.property(accumulators, multipliers, shifts, (accumulator, multiplier, shift) => {
        const got = requantize(accumulator, requantizationFactor(multiplier, shift));
        expect(got + 0).toBe(byDefinition(accumulator, multiplier, shift));
      }),
      { numRuns: 20_000 },
    );
  });

  it("is exact at ties, which is where roundings differ", () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 20), max: 2 ** 20 }), shifts, (half, shift) => {
        // m = 2^14, so acc * m / 2^s is half an odd number when acc = (2 half + 1) 2^(s - 15).
        fc.pre(shift >= 15 && shift <= 24);
        const accumulator = (2 * half + 1) * 2 ** (shift - 15);
        fc.pre(Math.abs(accumulator) < 2 ** 31);
        const got = requantize(accumulator, requantizationFactor(MULTIPLIER_MIN, shift));
        expect(got).toBe(half + 1);
        expect(got).toBe(byDefinition(accumulator, MULTIPLIER_MIN, shift));
      }),
    );
  });

  it("is one SMMUL, an addition and a shift in C, from shift 17 on", () => {
    fc.assert(
      fc.property(accumulators, multipliers, fc.integer({ min: 17, max: 46 }), (acc, m, shift) => {
        const smmul = (BigInt(acc) * (BigInt(m) << 16n)) >> 32n;
        const rounding = shift === 17 ? 1n : 1n << BigInt(shift - 17);
        const got = (smmul + rounding) >> BigInt(shift - 16);
        expect(Number(got)).toBe(byDefinition(acc, m, shift));
      }),
    );
  });
});

describe("nearestRequantization", () => {
  it("is within 2^-15 of any scale, and exact for what it gave before", () => {
    fc.assert(
      fc.property(fc.double({ min: 2 ** -31, max: 2 ** 12, noNaN: true }), (scale) => {
        const { multiplier, shift } = nearestRequantization(scale, "int8");
        const factor = requantizationFactor(multiplier, shift);
        expect(Math.abs(factor / scale - 1)).toBeLessThanOrEqual(2 ** -15);
        expect(nearestRequantization(factor, "int8")).toEqual({ multiplier, shift });
      }),
    );
  });

  it("is a pure shift for powers of two, and refuses others as dynamic fixed point", () => {
    for (let exponent = -31; exponent <= 12; exponent++) {
      expect(nearestRequantization(2 ** exponent, "dynamic-fixed-point")).toEqual({
        multiplier: MULTIPLIER_MIN,
        shift: 14 - exponent,
      });
    }
    expect(() => nearestRequantization(0.3, "dynamic-fixed-point")).toThrow("power of two");
  });

  it("rounds up into the next octave where the fraction does", () => {
    const justBelowOne = 1 - 2 ** -20;
    expect(nearestRequantization(justBelowOne, "int8")).toEqual({ multiplier: 16_384, shift: 14 });
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** -40, 2 ** 20])(
    "refuses %d",
    (scale) => {
      expect(() => requantizationOf([scale], "int8")).toThrow("assertion failed");
    },
  );
});

describe("saturation", () => {
  it("keeps what fits and stops at the ends", () => {
    expect([-129, -128, 0, 127, 128].map(saturateInt8)).toEqual([-128, -128, 0, 127, 127]);
    expect([-32_769, -32_768, 5, 32_767, 32_768].map(saturateInt16)).toEqual([
      -32_768, -32_768, 5, 32_767, 32_767,
    ]);
  });
});
