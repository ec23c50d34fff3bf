/** Accuracy against offloaded share for one fold: every filter, and the real gate at work. */
import {
  groundlightTaken,
  marginScore,
  maxSoftmaxScore,
  oracleScore,
  rightWhenTaken,
  sednaCrossEntropyScore,
  softmaxOf,
  takenAtShare,
} from "../src/gate/baselines.ts";
import { logitsAt } from "../src/gate/exit-records.ts";
import { answersOf } from "../src/gate/fit-confidence.ts";
import { type GateParameters, NEVER_Q8, ONE_Q15 } from "../src/gate/gate-parameters.ts";
import { largestIndex } from "../src/learn/metrics.ts";
import type { GateAnswers } from "./gate-job.ts";
import { replayGate } from "./gate-replay.ts";
import { kindOf, type WorthByKind, worthByKind } from "./value-table.ts";

/** Percent of the windows that the teacher answers. */
export const SHARES = [0, 2, 5, 10, 20, 30, 50, 100] as const;
/** `ours` answers by the mean of its exits, the windows before and the verdicts it has paid for;
 * the others by the last exit and, of what they offload, the teacher alone, as a student has it that
 * knows of none of these. `oursAudited` pays for one audit in a hundred of its sure windows out of
 * the same share, as `groundlight` does with a fixed threshold. `sedna` is its cross-entropy filter,
 * which is maximum entropy. `sednaOnOurs` is the same score on the probabilities that ours has
 * without verdicts, and the oracle knows the truth about those answers and of the teacher's. */
export const FILTERS = [
  "ours",
  "oursAudited",
  "random",
  "threshold",
  "margin",
  "groundlight",
  "sedna",
  "sednaOnOurs",
  "oracle",
] as const;
export type Filter = (typeof FILTERS)[number];
/** Audits that `oursAudited` and `groundlight` pay for; Groundlight's default of 2024. */
const AUDIT_SHARE = 0.01;

/** What our gate consists of, each row with all before it: the mean of the exits in place of the
 * last one, the filter over windows, verdicts as evidence of the present behaviour, what they teach
 * about the animal, and in `ours` that a doubt's answer is the teacher's and the node's together. */
export const PARTS = ["lastExit", "exits", "filter", "evidence", "bias", "ours"] as const;
type Part = (typeof PARTS)[number];

/** Of one subject: sums over its windows. */
export type SubjectCurves = {
  readonly subject: string;
  readonly windows: number;
  readonly teacher: number;
  /** Right answers per entry of `SHARES`. */
  readonly at: Readonly<Record<Filter, readonly number[]>>;
  /** What asking was worth, by what a small table could tell apart. */
  readonly worthByKind: WorthByKind;
  /** Right answers of our gate at 10 %, part by part. */
  readonly worth: Readonly<Record<Part, number>>;
  readonly deployed: {
    readonly offloads: number;
    readonly right: number;
    readonly firstExit: number;
  };
};

export type FoldCurves = {
  readonly subjects: readonly SubjectCurves[];
  /** Distance of confidence and accuracy over 15 bins, of the node's own answers. */
  readonly calibrationError: number;
};

/** Curves need no energy. */
type Answered = Omit<GateAnswers, "day">;

export function curvesOf(answers: Answered, seed: number): FoldCurves {
  const { test } = answers;
  const teacherRight = teacherRightOf(answers);
  const curves = filterCurves(answers, teacherRight, seed);
  const at = byName(FILTERS, (filter) => SHARES.map((share) => curves[filter](share / 100)));
  const { kinds, gains } = kindsOf(answers, teacherRight);
  const worth = byName(PARTS, (part) => oursAt(answers, teacherRight, 0.1, part));
  const { parameters } = answers.calibration;
  const replay = replayGate(parameters, answers.records, test, answers.teacher, seed);
  const own = Array.from(replay.answers, (answer, i) => Number(answer === test.labels[i]));
  const right = Array.from(replay.told, (told, i) => Number(told === test.labels[i]));
  const subjects = [...new Set(test.subjects)].map((subject) => {
    const windows = test.subjects.flatMap((name, i) => (name === subject ? [i] : []));
    const sum = (values: ArrayLike<number>): number =>
      windows.reduce((total, i) => total + (values[i] as number), 0);
    return {
      subject,
      windows: windows.length,
      teacher: sum(teacherRight),
      at: byName(FILTERS, (filter) => at[filter].map(sum)),
      worthByKind: worthByKind(
        windows.map((i) => kinds[i] as number),
        windows.map((i) => gains[i] as number),
      ),
      worth: byName(PARTS, (part) => sum(worth[part])),
      deployed: {
        offloads: sum(replay.offloaded),
        right: sum(right),
        firstExit: sum(replay.exits.map((exit) => Number(exit === 0))),
      },
    };
  });
  return { subjects, calibrationError: binnedError(replay.confidencesQ8, own) };
}

