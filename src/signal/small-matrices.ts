/** The little linear algebra that fitting needs: dense, row-major, for tens of rows, not more. */

import { assert } from "../assert.ts";

/**
 * Cholesky's factor: lower `L` with `L * L' = matrix`, for a symmetric `[size][size]` matrix. A
 * pivot that rounding made zero or negative becomes a zero column, so that semidefinite matrices
 * (an axis that never moved) pass.
 */
export function cholesky(matrix: Float64Array, size: number): Float64Array {
  assert(matrix.length === size * size, "a square matrix");
  const lower = new Float64Array(size * size);
  for (let column = 0; column < size; column++) {
    let pivot = matrix[column * size + column] as number;
    for (let k = 0; k < column; k++) pivot -= (lower[column * size + k] as number) ** 2;
    const root = pivot > 0 ? Math.sqrt(pivot) : 0;
    lower[column * size + column] = root;
    for (let row = column + 1; row < size; row++) {
      let value = matrix[row * size + column] as number;
      for (let k = 0; k < column; k++) {
        value -= (lower[row * size + k] as number) * (lower[column * size + k] as number);
      }
      lower[row * size + column] = root === 0 ? 0 : value / root;
    }
  }
  return lower;
}

/**
 * Solves `matrix * x = right` for a symmetric positive definite matrix and several right sides.
 *
 * @param right `[size][columns]`
 * @returns `[size][columns]`
 */
export function solvePositive(
  matrix: Float64Array,
  right: Float64Array,
  size: number,
  columns: number,
): Float64Array {
  const lower = cholesky(matrix, size);
  const x = right.slice();
  for (let column = 0; column < columns; column++) {
    for (let row = 0; row < size; row++) {
      let value = x[row * columns + column] as number;
      for (let k = 0; k < row; k++) {
        value -= (lower[row * size + k] as number) * (x[k * columns + column] as number);
      }
      const pivot = lower[row * size + row] as number;
      x[row * columns + column] = pivot === 0 ? 0 : value / pivot;
    }
    for (let row = size - 1; row >= 0; row--) {
      let value = x[row * columns + column] as number;
      for (let k = row + 1; k < size; k++) {
        value -= (lower[k * size + row] as number) * (x[k * columns + column] as number);
      }
      const pivot = lower[row * size + row] as number;
      x[row * columns + column] = pivot === 0 ? 0 : value / pivot;
    }
  }
  return x;
}

/** Mean of rows `[count][size]`. */
export function meanOfRows(rows: Float64Array, size: number): Float64Array {
  const mean = new Float64Array(size);
  const count = rows.length / size;
  rows.forEach((value, i) => {
    mean[i % size] = (mean[i % size] as number) + value / count;
  });
  return mean;
}

/** Covariance of rows `[count][size]` about a centre, divided by the count: `[size][size]`. */
export function covarianceOfRows(
  rows: Float64Array,
  size: number,
  centre: ArrayLike<number> = meanOfRows(rows, size),
): Float64Array {
  const covariance = new Float64Array(size * size);
  const count = rows.length / size;
  for (let at = 0; at < rows.length; at += size) {
    for (let i = 0; i < size; i++) {
      const left = ((rows[at + i] as number) - (centre[i] as number)) / count;
      for (let j = 0; j < size; j++) {
        const cell = i * size + j;
        const product = left * ((rows[at + j] as number) - (centre[j] as number));
        covariance[cell] = (covariance[cell] as number) + product;
      }
    }
  }
  return covariance;
}
