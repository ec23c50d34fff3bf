/**
 * From float weights to int8 rows with one multiplier and shift each.
 *
 * A row (one output channel) has the scale that makes its largest weight the largest integer; the
 * scale is then nudged so that `inputScale * rowScale / outputScale` is exactly a multiplier and
 * shift. So the only errors are those of rounding weights and biases.
 */

import { assert } from "../assert.ts";
import { nearestRequantization, requantizationFactor, type Scheme } from "./requantize.ts";
import type { Requantization } from "./student.ts";

export type FloatRows = {
  /** `[row][column]` */
  readonly weights: ArrayLike<number>;
  readonly bias: ArrayLike<number>;
  /** What one step of the integer input, and of the integer output, is worth. */
  readonly inputScale: number;
  readonly outputScale: number;
};

export type QuantizedRows = {
  /** `[row][column]` */
  readonly weights: Int8Array;
  readonly bias: Int32Array;
  readonly requantization: Requantization;
  /** What one step of each row's accumulator is worth. */
  readonly sumScales: Float64Array;
};

/** Biases stay within this, which leaves the larger part of an int32 to the products. */
export const BIAS_MAX = 2 ** 29;
/** Ratios of scales outside of this range have no multiplier and shift. Above it every output
 * saturates anyway, so that larger weights may saturate too. */
const RATIO_MIN = 2 ** -31;
const RATIO_MAX = 2 ** 12;

/** The largest integer that a weight can be: 127 of 8 bits, 7 of 4. */
export function largestWeight(weightBits: number): number {
  assert(weightBits >= 2 && weightBits <= 8, `${weightBits} bits a weight`);
  return 2 ** (weightBits - 1) - 1;
}

/** What one step of each row's weights is worth: the scales that `quantizeRows` uses. */
export function rowScales(rows: FloatRows, scheme: Scheme, weightBits: number): Float64Array {
  const largest = largestWeight(weightBits);
  const columns = rows.weights.length / rows.bias.length;
  return Float64Array.from({ length: rows.bias.length }, (_, row) => {
    const { factor } = rowRequantization(
      rowOf(rows, row, columns),
      rows.bias[row] as number,
      rows,
      scheme,
      largest,
    );
    return (factor * rows.outputScale) / rows.inputScale;
  });
}

/** `weightBits` in 2..8: 8 gives -127..127. */
export function quantizeRows(rows: FloatRows, scheme: Scheme, weightBits: number): QuantizedRows {
  const count = rows.bias.length;
  const columns = rows.weights.length / count;
  const largest = largestWeight(weightBits);
  const weights = new Int8Array(rows.weights.length);
  const bias = new Int32Array(count);
  const multipliers = new Int16Array(count);
  const shifts = new Uint8Array(count);
  const sumScales = new Float64Array(count);
  for (let row = 0; row < count; row++) {
    const values = rowOf(rows, row, columns);
    const rowBias = rows.bias[row] as number;
    const chosen = rowRequantization(values, rowBias, rows, scheme, largest);
    const rowScale = (chosen.factor * rows.outputScale) / rows.inputScale;
    values.forEach((value, i) => {
      weights[row * columns + i] = nearest(value, rowScale, largest);
    });
    sumScales[row] = rowScale * rows.inputScale;
    bias[row] = nearest(rowBias, sumScales[row] as number, BIAS_MAX);
    multipliers[row] = chosen.multiplier;
    shifts[row] = chosen.shift;
  }
  return { weights, bias, requantization: { multipliers, shifts }, sumScales };
}

function rowOf(rows: FloatRows, row: number, columns: number): number[] {
  return Array.from({ length: columns }, (_, i) => Number(rows.weights[row * columns + i]));
}

type Choice = { readonly multiplier: number; readonly shift: number; readonly factor: number };

function rowRequantization(
  values: readonly number[],
  bias: number,
  rows: FloatRows,
  scheme: Scheme,
  largest: number,
): Choice {
  const peak = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const least = Math.max(RATIO_MIN, Math.abs(bias) / (rows.outputScale * BIAS_MAX));
  const ratio = ((peak / largest) * rows.inputScale) / rows.outputScale;
  if (ratio >= RATIO_MAX || least >= RATIO_MAX) return choice(RATIO_MAX, scheme);
  if (ratio <= least) return choice(2 ** Math.ceil(Math.log2(least)), scheme);
  if (scheme === "int8") return choice(ratio, scheme);
  // Powers of two only: either the next above, or the next below with the largest weights clipped.
  const above = choice(2 ** Math.ceil(Math.log2(ratio)), scheme);
  const below = choice(above.factor / 2, scheme);
  if (below.factor < least) return above;
  const error = (factor: number) => squaredError(values, rows, factor, largest);
  return error(below.factor) < error(above.factor) ? below : above;
}

function choice(ratio: number, scheme: Scheme): Choice {
  const { multiplier, shift } = nearestRequantization(ratio, scheme);
  return { multiplier, shift, factor: requantizationFactor(multiplier, shift) };
}

function squaredError(
  values: readonly number[],
  rows: FloatRows,
  factor: number,
  largest: number,
): number {
  const scale = (factor * rows.outputScale) / rows.inputScale;
  return values.reduce(
    (sum, value) => sum + (value - nearest(value, scale, largest) * scale) ** 2,
    0,
  );
}

function nearest(value: number, scale: number, largest: number): number {
  return Math.max(-largest, Math.min(largest, Math.round(value / scale)));
}

/** `[rows][columns]` to `[columns][rows]`. */
export function transposed<T extends Float32Array | Int8Array>(
  values: T,
  rows: number,
  columns: number,
): T {
  const out = values.slice() as T;
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) out[c * rows + r] = values[r * columns + c] as number;
  }
  return out;
}
