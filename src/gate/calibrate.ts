/**
 * Calibration: from recordings that a student has not been trained on to the gate it ships with.
 *
 * Every threshold is solved for something that a person can state: the share of windows that may be
 * offloaded or the accuracy to reach, what early exits may cost, how many false alarms a day. It
 * works in floating point, at the gateway; what it returns is whole numbers.
 */

import { assert } from "../assert.ts";
import type { LoadedStudent } from "../engine/engine.ts";
import { prng } from "../prng.ts";
import type { Augmentation } from "../signal/augment.ts";
import type { WindowSet } from "../signal/window-set.ts";
import { pickWindows } from "../signal/window-set.ts";
import type { Belief } from "./belief.ts";
import { recordExits } from "./exit-records.ts";
import type { AlarmRate } from "./false-alarms.ts";
import { fitAlarm } from "./false-alarms.ts";
import {
  answersOf,
  fitConfidence,
  fitChange,
  fitFusion,
  fitTemperature,
} from "./fit-confidence.ts";
import { fitBurst } from "./fit-burst.ts";
import { fitNovelty } from "./fit-novelty.ts";
import { MARGIN_TOP_Q8, NEVER_Q8, ONE_Q15 } from "./gate-parameters.ts";
import type { ExitGate, GateParameters, NoveltyGate } from "./gate-parameters.ts";
import { boutNovelties, noveltySamples, turnedViews } from "./novelty-samples.ts";
import { randomBoutOrder } from "./bout-order.ts";

/** What the offloads are to achieve. */
export type GateTarget =
  /** Offload this share of windows, 0..1. */
  | { readonly kind: "offload-share"; readonly share: number }
  /** Offload as few as keep the accuracy within so many points (hundredths) of the teacher's. */
  | { readonly kind: "points-below-teacher"; readonly points: number }
  /** Offload what so many bytes a day pay for. */
  | {
      readonly kind: "bytes-per-day";
      readonly bytes: number;
      readonly bytesPerOffload: number;
    }
  /** Offload what so much energy a day pays for, whatever the link makes of a window. */
  | {
      readonly kind: "millijoules-per-day";
      readonly millijoules: number;
      readonly millijoulesPerOffload: number;
    };

export type CalibrationRequest = {
  readonly student: LoadedStudent;
  /** Windows that the student was trained on: novelty's means and variances. */
  readonly trained: WindowSet;
  /** Windows that it was not trained on, from other subjects where there are any, else from other
   * bouts; within one bout in the order of time. */
  readonly held: WindowSet;
  /** `[window][class]` of `held`; only a target in terms of the teacher needs it. */
  readonly teacherProbabilities?: Float32Array;
  readonly target: GateTarget;
  /** Hard limit on the share of offloads for all reasons together, 0..1; the default is one and a
   * half times the target and at least .11. */
  readonly budgetShare?: number;
  /** Chance of auditing a window that nothing else chose. */
  readonly auditChance?: number;
  /** What early exits may cost together, in points (hundredths) of accuracy. */
  readonly earlyExitPoints?: number;
  /** Whose features novelty looks at; the first exit unless said otherwise, since it judges every
   * window. Null for no novelty. */
  readonly noveltyExit?: number | null;
  /** How the student's training windows were turned: such turns are nothing new to it. */
  readonly augmentation?: Pick<Augmentation, "turn" | "tiltDegrees">;
  /** True switches the behaviour filter and what verdicts teach it off: each window by itself. */
  readonly forget?: boolean;
  readonly windowsPerNodeDay: number;
  readonly falseAlarmsPerNodeDay?: number;
  readonly burstWindows?: number;
  readonly seed?: number;
};

export type Calibration = {
  readonly parameters: GateParameters;
  /** What calibration expects of its own thresholds, on the held windows. */
  readonly expected: {
    readonly temperatures: readonly number[];
    readonly offloadShare: number;
    /** Share of windows that each exit answers. */
    readonly exitShares: readonly number[];
    readonly falseAlarms: AlarmRate | null;
  };
};

/** A verdict moves the odds of the classes by up to a quarter of a nat. */
const ADAPT_Q8 = 64;
/** Share of the offloads that early answers may forestall. */
const LOST_OFFLOADS = 0.1;
/** Rate control: a quarter of an octave per window at most, six octaves in all. */
const RATE_STEP_Q16 = 1 << 14;
const RATE_LIMIT_Q8 = 6 * 256;
/** Tokens that a full bucket holds: an hour of nothing does not pay for an hour of everything. */
const BUCKET_TOKENS = 24;
const BUCKET_RESERVE = 8;
/** Standardised log distances are clipped here: one window alone never makes an alarm. */
const NOVELTY_CLIP = 6;
/** The lasting shift, in standard deviations, that the alarm's slack and threshold are best for. */
const NOVELTY_SHIFT = 5;

