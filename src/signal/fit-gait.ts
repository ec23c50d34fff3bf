/**
 * Fits a gait: the part of a signal that repeats itself stride by stride, as a Fourier series whose
 * frequency differs a little from visit to visit.
 *
 * The period is where the autocorrelation of the three axes together peaks; coefficients come from
 * least squares over short stretches, turned in phase until the stretches agree.
 */

import type { EmulatorState } from "./emulator-parameters.ts";
import { AXES } from "./recordings.ts";
import { solvePositive } from "./small-matrices.ts";

export type Gait = NonNullable<EmulatorState["gait"]>;

const SHORTEST_PERIOD_SECONDS = 0.35;
const LONGEST_PERIOD_SECONDS = 1.8;
/** A stretch holds this much signal, or the visit if that is shorter. */
const STRETCH_SECONDS = 4;
/** Below this autocorrelation a signal does not repeat itself well enough to be called a gait. */
const LEAST_REPETITION = 0.45;
const MOST_HARMONICS = 8;
/** Phases tried when stretches are turned to agree. */
const PHASES = 72;
const ROUNDS = 4;

type Stretch = {
  readonly rows: Float64Array;
  readonly visit: number;
  readonly hertz: number;
  /** Per harmonic: cosine and sine for x, y, z. */
  readonly coefficients: readonly (readonly number[])[];
};

/**
 * @param visits each `[time][axis]`, centred, milli-g
 * @returns the gait, null where there is none, and what it leaves of each visit
 */
export function fitGait(
  visits: readonly Float64Array[],
  rateHz: number,
): { readonly gait: Gait | null; readonly rest: readonly Float64Array[] } {
  const repetition = meanAutocorrelation(visits, rateHz);
  const period = bestPeriod(repetition, rateHz);
  if (period === null || period.height < LEAST_REPETITION) return { gait: null, rest: visits };
  // Harmonics end a little below the Nyquist rate.
  const harmonics = Math.max(1, Math.min(MOST_HARMONICS, Math.floor(0.45 * period.lag)));
  const stretches = cutStretches(visits, rateHz).map((stretch) =>
    fitStretch(stretch, rateHz, rateHz / period.lag, harmonics),
  );
  if (stretches.length === 0) return { gait: null, rest: visits };
  const aligned = alignPhases(stretches);
  const mean = meanCoefficients(aligned);
  const logs = stretches.map((stretch) => Math.log(stretch.hertz));
  const logHertz = average(logs);
  const gait: Gait = {
    logHertz,
    logHertzSpread: Math.sqrt(average(logs.map((log) => (log - logHertz) ** 2))),
    phaseWander: phaseWander(stretches),
    harmonics: mean,
    harmonicSpread: mean.map((own, h) =>
      Math.sqrt(
        average(
          aligned.map((stretch) =>
            average(own.map((value, i) => ((stretch[h]?.[i] ?? 0) - value) ** 2)),
          ),
        ),
      ),
    ),
  };
  return { gait, rest: stretches.map((stretch) => withoutGait(stretch, rateHz)) };
}

/** Autocorrelation of the axes together at each lag, averaged over visits by their length. */
function meanAutocorrelation(visits: readonly Float64Array[], rateHz: number): Float64Array {
  const lags = Math.ceil(LONGEST_PERIOD_SECONDS * rateHz) + 2;
  const shared = new Float64Array(lags);
  const power = new Float64Array(lags);
  for (const visit of visits) {
    for (let lag = 0; lag < lags; lag++) {
      const shift = lag * AXES;
      for (let i = 0; i + shift < visit.length; i++) {
        const a = visit[i] as number;
        const b = visit[i + shift] as number;
        shared[lag] = (shared[lag] as number) + a * b;
        power[lag] = (power[lag] as number) + (a * a + b * b) / 2;
      }
    }
  }
  return shared.map((value, lag) => value / ((power[lag] as number) || 1));
}

