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
import { answersOf, fitConfidence, fitTemperature } from "./fit-confidence.ts";
import { fitBurst } from "./fit-burst.ts";
import { fitEarlyExits } from "./fit-early-exits.ts";
import { exitGates, fitMemory } from "./fit-memory.ts";
import { fitPoints, windowsPerTokenQ8 } from "./fit-points.ts";
import { fitNovelty } from "./fit-novelty.ts";
import type { ExitGate, GateParameters, NoveltyGate } from "./gate-parameters.ts";
import { boutNovelties, noveltySamples, turnedViews } from "./novelty-samples.ts";
import { type GateTarget, targetShare } from "./offload-target.ts";
import { randomBoutOrder } from "./bout-order.ts";
import { type AnsweredWindows, Rehearsal } from "./rehearse.ts";

export type CalibrationRequest = {
  readonly student: LoadedStudent;
  /** Windows that the student was trained on: novelty's means and variances. */
  readonly trained: WindowSet;
  /** Windows that it was not trained on, from other subjects where there are any, else from other
   * bouts; within one bout in the order of time. */
  readonly held: WindowSet;
  /** `[window][class]` of `held`: what verdicts would say. A target in terms of the teacher needs
   * it, and without it nothing is known of what verdicts are worth. */
  readonly teacherProbabilities?: Float32Array;
  /** Windows of many subjects, each answered by a student and a teacher that were trained alike but
   * never saw him; those of one subject in the order of time. All but novelty and bursts, which
   * are about this very student, is then fitted on these: a few subjects set aside say little of
   * those to come. */
  readonly rehearsal?: AnsweredWindows;
  readonly target: GateTarget;
  /** Shares of windows, 0..1 and rising, for which operating points travel along; none unless said
   * otherwise. */
  readonly operatingShares?: readonly number[];
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

/** What early exits may cost together unless said otherwise, in points of accuracy. */
const EARLY_EXIT_POINTS = 0.2;
/** Rate control: a quarter of an octave per window at most, six octaves in all. */
const RATE_STEP_Q16 = 1 << 14;
const RATE_LIMIT_Q8 = 6 * 256;
/** Budget of a release however small its share: bursts and audits must find tokens. */
const LEAST_BUDGET = 0.11;
/** Tokens that a full bucket holds: an hour of nothing does not pay for an hour of everything. */
const BUCKET_TOKENS = 24;
const BUCKET_RESERVE = 8;
/** Standardised log distances are clipped here: one window alone never makes an alarm. */
const NOVELTY_CLIP = 6;
/** The lasting shift, in standard deviations, that the alarm's slack and threshold are best for. */
const NOVELTY_SHIFT = 3;

/** Solves every threshold of a gate. See `CalibrationRequest`. */
export function calibrateGate(request: CalibrationRequest): Calibration {
  assert(request.held.count > 0, "calibration has windows");
  const windows = request.rehearsal ?? heldWindows(request);
  const { records, labels, subjects } = windows;
  const fits = records.exits.map((_, k) => fitTemperature(records, k, labels, subjects));
  const inverse = fits.map((fit) => fit.inverseTemperatureQ8);
  const { fusionWeights, filter } = fitMemory(windows, inverse, request.forget !== true);
  const open = exitGates(inverse, fusionWeights);
  const answers = answersOf(records, open, filter, subjects);
  const exits: readonly ExitGate[] = open.map((exit, k) => ({
    ...exit,
    confidenceQ8: fitConfidence(answers[k] as readonly Belief[], labels, subjects),
  }));
  const rehearsal = new Rehearsal(windows, exits);
  const share = targetShare(request.target, windows, rehearsal, filter, request.windowsPerNodeDay);
  const most = request.earlyExitPoints ?? EARLY_EXIT_POINTS;
  const early = fitEarlyExits(answers, labels, share, most);
  const unsure = rehearsal.atShare(filter, share).unsureMarginQ8;
  const novelty = calibrateNovelty(request);
  const fitted = { windows, rehearsal, filter, answers };
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
      bucket: bucketFor(request.budgetShare ?? Math.min(1, Math.max(LEAST_BUDGET, 1.5 * share))),
      auditChanceQ16: Math.round((request.auditChance ?? 0.01) * 65535),
      novelty: novelty?.gate ?? null,
      burst: fitBurst(request.held, request),
      operatingPoints: fitPoints(request.operatingShares ?? [], most, fitted),
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

/** The held windows in an order that a node could have met, answered by the student itself. */
function heldWindows(request: CalibrationRequest): AnsweredWindows {
  const { student, held, teacherProbabilities } = request;
  const order = randomBoutOrder(held, prng(request.seed ?? 1, "calibrate-order"));
  const windows = pickWindows(held, order);
  const records = recordExits(student, windows);
  const teacher =
    teacherProbabilities === undefined
      ? null
      : rowsInOrder(teacherProbabilities, records.classes, order);
  return { records, labels: windows.labels, subjects: windows.subjects, teacher };
}

function rowsInOrder(rows: Float32Array, classes: number, order: readonly number[]): Float32Array {
  const sorted = new Float32Array(rows.length);
  order.forEach((from, to) => {
    sorted.set(rows.subarray(from * classes, (from + 1) * classes), to * classes);
  });
  return sorted;
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
    windowsPerTokenQ8: windowsPerTokenQ8(budgetShare),
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
