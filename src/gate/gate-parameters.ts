/**
 * Everything that a gate knows: thresholds, tables and budgets, all whole numbers.
 *
 * Calibration (`calibrate.ts`) makes them in floating point at the gateway, `gate-bytes.ts` carries
 * them inside the model container, and `decide.ts` only compares and looks up: a node needs no
 * floating point and no softmax. The limits below bound what a container may ask of a node.
 */

import { assert } from "../assert.ts";
import { LIMITS } from "../wire/limits.ts";

/** Probabilities are Q15: 32768 is 1. */
export const ONE_Q15 = 32768;
/** Margins are log2 of the odds of the best class against the second, Q8, cut off at 20 octaves: a
 * difference of probabilities could not tell a thousand to one from a million to one, and
 * thresholds lie there. A threshold one above can never be met. */
export const MARGIN_TOP_Q8 = 5120;
export const NEVER_Q8 = MARGIN_TOP_Q8 + 1;
/** Entries of a confidence table: margins 0, 160, …, 5120, linear in between. */
export const CONFIDENCE_NODES = 33;
export const CONFIDENCE_STEP_Q8 = 160;
/** Times that alarms can double the alarm's threshold. */
export const ALARM_DOUBLINGS = 4;
/** A node of the smallest kind holds these in a few kilobytes. */
export const GATE_LIMITS = {
  exits: 8,
  classes: 64,
  features: 128,
  axes: 8,
  operatingPoints: LIMITS.operatingPoints,
} as const;
/** Of an operating point whose accuracy beside the teacher's nobody has looked at. */
export const UNKNOWN_CENTIPOINTS = -0x8000;

/** How one exit's logits become a decision. */
export type ExitGate = {
  /** log2(e) divided by the temperature, Q8: `2^-(d * this)` is the weight of a class whose logit
   * lies `d` under the best one. 1..65535. */
  readonly inverseTemperatureQ8: number;
  /** Weight of this exit's probabilities in the mean over the exits that have run, 1..255. */
  readonly fusionWeight: number;
  /** The margin from which this exit answers without running the next stage, Q8; `NEVER_Q8`
   * for an exit that always goes on. The last exit always answers. */
  readonly sureMarginQ8: number;
  /** `CONFIDENCE_NODES` entries: chance that the answer is right at that margin, 0..255. */
  readonly confidenceQ8: readonly number[];
};

/** What the windows before say about this one, and what verdicts say about this animal. */
export type FilterGate = {
  /** Chance that the behaviour changes from one window to the next, Q15; `ONE_Q15` forgets all. */
  readonly changeQ15: number;
  /** How far one verdict moves the log odds of the classes, Q8: 256 is a step of one nat for a
   * class that was fully sure and wrong; 0 learns nothing. Up to 1024. */
  readonly adaptQ8: number;
};

/** When an answer is not good enough, and how the threshold is held at the stated share. */
export type OffloadGate = {
  /** Per answered class: a margin below it is unsure, Q8. 0 never offloads. */
  readonly unsureMarginQ8: readonly number[];
  /** Share of windows that may be unsure, 0..65535 for 0..1: what the rate control aims at. */
  readonly targetShareQ16: number;
  /** Step of the rate control per window, margin in Q16; 0 switches it off. */
  readonly rateStepQ16: number;
  /** How far rate control may move the thresholds to either side, Q8. */
  readonly rateLimitQ8: number;
};

/** The hard budget, whatever the reasons: a bucket of tokens, one per offload. */
export type BucketGate = {
  /** Tokens that it holds when full; a new node starts with the reserve. 1..1024. */
  readonly capacityTokens: number;
  /** Windows per new token, Q8; at least 256, which is a token for every window. */
  readonly windowsPerTokenQ8: number;
  /** Tokens that unsure and novel windows must leave, so that audits and bursts find some. */
  readonly reserveTokens: number;
};

/**
 * Novelty: how far a window lies from every class of the training windows, by the features of one
 * exit and the raw means per axis. Classes are Gaussians with one covariance (the form of Lee et
 * al., NeurIPS 2018, arXiv 1807.03888); `whitening` is the inverse of its Cholesky factor, so that
 * a squared Mahalanobis distance is a plain squared distance to a prototype.
 */