/** The earliest peak that comes within a tenth of the highest: a stride, not two of them. */
function bestPeriod(
  correlation: Float64Array,
  rateHz: number,
): { readonly lag: number; readonly height: number } | null {
  const first = Math.max(2, Math.floor(SHORTEST_PERIOD_SECONDS * rateHz));
  const peaks: { lag: number; height: number }[] = [];
  for (let lag = first; lag < correlation.length - 1; lag++) {
    const [before, here, after] = [lag - 1, lag, lag + 1].map((at) => correlation[at] as number);
    if (before === undefined || here === undefined || after === undefined) continue;
    if (here < before || here < after) continue;
    const curve = before - 2 * here + after;
    const shift = curve === 0 ? 0 : (0.5 * (before - after)) / curve;
    peaks.push({ lag: lag + shift, height: here });
  }
  const highest = Math.max(0, ...peaks.map((peak) => peak.height));
  return peaks.find((peak) => peak.height >= 0.9 * highest) ?? null;
}

function cutStretches(
  visits: readonly Float64Array[],
  rateHz: number,
): readonly { readonly rows: Float64Array; readonly visit: number }[] {
  const length = Math.round(STRETCH_SECONDS * rateHz) * AXES;
  const least = Math.round(LONGEST_PERIOD_SECONDS * rateHz) * AXES;
  return visits.flatMap((visit, index) => {
    const stretches: { rows: Float64Array; visit: number }[] = [];
    for (let at = 0; at + least <= visit.length; at += length) {
      const end = visit.length - at - length < least ? visit.length : at + length;
      stretches.push({ rows: visit.subarray(at, end), visit: index });
      if (end === visit.length) break;
    }
    return stretches;
  });
}

/** Least squares at the frequency near the common one that leaves the least. */
function fitStretch(
  stretch: { readonly rows: Float64Array; readonly visit: number },
  rateHz: number,
  commonHertz: number,
  harmonics: number,
): Stretch {
  let best: Stretch | null = null;
  let bestPower = -1;
  for (let step = -12; step <= 12; step++) {
    const hertz = commonHertz * (1 + step * 0.02);
    if (hertz * harmonics > rateHz * 0.49) continue;
    const { coefficients, explained } = fitHarmonics(stretch.rows, rateHz, hertz, harmonics);
    if (explained > bestPower) {
      bestPower = explained;
      best = { ...stretch, hertz, coefficients };
    }
  }
  return best ?? { ...stretch, hertz: commonHertz, coefficients: [] };
}

function fitHarmonics(
  rows: Float64Array,
  rateHz: number,
  hertz: number,
  harmonics: number,
): { readonly coefficients: number[][]; readonly explained: number } {
  const size = harmonics * 2;
  const count = rows.length / AXES;
  const products = new Float64Array(size * size);
  const right = new Float64Array(size * AXES);
  const waves = new Float64Array(size);
  for (let t = 0; t < count; t++) {
    fillWaves(waves, (2 * Math.PI * hertz * t) / rateHz);
    for (let i = 0; i < size; i++) {
      const wave = waves[i] as number;
      for (let j = 0; j < size; j++) {
        products[i * size + j] = (products[i * size + j] as number) + wave * (waves[j] as number);
      }
      for (let axis = 0; axis < AXES; axis++) {
        const cell = i * AXES + axis;
        right[cell] = (right[cell] as number) + wave * (rows[t * AXES + axis] as number);
      }
    }
  }
  for (let i = 0; i < size; i++) {
    products[i * size + i] = (products[i * size + i] as number) + 0.01 * count;
  }
  const solution = solvePositive(products, right, size, AXES);
  const explained = solution.reduce((sum, value, i) => sum + value * (right[i] as number), 0);
  const coefficients = Array.from({ length: harmonics }, (_, h) =>
    Array.from({ length: AXES * 2 }, (_, i) => {
      const wave = h * 2 + (i % 2);
      return solution[wave * AXES + Math.floor(i / 2)] as number;
    }),
  );
  return { coefficients, explained };
}

