/** Accuracy against offloaded share for one fold: every filter, and the real gate at work. */
import {
  accuracyAtShare,
  maxSoftmaxScore,
  oracleScore,
  sednaCrossEntropyScore,
  softmaxOf,
} from "../src/gate/baselines.ts";
import { logitsAt } from "../src/gate/exit-records.ts";
import { answersOf } from "../src/gate/fit-confidence.ts";
import { type GateParameters, NEVER_Q8, ONE_Q15 } from "../src/gate/gate-parameters.ts";
import { largestIndex } from "../src/learn/metrics.ts";
import type { GateAnswers } from "./gate-job.ts";
import { replayGate } from "./gate-replay.ts";

/** Percent of the windows that the teacher answers. */
export const SHARES = [0, 2, 5, 10, 20, 30, 50, 100] as const;
/** `ours` answers by the mean of its exits, the windows before and the verdicts it has paid for;
 * the others by the last exit, as a student has it that knows of none of these. `sednaOnOurs` is
 * Sedna's score on the probabilities that ours has without verdicts, and the oracle knows the truth
 * about those answers. */
export const FILTERS = [
  "ours",
  "random",
  "fixedThreshold",
  "sednaCrossEntropy",
  "sednaOnOurs",
  "oracle",
] as const;
export type Filter = (typeof FILTERS)[number];

/** What our gate consists of, each row with all before it: the mean of the exits in place of the
 * last one, the filter over windows, verdicts as evidence of the present behaviour, and what they
 * teach about the animal. */
export const PARTS = ["lastExit", "exits", "filter", "evidence", "ours"] as const;
type Part = (typeof PARTS)[number];

export type FoldCurves = {
  readonly windows: number;
  readonly teacher: number;
  /** Accuracy per entry of `SHARES`. */
  readonly at: Readonly<Record<Filter, readonly number[]>>;
  /** Accuracy of our gate at 10 %, part by part. */
  readonly worth: Readonly<Record<Part, number>>;
  readonly deployed: {
    readonly share: number;
    readonly shareBySubject: readonly number[];
    readonly accuracy: number;
    readonly firstExitShare: number;
    /** Mean distance of confidence and accuracy over 15 bins, of the node's own answers. */
    readonly calibrationError: number;
  };
};

export function curvesOf(answers: GateAnswers, seed: number): FoldCurves {
  const { records, test, calibration } = answers;
  const { labels, count } = test;
  const { exits } = calibration.parameters;
  const each = Array.from({ length: count }, (_, i) => i);
  const teacherRight = each.map((i) => {
    const row = answers.teacher.subarray(i * records.classes, (i + 1) * records.classes);
    return Number(largestIndex(row) === labels[i]);
  });
  const { filter } = calibration.parameters;
  const unasked = answersOf(records, exits, filter, test.subjects).at(-1) ?? [];
  const unaskedRight = unasked.map((answer, i) => Number(answer.classIndex === labels[i]));
  const lastRight = each.map((i) =>
    Number(largestIndex(logitsAt(records, exits.length - 1, i)) === labels[i]),
  );
  const plain = each.map((i) => softmaxOf(logitsAt(records, exits.length - 1, i)));
  const filters: Record<Exclude<Filter, "ours">, { scores: number[]; right: number[] }> = {
    // All alike: `accuracyAtShare` then gives what drawing windows by chance gives on average.
    random: { scores: each.map(() => 0), right: lastRight },
    fixedThreshold: { scores: plain.map(maxSoftmaxScore), right: lastRight },
    sednaCrossEntropy: { scores: plain.map(sednaCrossEntropyScore), right: lastRight },
    sednaOnOurs: {
      scores: unasked.map((answer) =>
        sednaCrossEntropyScore(Float64Array.from(answer.beliefQ15, (p) => p / 32768)),
      ),
      right: unaskedRight,
    },
    oracle: {
      scores: each.map((i) => oracleScore(unaskedRight[i] === 1, teacherRight[i] === 1)),
      right: unaskedRight,
    },
  };
  const curve = (name: Filter): readonly number[] =>
    SHARES.map((share) => {
      if (name === "ours") return oursAt(answers, teacherRight, share / 100, "ours");
      const { scores, right } = filters[name];
      return accuracyAtShare({ scores, studentRight: right, teacherRight }, share / 100);
    });
  return {
    windows: count,
    teacher: mean(teacherRight),
    at: Object.fromEntries(FILTERS.map((filter) => [filter, curve(filter)])) as FoldCurves["at"],
    worth: Object.fromEntries(
      PARTS.map((part) => [part, oursAt(answers, teacherRight, 0.1, part)]),
    ) as FoldCurves["worth"],
    deployed: deployedOf(answers, teacherRight, seed),
  };
}

