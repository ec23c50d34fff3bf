/**
 * Requantization: the one rounding rule that every engine shares.
 *
 * `y = (acc * m + 2^(s-1)) >> s`, m a whole number in 16384..32767, s in 1..46: multiply by
 * `m * 2^-s` and round half up, once. It is bit-identical to TFLite's single rounding.
 *
 * Why doubles are exact here. An accumulator is an int32, so |acc| <= 2^31 and |acc * m| < 2^46.
 * `factor = m * 2^-s` is a 15-bit number times a power of two, hence exact; `acc * factor` is a
 * 46-bit number times 2^-s, hence exact; adding 1/2 needs bits from 2^46 down to 2^-s in steps of
 * 2^-s, at most 47 of them as s <= 46, hence exact. Only `floor` drops bits. A double holds 53.
 */

import { assert } from "../assert.ts";
import type { Requantization } from "./student.ts";

export const MULTIPLIER_MIN = 16_384;
export const MULTIPLIER_MAX = 32_767;
export const SHIFT_MIN = 1;
export const SHIFT_MAX = 46;

/** `int8` uses any multiplier; `dynamic-fixed-point` only 16384, which makes every rescaling a pure
 * shift (Courbariaux et al., arXiv 1412.7024; on collars, arXiv 2209.04130). */
export type Scheme = "int8" | "dynamic-fixed-point";

/** `m * 2^-s`, exactly. */
export function requantizationFactor(multiplier: number, shift: number): number {
  return multiplier / 2 ** shift;
}

/** One factor per entry, for loops that requantize many accumulators. */
export function requantizationFactors(requantization: Requantization): Float64Array {
  return Float64Array.from(requantization.multipliers, (multiplier, i) =>
    requantizationFactor(multiplier, requantization.shifts[i] as number),
  );
}

/** The rule, for an int32 accumulator and a factor made by `requantizationFactor`. The result may
 * lie outside of the target type: saturate it. */
export function requantize(accumulator: number, factor: number): number {
  return Math.floor(accumulator * factor + 0.5);
}

export function saturateInt8(value: number): number {
  return Math.max(-128, Math.min(127, value));
}

export function saturateInt16(value: number): number {
  return Math.max(-32_768, Math.min(32_767, value));
}

/** The nearest multiplier and shift to a positive scale. The relative error is at most 2^-15 with
 * `int8`; with `dynamic-fixed-point` the scale must be a power of two already. */
export function nearestRequantization(
  scale: number,
  scheme: Scheme,
): { readonly multiplier: number; readonly shift: number } {
  assert(scale > 0 && Number.isFinite(scale), `a scale is positive: ${scale}`);
  let exponent = Math.floor(Math.log2(scale)) + 1;
  // `log2` may be off by one unit beside a power of two; the fraction must lie in [1/2, 1).
  while (scale >= 2 ** exponent) exponent++;
  while (scale < 2 ** (exponent - 1)) exponent--;
  let multiplier = Math.round((scale / 2 ** exponent) * 32_768);
  if (multiplier > MULTIPLIER_MAX) {
    multiplier = MULTIPLIER_MIN;
    exponent++;
  }
  const shift = 15 - exponent;
  assert(shift >= SHIFT_MIN && shift <= SHIFT_MAX, `shift ${shift} of scale ${scale} in range`);
  assert(
    scheme === "int8" || multiplier === MULTIPLIER_MIN,
    `${scale} is a power of two, as dynamic fixed point asks`,
  );
  return { multiplier, shift };
}

/** One nearest multiplier and shift per scale. */
export function requantizationOf(scales: ArrayLike<number>, scheme: Scheme): Requantization {
  const multipliers = new Int16Array(scales.length);
  const shifts = new Uint8Array(scales.length);
  for (let i = 0; i < scales.length; i++) {
    const { multiplier, shift } = nearestRequantization(scales[i] as number, scheme);
    multipliers[i] = multiplier;
    shifts[i] = shift;
  }
  return { multipliers, shifts };
}
