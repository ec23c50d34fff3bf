/**
 * Novelty: is this window like any that the student was trained on? And is the stream?
 *
 * Confidence does not see a turned collar; the student's own pooled features do. Per class a
 * diagonal Gaussian; of the smallest Mahalanobis distance the logarithm, standardised, goes into a
 * one-sided CUSUM (Page, Biometrika 41, 1954): quick on a lasting shift, deaf to single outliers.
 * Integers only; distances are Q8, clipped so that no sum leaves 31 bits.
 */

import type { NoveltyGate } from "./gate-parameters.ts";
import { log2Q8 } from "./margins.ts";

/** One term of a distance, Q8: 4096 variances, so that 256 features stay below 2^29. */
const TERM_LIMIT_Q8 = 1 << 20;
/** The CUSUM stops at twice its threshold, so that it can come down again, and fits 16 bits. */
export const CUSUM_LIMIT_Q8 = 65535;

export type Novelty = {
  readonly nearestClass: number;
  /** log2 of the smallest squared Mahalanobis distance, Q8. */
  readonly logDistanceQ8: number;
  /** The same, standardised over unshifted windows and clipped, Q8. */
  readonly standardisedQ8: number;
};

export function noveltyOf(gate: NoveltyGate, features: Int8Array): Novelty {
  let nearestClass = 0;
  let smallest = 0x7fffffff;
  for (let c = 0; c < gate.centresQ8.length; c++) {
    const distance = distanceQ8(gate, c, features);
    if (distance < smallest) {
      smallest = distance;
      nearestClass = c;
    }
  }
  const logDistanceQ8 = log2Q8(smallest);
  const away = logDistanceQ8 - (gate.centresQ8[nearestClass] as number);
  const standardised = (away * (gate.inverseSpreadsQ8[nearestClass] as number)) >> 8;
  return {
    nearestClass,
    logDistanceQ8,
    standardisedQ8: Math.max(-gate.clipQ8, Math.min(gate.clipQ8, standardised)),
  };
}

/** Squared Mahalanobis distance of features to one class, Q8. */
function distanceQ8(gate: NoveltyGate, classIndex: number, features: Int8Array): number {
  const base = classIndex * gate.features;
  let sum = 0;
  for (let f = 0; f < gate.features; f++) {
    const away = ((features[f] as number) << 2) - (gate.meansQ2[base + f] as number);
    // Squared steps: at most 1020^2 / 16 = 2^16; times 2^14 stays below 2^30.
    const term = (((away * away) >> 4) * (gate.precisionsQ12[base + f] as number)) >> 4;
    sum += Math.min(term, TERM_LIMIT_Q8);
  }
  return sum;
}

/** The CUSUM after one more window, and the alarm: up at the threshold, down at half of it. */
export function accumulate(
  gate: NoveltyGate,
  before: { readonly cusumQ8: number; readonly alarm: boolean },
  standardisedQ8: number,
): { readonly cusumQ8: number; readonly alarm: boolean } {
  const limit = Math.min(2 * gate.thresholdQ8, CUSUM_LIMIT_Q8);
  const raised = before.cusumQ8 + standardisedQ8 - gate.slackQ8;
  const cusumQ8 = Math.max(0, Math.min(limit, raised));
  const alarm = before.alarm ? 2 * cusumQ8 > gate.thresholdQ8 : cusumQ8 >= gate.thresholdQ8;
  return { cusumQ8, alarm };
}
