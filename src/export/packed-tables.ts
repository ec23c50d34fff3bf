/**
 * A student's tables as `deploy/firmware/runtime/bw_kernels_packed.h` wants them.
 *
 * Weights of rows go in pairs of rows and pairs of columns, `[row / 2][column / 2][4]`: row 0 column
 * 0, row 1 column 0, row 0 column 1, row 1 column 1. Rows are filled up to fours and columns to
 * pairs with zeros. One word then feeds two dual multiplications on a Cortex-M4. Everything else
 * stays as the container has it.
 */

import type { Requantization } from "../model/student.ts";

/** Of a matrix, or of depthwise filters, whose weights are not packed. */
export type PackedRows = {
  readonly weights: Int8Array;
  /** With the rows that fill up. */
  readonly biases: Int32Array;
  readonly multipliers: Int16Array;
  readonly shifts: Uint8Array;
  readonly lift: number;
};

/** Rows that the kernels take at once. */
const ROWS = 4;
/** `BW_SCALE` of the kernels: m * 2^(32-s) fits an int32, and s - 16 is a shift. */
const SHIFTS = { least: 17, most: 32 };
const INT32_MAX = 0x7fff_ffff;
/** `BW_WIDE` of the kernels: 64-bit products. */
export const WIDE = -1;

export type Matrix = {
  /** `[row][column]` */
  readonly weights: Int8Array;
  readonly bias: Int32Array;
  readonly requantization: Requantization;
  /** The largest magnitude of an input: 128, or 32,768 of a state. */
  readonly inputMagnitude: number;
};

export function packRows({ weights, bias, requantization, inputMagnitude }: Matrix): PackedRows {
  const rows = bias.length;
  const columns = weights.length / rows;
  const pairs = Math.ceil(columns / 2);
  const paddedRows = Math.ceil(rows / ROWS) * ROWS;
  const packed = new Int8Array(paddedRows * 2 * pairs);
  const largest = Float64Array.from(bias, Math.abs);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const word = (row >> 1) * pairs + (column >> 1);
      const byte = 2 * (column & 1) + (row & 1);
      const weight = weights[row * columns + column] as number;
      packed[4 * word + byte] = weight;
      largest[row] = (largest[row] as number) + Math.abs(weight) * inputMagnitude;
    }
  }
  return {
    weights: packed,
    biases: padded(bias, new Int32Array(paddedRows)),
    multipliers: padded(requantization.multipliers, new Int16Array(paddedRows)),
    shifts: padded(requantization.shifts, new Uint8Array(paddedRows)),
    lift: liftOf(requantization.shifts, largest),
  };
}

/** How far sums must be shifted left so that every rescaling is a 32-bit one; `WIDE` where that
 * cannot be. `largest` are the sums' magnitudes at most, row by row. */
export function liftOf(shifts: Uint8Array, largest: ArrayLike<number>): number {
  const lift = Math.max(0, SHIFTS.least - Math.min(...shifts));
  const fits = shifts.every(
    (shift, row) =>
      shift + lift <= SHIFTS.most && (largest[row] as number) * 2 ** lift <= INT32_MAX,
  );
  return fits ? lift : WIDE;
}

function padded<T extends Int32Array | Int16Array | Uint8Array>(values: T, into: T): T {
  into.set(values);
  return into;
}