function byName<Name extends string, Value>(
  names: readonly Name[],
  value: (name: Name) => Value,
): Record<Name, Value> {
  return Object.fromEntries(names.map((name) => [name, value(name)])) as Record<Name, Value>;
}

function teacherRightOf(answers: Answered): readonly number[] {
  const { classes } = answers.records;
  return Array.from(answers.test.labels, (label, i) =>
    Number(largestIndex(answers.teacher.subarray(i * classes, (i + 1) * classes)) === label),
  );
}

/** Per window its kind and what asking would gain, where no verdicts come back. */
function kindsOf(
  { records, test, calibration }: Answered,
  teacherRight: readonly number[],
): { readonly kinds: readonly number[]; readonly gains: readonly number[] } {
  const { exits, filter } = calibration.parameters;
  const unasked = answersOf(records, exits, filter, test.subjects).at(-1) ?? [];
  return {
    kinds: unasked.map((answer, i) => kindOf(answer, largestIndex(logitsAt(records, 0, i)))),
    gains: unasked.map(
      ({ classIndex }, i) => (teacherRight[i] as number) - Number(classIndex === test.labels[i]),
    ),
  };
}

/** Per filter: per window the chance of a right answer at a share of 0 to 1. */
function filterCurves(
  answers: Answered,
  teacherRight: readonly number[],
  seed: number,
): Record<Filter, (share: number) => readonly number[] | Float64Array> {
  const { records, test, calibration } = answers;
  const { exits, filter } = calibration.parameters;
  const { labels, count } = test;
  const each = Array.from({ length: count }, (_, i) => i);
  const unasked = answersOf(records, exits, filter, test.subjects).at(-1) ?? [];
  const unaskedRight = unasked.map((answer, i) => Number(answer.classIndex === labels[i]));
  const last = each.map((i) => logitsAt(records, exits.length - 1, i));
  const lastRight = last.map((logits, i) => Number(largestIndex(logits) === labels[i]));
  const plain = last.map(softmaxOf);
  const ranked =
    (scores: readonly number[], right: readonly number[]) =>
    (share: number): Float64Array =>
      rightWhenTaken(takenAtShare(scores, share), right, teacherRight);
  const largest = plain.map(maxSoftmaxScore);
  const ours = unasked.map((answer) => Float64Array.from(answer.beliefQ15, (p) => p / 32768));
  const best = each.map((i) => oracleScore(unaskedRight[i] === 1, teacherRight[i] === 1));
  return {
    ours: (share) => oursAt(answers, teacherRight, share, "ours"),
    oursAudited: (share) => oursAt(answers, teacherRight, share, "ours", { seed }),
    // All alike: what drawing windows by chance gives on average.
    random: ranked(
      each.map(() => 0),
      lastRight,
    ),
    threshold: ranked(largest, lastRight),
    margin: ranked(plain.map(marginScore), lastRight),
    groundlight: (share) =>
      rightWhenTaken(groundlightTaken(largest, share, AUDIT_SHARE), lastRight, teacherRight),
    sedna: ranked(plain.map(sednaCrossEntropyScore), lastRight),
    sednaOnOurs: ranked(ours.map(sednaCrossEntropyScore), unaskedRight),
    oracle: ranked(best, unaskedRight),
  };
}