/** Steps by which the threshold for a share is found: to a single Q8 step at the end. */
const HALVINGS = 14;

/**
 * Our gate at a share: the real machine, window after window, with the one threshold that offloads
 * at most that share of the fold. Its verdicts teach its filter, so windows cannot be ranked in
 * advance. No budget, rate control, audits, bursts or early exits: the score alone.
 */
function oursAt(
  answers: GateAnswers,
  teacherRight: readonly number[],
  share: number,
  part: Part,
): number {
  const { parameters } = answers.calibration;
  const { records, teacher } = part === "lastExit" ? onlyLastExit(answers) : answers;
  const depth = PARTS.indexOf(part);
  const { labels, count } = answers.test;
  const run = (marginQ8: number): { offloads: number; right: number } => {
    const bare: GateParameters = {
      ...parameters,
      exits: parameters.exits
        .slice(-records.exits.length)
        .map((exit) => ({ ...exit, sureMarginQ8: NEVER_Q8 })),
      filter: {
        changeQ15: depth < PARTS.indexOf("filter") ? ONE_Q15 : parameters.filter.changeQ15,
        adaptQ8: part === "ours" ? parameters.filter.adaptQ8 : 0,
      },
      offload: {
        ...parameters.offload,
        unsureMarginQ8: parameters.offload.unsureMarginQ8.map(() => marginQ8),
        rateStepQ16: 0,
      },
      bucket: { capacityTokens: 1024, windowsPerTokenQ8: 256, reserveTokens: 0 },
      auditChanceQ16: 0,
      novelty: null,
    };
    const taught = depth < PARTS.indexOf("evidence") ? null : teacher;
    const replay = replayGate(bare, records, answers.test, taught, 1);
    const right = Array.from(replay.answers, (answer, i) =>
      replay.offloaded[i] === 1 ? (teacherRight[i] as number) : Number(answer === labels[i]),
    );
    return { offloads: replay.offloaded.reduce((a, b) => a + b, 0), right: mean(right) };
  };
  if (share === 1) return mean(teacherRight);
  let low = { marginQ8: 0, ...run(0) };
  let highMarginQ8 = NEVER_Q8;
  for (let step = 0; step < HALVINGS && share > 0; step++) {
    const marginQ8 = (low.marginQ8 + highMarginQ8) >> 1;
    const tried = run(marginQ8);
    if (tried.offloads <= share * count) low = { marginQ8, ...tried };
    else highMarginQ8 = marginQ8;
  }
  return low.right;
}

function onlyLastExit(answers: GateAnswers): GateAnswers {
  const { records } = answers;
  return { ...answers, records: { ...records, exits: records.exits.slice(-1) } };
}

function deployedOf(
  answers: GateAnswers,
  teacherRight: readonly number[],
  seed: number,
): FoldCurves["deployed"] {
  const { records, test, calibration } = answers;
  const replay = replayGate(calibration.parameters, records, test, answers.teacher, seed);
  const own = Array.from(replay.answers, (answer, i) => Number(answer === test.labels[i]));
  const right = own.map((value, i) => (replay.offloaded[i] === 1 ? teacherRight[i] : value) ?? 0);
  const subjects = [...new Set(test.subjects)];
  return {
    share: mean([...replay.offloaded]),
    shareBySubject: subjects.map((subject) =>
      mean([...replay.offloaded].filter((_, i) => test.subjects[i] === subject)),
    ),
    accuracy: mean(right),
    firstExitShare: mean(Array.from(replay.exits, (exit) => Number(exit === 0))),
    calibrationError: calibrationError(replay.confidencesQ8, own),
  };
}

function calibrationError(confidencesQ8: Uint8Array, right: readonly number[]): number {
  const bins = 15;
  const away = new Float64Array(bins);
  confidencesQ8.forEach((confidence, i) => {
    const bin = Math.min(bins - 1, Math.floor((confidence / 256) * bins));
    away[bin] = (away[bin] as number) + confidence / 255 - (right[i] as number);
  });
  return away.reduce((sum, value) => sum + Math.abs(value), 0) / right.length;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