/** Solves every threshold of a gate. See `CalibrationRequest`. */
export function calibrateGate(request: CalibrationRequest): Calibration {
  const { student } = request;
  assert(request.held.count > 0, "calibration has windows");
  const order = randomBoutOrder(request.held, prng(request.seed ?? 1, "calibrate-order"));
  const held = pickWindows(request.held, order);
  const records = recordExits(student, held);
  const fits = records.exits.map((_, k) => fitTemperature(records, k, held.labels, held.subjects));
  const inverse = fits.map((fit) => fit.inverseTemperatureQ8);
  const weights = fitFusion(records, inverse, held.labels);
  const open = inverse.map((inverseTemperatureQ8, k) => ({
    inverseTemperatureQ8,
    fusionWeight: weights[k] as number,
    sureMarginQ8: NEVER_Q8,
    confidenceQ8: [] as readonly number[],
  }));
  const filter = {
    changeQ15: request.forget ? ONE_Q15 : fitChange(records, open, held.labels, held.subjects),
    adaptQ8: request.forget ? 0 : ADAPT_Q8,
  };
  const answers = answersOf(records, open, filter, held.subjects);
  const exits: readonly ExitGate[] = open.map((exit, k) => ({
    ...exit,
    confidenceQ8: fitConfidence(answers[k] as readonly Belief[], held.labels, held.subjects),
  }));
  const share = targetShare(request, order, answers.at(-1) as readonly Belief[]);
  const early = fitEarlyExits(answers, held.labels, share, request.earlyExitPoints ?? 0.2);
  const unsure = unsureMargin(answers.at(-1) as readonly Belief[], share);
  const novelty = calibrateNovelty(request);
  return {
    parameters: {
      classes: records.classes,
      exits: exits.map((exit, k) => ({ ...exit, sureMarginQ8: early.sureMargins[k] as number })),
      filter,
      offload: {
        unsureMarginQ8: Array.from({ length: records.classes }, () => unsure),
        targetShareQ16: Math.round(share * 65535),
        rateStepQ16: share > 0 ? RATE_STEP_Q16 : 0,
        rateLimitQ8: RATE_LIMIT_Q8,
      },
      bucket: bucketFor(request.budgetShare ?? Math.min(1, Math.max(0.11, 1.5 * share))),
      auditChanceQ16: Math.round((request.auditChance ?? 0.01) * 65535),
      novelty: novelty?.gate ?? null,
      burst: fitBurst(held, request),
    },
    expected: {
      temperatures: fits.map((fit) => fit.temperature),
      offloadShare: shareBelow(answers, early.answeredBy, unsure),
      exitShares: exits.map(
        (_, k) => early.answeredBy.filter((by) => by === k).length / records.count,
      ),
      falseAlarms: novelty?.rate ?? null,
    },
  };
}

/** The share of windows to offload, 0..1, that meets the target on the held windows. */
function targetShare(
  request: CalibrationRequest,
  order: readonly number[],
  answers: readonly Belief[],
): number {
  const { target, held, teacherProbabilities } = request;
  if (target.kind === "offload-share") return target.share;
  if (target.kind === "bytes-per-day") {
    return Math.min(1, target.bytes / target.bytesPerOffload / request.windowsPerNodeDay);
  }
  if (target.kind === "millijoules-per-day") {
    const offloads = target.millijoules / target.millijoulesPerOffload;
    return Math.min(1, offloads / request.windowsPerNodeDay);
  }
  assert(teacherProbabilities !== undefined, "a target below the teacher needs its answers");
  const classes = teacherProbabilities.length / held.count;
  const gains = answers.map((answer, i) => {
    const window = order[i] as number;
    const row = teacherProbabilities.subarray(window * classes, (window + 1) * classes);
    const teacherRight = row.indexOf(Math.max(...row)) === held.labels[window];
    return Number(teacherRight) - Number(answer.classIndex === held.labels[window]);
  });
  const leastSure = byMargin(answers);
  const atTeacher = gains.reduce((sum, gain) => sum + gain, 0);
  let gained = 0;
  let needed = 0;
  while (needed < leastSure.length && gained < atTeacher - (target.points / 100) * held.count) {
    gained += gains[leastSure[needed] as number] as number;
    needed++;
  }
  return needed / held.count;
}