/** Steps by which the threshold for a share is found: to a single Q8 step at the end. */
const HALVINGS = 14;

/**
 * Our gate at a share: the real machine, window after window, with the one threshold that offloads
 * at most that share of the fold. Its verdicts teach its filter, so windows cannot be ranked in
 * advance. No budget, rate control, bursts or early exits, and audits only where asked for: the
 * score alone. Per window, whether its answer is right.
 */
function oursAt(
  answers: Answered,
  teacherRight: readonly number[],
  share: number,
  part: Part,
  audited?: { readonly seed: number },
): readonly number[] {
  const { parameters } = answers.calibration;
  const { records, teacher } = part === "lastExit" ? onlyLastExit(answers) : answers;
  const depth = PARTS.indexOf(part);
  const { labels, count } = answers.test;
  const run = (marginQ8: number): { offloads: number; right: readonly number[] } => {
    const bare: GateParameters = {
      ...bareGate(
        { ...parameters, exits: parameters.exits.slice(-records.exits.length) },
        marginQ8,
      ),
      filter: {
        changeQ15: depth < PARTS.indexOf("filter") ? ONE_Q15 : parameters.filter.changeQ15,
        adaptQ8: depth < PARTS.indexOf("bias") ? 0 : parameters.filter.adaptQ8,
      },
      auditChanceQ16: audited === undefined ? 0 : Math.round(65535 * Math.min(AUDIT_SHARE, share)),
    };
    const taught = depth < PARTS.indexOf("evidence") ? null : teacher;
    const replay = replayGate(bare, records, answers.test, taught, audited?.seed ?? 1);
    const right = Array.from(replay.told, (told, i) =>
      replay.offloaded[i] === 1 && part !== "ours"
        ? (teacherRight[i] as number)
        : Number(told === labels[i]),
    );
    return { offloads: replay.offloaded.reduce((a, b) => a + b, 0), right };
  };
  return atShare(share, count, run).right;
}

/** The gate's score alone: doubts below one threshold, every stage run, and no budget, rate control,
 * novelty or audits. */
export function bareGate(parameters: GateParameters, marginQ8: number): GateParameters {
  return {
    ...parameters,
    exits: parameters.exits.map((exit) => ({ ...exit, sureMarginQ8: NEVER_Q8 })),
    offload: {
      ...parameters.offload,
      unsureMarginQ8: parameters.offload.unsureMarginQ8.map(() => marginQ8),
      rateStepQ16: 0,
    },
    bucket: { capacityTokens: 1024, windowsPerTokenQ8: 256, reserveTokens: 0 },
    auditChanceQ16: 0,
    novelty: null,
  };
}

/** What comes of the highest threshold that offloads at most this share, 0..1, of so many windows. */
export function atShare<Ran extends { readonly offloads: number }>(
  share: number,
  count: number,
  run: (marginQ8: number) => Ran,
): Ran {
  if (share === 1) return run(NEVER_Q8);
  let best = run(0);
  let low = 0;
  let high = NEVER_Q8;
  for (let step = 0; step < HALVINGS && share > 0; step++) {
    const marginQ8 = (low + high) >> 1;
    const tried = run(marginQ8);
    if (tried.offloads <= share * count) [low, best] = [marginQ8, tried];
    else high = marginQ8;
  }
  return best;
}

/** Mean distance of confidence and accuracy over 15 bins. */
function binnedError(confidencesQ8: Uint8Array, right: readonly number[]): number {
  const bins = 15;
  const away = new Float64Array(bins);
  confidencesQ8.forEach((confidence, i) => {
    const bin = Math.min(bins - 1, Math.floor((confidence / 256) * bins));
    away[bin] = (away[bin] as number) + confidence / 255 - (right[i] as number);
  });
  return away.reduce((sum, value) => sum + Math.abs(value), 0) / Math.max(1, right.length);
}

function onlyLastExit(answers: Answered): Answered {
  const { records } = answers;
  return { ...answers, records: { ...records, exits: records.exits.slice(-1) } };
}
