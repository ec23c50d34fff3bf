/**
 * Fits one state of the emulator from the stretches of signal that belong to it: how its mean and
 * strength differ from visit to visit, a gait where the signal repeats itself, and a vector
 * autoregression with Student-t innovations for what is left.
 */

import { assert } from "../assert.ts";
import type { EmulatorState } from "./emulator-parameters.ts";
import { fitGait } from "./fit-gait.ts";
import { AXES } from "./recordings.ts";
import { cholesky, covarianceOfRows, meanOfRows, solvePositive } from "./small-matrices.ts";

/** Keeps the autoregression's roots this far inside the unit circle. */
const LARGEST_ROOT = 0.985;
/** A ridge on the normal equations, as a share of their mean diagonal. */
const RIDGE = 1e-3;
/** Innovations never get quieter than a sensor's own noise, milli-g. */
const NOISE_FLOOR = 1;

export type FitOptions = { readonly rateHz: number; readonly lags: number };

/** @param visits each `[time][axis]`, milli-g: one uninterrupted visit to the state */
export function fitState(visits: readonly Float64Array[], options: FitOptions): EmulatorState {
  assert(visits.length > 0, "a state was visited");
  const means = visits.map((visit) => meanOfRows(visit, AXES));
  const mean = weightedMean(visits, means);
  const centred = visits.map((visit, i) => centre(visit, means[i] ?? mean));
  const { gait, rest } = fitGait(centred, options.rateHz);
  const lags = stable(fitLags(rest, options.lags), options.lags);
  const { innovation, strengthSpread, tailDegrees } = fitInnovations(rest, lags);
  return {
    mean: [...mean],
    meanSpread: triangle(
      cholesky(covarianceOfRows(Float64Array.from(means.flatMap((m) => [...m])), AXES, mean), AXES),
    ),
    lags: lags.map((lag) => [...lag]),
    innovation,
    tailDegrees,
    strengthSpread,
    ...(gait === null ? {} : { gait }),
  };
}

function weightedMean(
  visits: readonly Float64Array[],
  means: readonly Float64Array[],
): Float64Array {
  const total = visits.reduce((sum, visit) => sum + visit.length, 0);
  const mean = new Float64Array(AXES);
  means.forEach((own, i) => {
    const share = (visits[i]?.length ?? 0) / total;
    for (let axis = 0; axis < AXES; axis++) {
      mean[axis] = (mean[axis] as number) + share * (own[axis] as number);
    }
  });
  return mean;
}

function centre(rows: Float64Array, mean: Float64Array): Float64Array {
  return rows.map((value, i) => value - (mean[i % AXES] as number));
}

/** Least squares over all visits: one 3x3 matrix per lag. */
function fitLags(visits: readonly Float64Array[], lags: number): Float64Array[] {
  const size = lags * AXES;
  const products = new Float64Array(size * size);
  const right = new Float64Array(size * AXES);
  const past = new Float64Array(size);
  for (const visit of visits) {
    for (let at = size; at < visit.length; at += AXES) {
      for (let k = 0; k < size; k++) {
        past[k] = visit[at - (Math.floor(k / AXES) + 1) * AXES + (k % AXES)] as number;
      }
      for (let i = 0; i < size; i++) {
        const left = past[i] as number;
        for (let j = 0; j < size; j++) {
          products[i * size + j] = (products[i * size + j] as number) + left * (past[j] as number);
        }
        for (let axis = 0; axis < AXES; axis++) {
          right[i * AXES + axis] =
            (right[i * AXES + axis] as number) + left * (visit[at + axis] as number);
        }
      }
    }
  }
  let trace = 0;
  for (let i = 0; i < size; i++) trace += products[i * size + i] as number;
  for (let i = 0; i < size; i++) {
    products[i * size + i] = (products[i * size + i] as number) + (RIDGE * trace) / size + 1e-6;
  }
  const solution = solvePositive(products, right, size, AXES);
  return Array.from({ length: lags }, (_, lag) =>
    Float64Array.from({ length: AXES * AXES }, (_, cell) => {
      const row = Math.floor(cell / AXES);
      return solution[(lag * AXES + (cell % AXES)) * AXES + row] as number;
    }),
  );
}

/** Shrinks all roots by one factor where the largest lies outside (bandwidth expansion). */
function stable(lags: readonly Float64Array[], count: number): Float64Array[] {
  const root = largestRoot(lags, count);
  const factor = root > LARGEST_ROOT ? LARGEST_ROOT / root : 1;
  return lags.map((lag, k) => lag.map((value) => value * factor ** (k + 1)));
}

