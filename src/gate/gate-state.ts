/**
 * What a gate remembers between two windows: a few hundred bytes, whole numbers only.
 *
 * It is a value: `decide.ts` returns a new one. It survives a restart (JSON as it stands, or the
 * bytes of `encodeGateState`), since a budget that a reboot refills is no budget.
 */

import type { GateParameters } from "./gate-parameters.ts";
import { fullBucketQ8, pointOf } from "./operating-points.ts";

/** Windows whose raw statistics a burst compares against. */
export const REMEMBERED_WINDOWS = 12;
/** Offloads whose verdict may still come; older ones no longer teach the gate. */
export const PENDING_LIMIT = 16;

export type BurstState = {
  /** Offloads still to find; 0 when no burst is on. */
  readonly left: number;
  /** Windows since it was called for. */
  readonly ageWindows: number;
  readonly sinceLastWindows: number;
  readonly takenInBout: number;
  /** Raw statistics `[2 * axes]` of the windows taken last, newest first. */
  readonly taken: readonly (readonly number[])[];
};

export type DriftState = {
  /** CUSUM of novelty, Q8 standard deviations, 0..65535. */
  readonly cusumQ8: number;
  /** On from the threshold up, until the sum has fallen to half of it. */
  readonly alarm: boolean;
  /** Times that the threshold is doubled now, and windows since the last alarm or halving. */
  readonly doublings: number;
  readonly calmWindows: number;
};

export const NO_DRIFT: DriftState = { cusumQ8: 0, alarm: false, doublings: 0, calmWindows: 0 };

export type PendingOffload = {
  readonly windowIndex: number;
  readonly classIndex: number;
  /** What the exits gave that class, before the filter, 0..255. */
  readonly probabilityQ8: number;
};

export type GateState = {
  /** Windows judged since the state began; stops at 2^31 - 1. */
  readonly windows: number;
  /** Level of the token bucket in windows, Q8. */
  readonly levelQ8: number;
  /** What rate control has added to the unsure thresholds, Q23. */
  readonly rateOffsetQ16: number;
  /** The audit chance now: the release's, until a setting changes it. */
  readonly auditChanceQ16: number;
  /** The share of windows that the gateway wants this node to offload, 0..65535 for 0..1, by which
   * its operating point is found; 0 for the gate as it was released. */
  readonly operatingShareQ16: number;
  readonly drift: DriftState;
  /** Chance of each behaviour after the last window, Q15; empty before the first one. */
  readonly beliefQ15: readonly number[];
  /** What verdicts have added to the log2 odds of each class for this animal, Q8; empty for
   * nothing. */
  readonly biasQ8: readonly number[];
  /** Index of the last window, by which a verdict or a gap is placed. */
  readonly lastWindowIndex: number;
  /** Running mean of raw statistics, Q4, `[2 * axes]`, by which bouts are told apart; and for how
   * many windows in a row they have been elsewhere. */
  readonly boutMeansQ4: readonly number[];
  readonly boutAwayWindows: number;
  readonly burst: BurstState;
  /** Share of trusted verdicts that agreed with the student, 0..65535, moving by 1/32. */
  readonly agreementQ16: number;
  readonly verdicts: number;
  /** The last offloads that wait for a verdict, newest first. */
  readonly pending: readonly PendingOffload[];
};

/** A new node begins with its reserve: enough for an alarm, not a windfall for every doubt. */
export function initialGateState(parameters: GateParameters): GateState {
  return {
    windows: 0,
    levelQ8: parameters.bucket.reserveTokens * parameters.bucket.windowsPerTokenQ8,
    rateOffsetQ16: 0,
    auditChanceQ16: parameters.auditChanceQ16,
    operatingShareQ16: 0,
    drift: NO_DRIFT,
    beliefQ15: [],
    biasQ8: [],
    lastWindowIndex: 0,
    boutMeansQ4: [],
    boutAwayWindows: 0,
    burst: { left: 0, ageWindows: 0, sinceLastWindows: 0, takenInBout: 0, taken: [] },
    agreementQ16: 65535,
    verdicts: 0,
    pending: [],
  };
}

/** The state under a new release: novelty and thresholds begin afresh, the budget does not, and what
 * share is wanted stays so. */
export function carryGateState(parameters: GateParameters, before: GateState): GateState {
  const { operatingShareQ16, levelQ8 } = before;
  return withinBucket(parameters, { ...initialGateState(parameters), operatingShareQ16, levelQ8 });
}

/** The state with no more in the bucket than it holds at its operating point. */
export function withinBucket(parameters: GateParameters, state: GateState): GateState {
  const full = fullBucketQ8(parameters, pointOf(parameters, state));
  return state.levelQ8 <= full ? state : { ...state, levelQ8: full };
}
