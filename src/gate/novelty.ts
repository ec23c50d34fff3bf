/**
 * Novelty: is this window like any that the student was trained on? And is the stream?
 *
 * Confidence does not see a turned collar; the student's own pooled features and the raw means do.
 * Of the smallest Mahalanobis distance to a class the logarithm, standardised, goes into a one-
 * sided CUSUM (Page, Biometrika 41, 1954): quick on a lasting shift, deaf to single outliers.
 * Integers only; distances are clipped so that no sum leaves 31 bits.
 */

import { ALARM_DOUBLINGS } from "./gate-parameters.ts";
import type { NoveltyGate } from "./gate-parameters.ts";
import type { DriftState } from "./gate-state.ts";
import { log2Q8 } from "./margins.ts";
import type { WindowStatistics } from "./window-statistics.ts";

/** One term of a distance, Q8: 4096 variances, so that 136 terms stay below 2^28. */
const TERM_LIMIT_Q8 = 1 << 20;
/** Whitened differences are clipped here before they are squared: 512 standard deviations, Q4. */
const DIFFERENCE_LIMIT_Q4 = 8191;
/** The CUSUM stops at twice its threshold, so that it can come down again, and fits 16 bits. */
const CUSUM_LIMIT_Q8 = 65535;

export type Novelty = {
  readonly nearestClass: number;
  /** log2 of the smallest squared Mahalanobis distance, Q8. */
  readonly logDistanceQ8: number;
  /** The same, standardised over unshifted windows and clipped, Q8. */
  readonly standardisedQ8: number;
};

/** Of one window, from the features of `gate.exit` and the window's raw statistics. */
export function noveltyOf(
  gate: NoveltyGate,
  features: Int8Array,
  statistics: WindowStatistics,
): Novelty {
  const whitened = whiten(gate, features, statistics);
  let nearestClass = 0;
  let smallest = 0x7fffffff;
  for (let c = 0; c < gate.centresQ8.length; c++) {
    const distance = distanceQ8(gate.prototypesQ4, c, whitened);
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

/** Features and raw means times the lower triangle, Q4. */
function whiten(gate: NoveltyGate, features: Int8Array, statistics: WindowStatistics): Int32Array {
  const inputs = gate.features + gate.axes;
  const whitened = new Int32Array(inputs);
  let at = 0;
  for (let row = 0; row < inputs; row++) {
    // At most 136 products of 2^7 and 2^15: below 2^30.
    let sum = 0;
    for (let column = 0; column <= row; column++, at++) {
      const value = column < gate.features ? features[column] : statistics[column - gate.features];
      sum += (gate.whiteningQ12[at] as number) * (value as number);
    }
    whitened[row] = (sum + 128) >> 8;
  }
  return whitened;
}

/** Squared distance to the prototype of one class, Q8. */
function distanceQ8(prototypesQ4: Int16Array, classIndex: number, whitened: Int32Array): number {
  const base = classIndex * whitened.length;
  let sum = 0;
  for (let i = 0; i < whitened.length; i++) {
    const away = Math.abs((whitened[i] as number) - (prototypesQ4[base + i] as number));
    const clipped = Math.min(away, DIFFERENCE_LIMIT_Q4);
    sum += Math.min(clipped * clipped, TERM_LIMIT_Q8);
  }
  return sum;
}

/**
 * The CUSUM after one more window, and the alarm: up at the threshold, down at half of it. Each
 * alarm that has gone by doubles the threshold and adds a standard deviation to the slack for a
 * while, so that what is odd now and then does not alarm for ever; a shift that lasts keeps its
 * alarm on.
 */
export function accumulate(
  gate: NoveltyGate,
  before: DriftState,
  standardisedQ8: number,
): DriftState {
  const thresholdQ8 = Math.min(gate.thresholdQ8 << before.doublings, CUSUM_LIMIT_Q8 >> 1);
  const slackQ8 = gate.slackQ8 + (before.doublings << 8);
  const raised = before.cusumQ8 + standardisedQ8 - slackQ8;
  const cusumQ8 = Math.max(0, Math.min(2 * thresholdQ8, raised));
  const { doublings } = before;
  if (before.alarm) {
    if (2 * cusumQ8 > thresholdQ8) return { cusumQ8, alarm: true, doublings, calmWindows: 0 };
    const doubled = Math.min(doublings + 1, ALARM_DOUBLINGS);
    return { cusumQ8, alarm: false, doublings: doubled, calmWindows: 0 };
  }
  if (cusumQ8 >= thresholdQ8) return { cusumQ8, alarm: true, doublings, calmWindows: 0 };
  if (doublings === 0) return { cusumQ8, alarm: false, doublings, calmWindows: 0 };
  const calmWindows = before.calmWindows + 1;
  if (calmWindows < gate.recoveryWindows) return { cusumQ8, alarm: false, doublings, calmWindows };
  return { cusumQ8, alarm: false, doublings: doublings - 1, calmWindows: 0 };
}