/** The spectral radius of the companion matrix, from the growth of its powers on one vector. */
function largestRoot(lags: readonly Float64Array[], count: number): number {
  let state = Float64Array.from({ length: count * AXES }, (_, i) => 1 + (i % 7) / 7);
  let logGrowth = 0;
  const settling = 100;
  const steps = 500;
  for (let step = 0; step < steps; step++) {
    const next = new Float64Array(state.length);
    lags.forEach((lag, k) => {
      for (let cell = 0; cell < AXES * AXES; cell++) {
        const row = Math.floor(cell / AXES);
        next[row] =
          (next[row] as number) +
          (lag[cell] as number) * (state[k * AXES + (cell % AXES)] as number);
      }
    });
    next.set(state.subarray(0, state.length - AXES), AXES);
    const length = Math.hypot(...next);
    if (length === 0) return 0;
    if (step >= settling) logGrowth += Math.log(length);
    state = next.map((value) => value / length);
  }
  return Math.exp(logGrowth / (steps - settling));
}

function fitInnovations(
  visits: readonly Float64Array[],
  lags: readonly Float64Array[],
): Pick<EmulatorState, "innovation" | "strengthSpread" | "tailDegrees"> {
  const residuals = visits
    .map((visit) => residualRows(visit, lags))
    .filter((rows) => rows.length > 0);
  const logs = residuals.map((rows) => 0.5 * Math.log(meanSquare(rows) + NOISE_FLOOR ** 2));
  const { mean: logMean, variance } = weightedMoments(
    logs,
    residuals.map((rows) => rows.length),
  );
  // A visit's strength is itself estimated from few numbers; that part of the spread is not its own.
  const rowsPerVisit = residuals.reduce((sum, rows) => sum + rows.length, 0) / residuals.length;
  const strengthSpread = Math.sqrt(Math.max(0, variance - 1 / (2 * rowsPerVisit)));
  const normed = residuals.map((rows, i) => {
    const scale = Math.exp(logMean - (logs[i] as number));
    return rows.map((value) => value * scale);
  });
  const all = Float64Array.from(normed.flatMap((rows) => [...rows]));
  if (all.length === 0)
    return { innovation: [1, 0, 1, 0, 0, 1], strengthSpread: 0, tailDegrees: 0 };
  const covariance = covarianceOfRows(all, AXES, [0, 0, 0]);
  for (let axis = 0; axis < AXES; axis++) {
    covariance[axis * 4] = (covariance[axis * 4] as number) + NOISE_FLOOR ** 2 / 4;
  }
  const lower = cholesky(covariance, AXES);
  return { innovation: triangle(lower), strengthSpread, tailDegrees: tailDegreesOf(all, lower) };
}

function residualRows(visit: Float64Array, lags: readonly Float64Array[]): Float64Array {
  const from = lags.length * AXES;
  if (visit.length <= from) return new Float64Array(0);
  const residuals = visit.slice(from);
  for (let at = from; at < visit.length; at += AXES) {
    lags.forEach((lag, k) => {
      for (let cell = 0; cell < AXES * AXES; cell++) {
        const row = at - from + Math.floor(cell / AXES);
        const past = visit[at - (k + 1) * AXES + (cell % AXES)] as number;
        residuals[row] = (residuals[row] as number) - (lag[cell] as number) * past;
      }
    });
  }
  return residuals;
}

/** Student's degrees of freedom from the fourth moment of the Mahalanobis distance: for normal
 * innovations in three axes its mean is 15, for t ones 15 (v - 2) / (v - 4). */
function tailDegreesOf(rows: Float64Array, lower: Float64Array): number {
  const count = rows.length / AXES;
  let fourth = 0;
  for (let at = 0; at < rows.length; at += AXES) {
    let square = 0;
    const white = new Float64Array(AXES);
    for (let row = 0; row < AXES; row++) {
      let value = rows[at + row] as number;
      for (let k = 0; k < row; k++)
        value -= (lower[row * AXES + k] as number) * (white[k] as number);
      white[row] = value / ((lower[row * AXES + row] as number) || 1);
      square += (white[row] as number) ** 2;
    }
    fourth += square ** 2 / count;
  }
  const excess = fourth / 15;
  if (excess < 1.05) return 0;
  return Math.max(4.2, (4 * excess - 2) / (excess - 1));
}

function triangle(lower: Float64Array): number[] {
  return [0, 3, 4, 6, 7, 8].map((cell) => lower[cell] as number);
}

function meanSquare(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value * value, 0) / values.length;
}

function weightedMoments(
  values: readonly number[],
  weights: readonly number[],
): { readonly mean: number; readonly variance: number } {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (total === 0) return { mean: 0, variance: 0 };
  const sumOf = (f: (value: number) => number): number =>
    values.reduce((sum, value, i) => sum + f(value) * ((weights[i] ?? 0) / total), 0);
  const mean = sumOf((value) => value);
  return { mean, variance: sumOf((value) => (value - mean) ** 2) };
}