/** Window indices, least margin first. */
function byMargin(answers: readonly Belief[]): readonly number[] {
  return answers
    .map((_, i) => i)
    .sort((a, b) => (answers[a]?.marginQ8 as number) - (answers[b]?.marginQ8 as number));
}

/**
 * The margins from which early exits answer: as low as their answers cost at most `points` of
 * accuracy against full depth with its offloads, with one standard error to spare, and leave the
 * gate most of the windows that it would have offloaded.
 */
function fitEarlyExits(
  answers: readonly (readonly Belief[])[],
  labels: Uint8Array,
  share: number,
  points: number,
): { readonly sureMargins: readonly number[]; readonly answeredBy: readonly number[] } {
  const last = answers.length - 1;
  const deep = answers[last] as readonly Belief[];
  const offloaded = new Set(byMargin(deep).slice(0, Math.round(share * deep.length)));
  const answeredBy = deep.map(() => last);
  const allowed = ((points / 100) * deep.length) / Math.max(1, last);
  const sureMargins = answers.map((early, k) => {
    if (k === last) return 0;
    const order = byMargin(early)
      .filter((i) => answeredBy[i] === last)
      .reverse();
    let excess = 0;
    let differing = 0;
    let lost = 0;
    let sure = 0;
    order.forEach((i, n) => {
      const earlyRight = early[i]?.classIndex === labels[i];
      const deepRight = offloaded.has(i) || deep[i]?.classIndex === labels[i];
      excess += Number(deepRight) - Number(earlyRight);
      differing += Number(deepRight !== earlyRight);
      lost += Number(offloaded.has(i));
      const spared = lost <= (LOST_OFFLOADS * offloaded.size) / Math.max(1, last);
      if (spared && excess + Math.sqrt(differing) <= allowed) sure = n + 1;
    });
    if (sure === 0) return NEVER_Q8;
    for (const i of order.slice(0, sure)) answeredBy[i] = k;
    const border = order[sure - 1] as number;
    return early[border]?.marginQ8 as number;
  });
  return { sureMargins, answeredBy };
}

/** The margin at full depth under which that share of the windows lies. */
function unsureMargin(deep: readonly Belief[], share: number): number {
  const margins = deep.map((answer) => answer.marginQ8).sort((a, b) => a - b);
  const wanted = Math.round(share * margins.length);
  return wanted === 0 ? 0 : (margins[wanted] ?? MARGIN_TOP_Q8);
}

function shareBelow(
  answers: readonly (readonly Belief[])[],
  answeredBy: readonly number[],
  marginQ8: number,
): number {
  const last = answers.length - 1;
  const deep = answers[last] as readonly Belief[];
  const below = deep.filter((a, i) => answeredBy[i] === last && a.marginQ8 < marginQ8);
  return below.length / deep.length;
}

function bucketFor(budgetShare: number): GateParameters["bucket"] {
  assert(budgetShare > 0 && budgetShare <= 1, "a budget above 0 and up to 1");
  return {
    capacityTokens: BUCKET_TOKENS,
    windowsPerTokenQ8: Math.max(256, Math.ceil(256 / budgetShare)),
    reserveTokens: BUCKET_RESERVE,
  };
}

function calibrateNovelty(
  request: CalibrationRequest,
): { readonly gate: NoveltyGate; readonly rate: AlarmRate } | null {
  const exit = request.noveltyExit === undefined ? 0 : request.noveltyExit;
  if (exit === null) return null;
  const { student, augmentation } = request;
  const seed = request.seed ?? 1;
  const trained = noveltySamples(student, turnedViews(request.trained, augmentation, seed));
  const heldViews = turnedViews(request.held, augmentation, seed + 1);
  const held = noveltySamples(student, heldViews);
  const gate = fitNovelty(trained, held, {
    exit,
    axes: request.held.channels,
    clip: NOVELTY_CLIP,
    recoveryWindows: Math.round(request.windowsPerNodeDay),
  });
  return fitAlarm(
    gate,
    boutNovelties(gate, held, heldViews.bouts),
    {
      windowsPerNodeDay: request.windowsPerNodeDay,
      mostPerNodeDay: request.falseAlarmsPerNodeDay ?? 2,
      shift: NOVELTY_SHIFT,
    },
    (purpose) => prng(seed, `calibrate-${purpose}`),
  );
}