function fillWaves(waves: Float64Array, phase: number): void {
  for (let i = 0; i < waves.length; i += 2) {
    waves[i] = Math.cos(phase * (i / 2 + 1));
    waves[i + 1] = Math.sin(phase * (i / 2 + 1));
  }
}

/** Turns every stretch in phase to agree with the mean of all, some rounds over. */
function alignPhases(stretches: readonly Stretch[]): readonly (readonly (readonly number[])[])[] {
  let aligned = stretches.map((stretch) => stretch.coefficients);
  // The strongest stretch leads at first: the mean of unaligned ones is nearly nothing.
  let lead = aligned.reduce((a, b) => (strength(b) > strength(a) ? b : a));
  for (let round = 0; round < ROUNDS; round++) {
    aligned = aligned.map((coefficients) => {
      let best = coefficients;
      let bestFit = Number.NEGATIVE_INFINITY;
      for (let p = 0; p < PHASES; p++) {
        const turned = shiftPhase(coefficients, (2 * Math.PI * p) / PHASES);
        const fit = innerProduct(turned, lead);
        if (fit > bestFit) {
          bestFit = fit;
          best = turned;
        }
      }
      return best;
    });
    lead = meanCoefficients(aligned);
  }
  return aligned;
}

function shiftPhase(
  coefficients: readonly (readonly number[])[],
  phase: number,
): readonly (readonly number[])[] {
  return coefficients.map((own, h) => {
    const cos = Math.cos(phase * (h + 1));
    const sin = Math.sin(phase * (h + 1));
    return own.map((value, i) => {
      const other = own[i ^ 1] ?? 0;
      return i % 2 === 0 ? value * cos + other * sin : value * cos - other * sin;
    });
  });
}

function meanCoefficients(all: readonly (readonly (readonly number[])[])[]): number[][] {
  const shape = all[0] ?? [];
  return shape.map((own, h) => own.map((_, i) => average(all.map((one) => one[h]?.[i] ?? 0))));
}

function innerProduct(
  a: readonly (readonly number[])[],
  b: readonly (readonly number[])[],
): number {
  let sum = 0;
  a.forEach((own, h) => {
    own.forEach((value, i) => {
      sum += value * (b[h]?.[i] ?? 0);
    });
  });
  return sum;
}

function strength(coefficients: readonly (readonly number[])[]): number {
  return innerProduct(coefficients, coefficients);
}

/** From how the frequency of one stretch differs from the one before in the same visit: a random
 * walk of the phase by `w` per root second moves a mean frequency over T seconds by `w / 2 pi sqrt T`. */
function phaseWander(stretches: readonly Stretch[]): number {
  const steps: number[] = [];
  stretches.forEach((stretch, i) => {
    const before = stretches[i - 1];
    if (before !== undefined && before.visit === stretch.visit) {
      steps.push((stretch.hertz - before.hertz) ** 2 / 2);
    }
  });
  if (steps.length === 0) return 0;
  return 2 * Math.PI * Math.sqrt(average(steps) * STRETCH_SECONDS) * 0.5;
}

function withoutGait(stretch: Stretch, rateHz: number): Float64Array {
  const rest = stretch.rows.slice();
  const waves = new Float64Array(stretch.coefficients.length * 2);
  for (let at = 0; at < rest.length; at += AXES) {
    fillWaves(waves, (2 * Math.PI * stretch.hertz * (at / AXES)) / rateHz);
    stretch.coefficients.forEach((own, h) => {
      for (let axis = 0; axis < AXES; axis++) {
        const part =
          (own[axis * 2] as number) * (waves[h * 2] as number) +
          (own[axis * 2 + 1] as number) * (waves[h * 2 + 1] as number);
        rest[at + axis] = (rest[at + axis] as number) - part;
      }
    });
  }
  return rest;
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