export type NoveltyGate = {
  /** Whose features; windows that an earlier exit answered are not judged. */
  readonly exit: number;
  readonly features: number;
  /** Raw means that follow the features, one per axis, in int8 steps; 0 leaves them out. */
  readonly axes: number;
  /** Lower triangle, row after row, Q12; rows and columns are `features + axes`. */
  readonly whiteningQ12: Int16Array;
  /** `[class][feature or axis]`, whitened class means, Q4. */
  readonly prototypesQ4: Int16Array;
  /** log2 of the smallest distance over unshifted windows, Q8, by nearest class. */
  readonly centresQ8: readonly number[];
  /** One over its standard deviation, Q8, by nearest class. */
  readonly inverseSpreadsQ8: readonly number[];
  /** Standardised log distances are clipped to this before they are added up, Q8. */
  readonly clipQ8: number;
  /** CUSUM: what is taken off every window (k) and where the alarm is (h), Q8 standard deviations. */
  readonly slackQ8: number;
  readonly thresholdQ8: number;
  /** Each alarm doubles the threshold and adds 256 to the slack, up to `ALARM_DOUBLINGS` times; so
   * many windows without one take one such step back. A bout that looks odd every day does not
   * alarm every hour. */
  readonly recoveryWindows: number;
  /** One window so far out that it is worth a look of its own, Q8; 32767 for never. */
  readonly novelQ8: number;
};

/** Which windows to offload after an alarm: few, unlike each other, from many bouts. */
export type BurstGate = {
  /** Offloads in one burst; 0 switches bursts off. */
  readonly windows: number;
  /** Windows to let pass after the alarm: the first minutes after it are one bout. */
  readonly delayWindows: number;
  /** A burst that has not found its windows by then ends, in windows after its start. */
  readonly expiryWindows: number;
  /** Windows of one bout, and windows to let pass between two of a burst. */
  readonly perBout: number;
  readonly gapWindows: number;
  /** L1 distance of raw statistics, in int8 steps summed over axes: nearer than this to a window
   * that was taken lately is a repetition. */
  readonly diversity: number;
  /** L1 distance from the running mean of raw statistics at which a new bout has begun. */
  readonly boutChange: number;
};

/** What changes where a node is to offload another share of windows than its gate was released for. */
export type OperatingPoint = {
  /** Share of windows that may be offloaded, 1..65535 for 0..1. */
  readonly targetShareQ16: number;
  /** Accuracy less the teacher's at this share, on calibration's windows, hundredths of a point;
   * `UNKNOWN_CENTIPOINTS` where no teacher was asked. For people: a node does not look at it. */
  readonly overTeacherCentipoints: number;
  /** A margin below it is unsure, whatever the class, Q8. 0 never offloads. */
  readonly unsureMarginQ8: number;
  /** As in `BucketGate`, whose capacity and reserve stay. */
  readonly windowsPerTokenQ8: number;
  /** As in `ExitGate`, one per exit. */
  readonly sureMarginsQ8: readonly number[];
};

export type GateParameters = {
  readonly classes: number;
  readonly exits: readonly ExitGate[];
  readonly filter: FilterGate;
  readonly offload: OffloadGate;
  readonly bucket: BucketGate;
  /** Chance that a window which nothing else chose is offloaded all the same, 0..65535 for 0..1. */
  readonly auditChanceQ16: number;
  readonly novelty: NoveltyGate | null;
  readonly burst: BurstGate;
  /** Other shares that a gateway can move a node to, numbered from 1, least first; none in a
   * container of before there were any. */
  readonly operatingPoints: readonly OperatingPoint[];
};

/** What an entry of the confidence table says before any window has been seen, 0..1: half the
 * octaves that the margin claims, since students claim too much. */
export function expectedConfidence(node: number): number {
  return 1 - 1 / (1 + 2 ** ((node * CONFIDENCE_STEP_Q8) / 512));
}

/**
 * A gate before any calibration: temperature 1, every exit runs, no memory, odds below
 * three to one are unsure, one offload in ten windows at most, one audit in a hundred, no novelty.
 * For tests and for students that nobody has calibrated; a release carries calibrated ones.
 */
export function uncalibratedGate(shape: { exits: number; classes: number }): GateParameters {
  assert(shape.exits >= 1 && shape.exits <= GATE_LIMITS.exits, "a number of exits in limits");
  assert(shape.classes >= 2 && shape.classes <= GATE_LIMITS.classes, "classes in limits");
  const confidenceQ8 = Array.from({ length: CONFIDENCE_NODES }, (_, node) =>
    Math.round(255 * expectedConfidence(node)),
  );
  return {
    classes: shape.classes,
    exits: Array.from({ length: shape.exits }, () => ({
      inverseTemperatureQ8: 369,
      fusionWeight: 1,
      sureMarginQ8: NEVER_Q8,
      confidenceQ8,
    })),
    filter: { changeQ15: ONE_Q15, adaptQ8: 0 },
    offload: {
      unsureMarginQ8: Array.from({ length: shape.classes }, () => 406),
      targetShareQ16: 6554,
      rateStepQ16: 0,
      rateLimitQ8: 0,
    },
    bucket: { capacityTokens: 16, windowsPerTokenQ8: 2560, reserveTokens: 4 },
    auditChanceQ16: 655,
    novelty: null,
    burst: {
      windows: 50,
      delayWindows: 0,
      expiryWindows: 2000,
      perBout: 4,
      gapWindows: 2,
      diversity: 24,
      boutChange: 48,
    },
    operatingPoints: [],
  };
}
