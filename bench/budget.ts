/**
 * What smoothing is worth to people: time budgets and bouts on subjects that neither teacher, student
 * nor gate has seen, raw (each window's own behaviour) against smoothed (`src/behaviour`), with and
 * without the teacher's verdicts on what the gate offloads.
 *
 * Folds, pairs and gates are those of `bench -- gate`; the real gate is replayed over each subject as
 * a node, its labelled bouts in an order drawn by chance (see `bout-order.ts`), one window after
 * another. Its answers, also those called raw, are after its own filter. Budgets: absolute error in
 * percent of the time, mean over subjects. Bouts: F1 as in `src/behaviour/bout-scores.ts`.
 *
 * How long bouts are taken to last is chosen fold by fold on the learners, each answered by a pair
 * that never saw him: *learned* is one length for all behaviours, as `train` writes it into a
 * teacher's file; *by behaviour* is a multiple of the mean length of each behaviour's labelled bouts,
 * the multiple chosen alike; *10 s* is what a gateway takes where the teacher's file says nothing.
 * `--target N`, `--folds N`, `--threads N`, `--keep DIR`.
 */

import { TYPICAL_MS } from "../gateway/herd/behaviour-state.ts";
import { readRecordings } from "../recordings/read.ts";
import { type BoutScores, meanScores, scoreBouts } from "../src/behaviour/bout-scores.ts";
import { fitTypical, withTypical } from "../src/behaviour/fit-typical.ts";
import type { SegmentRule } from "../src/behaviour/segment.ts";
import { prng } from "../src/prng.ts";
import { profileFor } from "../src/signal/profiles.ts";
import { type BenchmarkOptions, type BenchmarkResult, table } from "./benchmark.ts";
import type { BudgetAnswers } from "./budget-job.ts";
import { gateJobs, runGateJobs } from "./gate-measure.ts";
import { type SubjectStream, segmentRule } from "./seen-windows.ts";
import { bootstrapInterval, type Interval } from "./subject-bootstrap.ts";

/** Of the labelled bouts' mean length. */
const MULTIPLES = [0, 0.125, 0.25, 0.5, 1, 2];

type Smoothing = "raw" | "default" | "learned" | "by behaviour";
/** Which windows the teacher answers. */
type Verdicts = "none" | "offloaded" | "all";

const WAYS: readonly (readonly [string, Verdicts, Smoothing])[] = [
  ["student, raw", "none", "raw"],
  ["student, 10 s", "none", "default"],
  ["student, learned", "none", "learned"],
  ["with verdicts, raw", "offloaded", "raw"],
  ["with verdicts, 10 s", "offloaded", "default"],
  ["with verdicts, learned", "offloaded", "learned"],
  ["with verdicts, by behaviour", "offloaded", "by behaviour"],
  ["teacher alone, raw", "all", "raw"],
  ["teacher alone, learned", "all", "learned"],
];

/** By the name of the way. */
type Scored = ReadonlyMap<string, BoutScores>;

export async function run(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const { dataset, folder, folds, seeds, jobs } = await gateJobs({
    ...options,
    dataset: options.dataset ?? "cows",
  });
  const profile = profileFor(await readRecordings(folder));
  const rule = segmentRule(profile);
  const script = new URL("./budget-worker.ts", import.meta.url);
  const answers = await runGateJobs<BudgetAnswers>(script, jobs, options);
  const learned = answers.map(({ learners }) => fitTypical(learners, rule).typicalMs);
  const bySubject = new Map<string, Scored[]>();
  answers.forEach((answer, i) => {
    const rules = smoothings(answer, rule, learned[i] as number);
    for (const stream of answer.tested) {
      const known = bySubject.get(stream.subject) ?? [];
      bySubject.set(stream.subject, known);
      known.push(scored(stream, rules));
    }
  });
  const all = [...bySubject.values()];
  const scores = new Map(
    WAYS.map(([name]) => [name, meanScores(all.flat().map((one) => scoresOf(one, name)))]),
  );
  const gains = gainsOf(all);
  const seconds = learned.map((ms) => ms / 1000);
  return {
    ok: [...scores.values()].every(({ boutF1 }) => Number.isFinite(boutF1)),
    lines: [
      `${dataset}: ${folds} fold${folds === 1 ? "" : "s"} by subject, ` +
        `${seeds} seed${seeds === 1 ? "" : "s"}; learned lengths: ${seconds.join(", ")} s`,
      "",
      ...table([titleOf(profile.classes), ...WAYS.map(([name]) => rowOf(name, scores))]),
      "",
      `With verdicts, learned less raw: F1 ${intervalText(gains.boutF1, 3)}, error of all ` +
        `behaviours' budgets, mean, ${intervalText(gains.errorPercent, 2)} %`,
    ],
    figures: { dataset, folds, seeds, seconds, scores: Object.fromEntries(scores), gains },
  };
}

function titleOf(classes: readonly string[]): string[] {
  return ["", ...classes.map((name) => `${name}, %`), "bout F1", "bouts", "accuracy"];
}

function rowOf(name: string, scores: Scored): (string | number)[] {
  const { errorPercent, boutF1, boutRatio, accuracy } = scoresOf(scores, name);
  const errors = errorPercent.map((error) => error.toFixed(2));
  return [name, ...errors, boutF1.toFixed(3), boutRatio.toFixed(2), accuracy.toFixed(3)];
}

function scoresOf(scored: Scored, name: string): BoutScores {
  return scored.get(name) as BoutScores;
}

function intervalText({ mean, low, high }: Interval, digits: number): string {
  const signed = (value: number): string => (value < 0 ? "" : "+") + value.toFixed(digits);
  return `${signed(mean)} (${signed(low)} to ${signed(high)})`;
}

/** The rule of each way to smooth; raw goes by any. */
function smoothings(
  { learners, lengthsMs }: BudgetAnswers,
  rule: SegmentRule,
  learnedMs: number,
): Readonly<Record<Smoothing, SegmentRule>> {
  return {
    raw: rule,
    default: withTypical(rule, TYPICAL_MS),
    learned: withTypical(rule, learnedMs),
    "by behaviour": byBehaviour(learners, lengthsMs, rule),
  };
}

function byBehaviour(
  learners: readonly SubjectStream[],
  lengthsMs: readonly number[],
  rule: SegmentRule,
): SegmentRule {
  const tried = MULTIPLES.map((multiple) => {
    const typicalMs = lengthsMs.map((ms) => multiple * ms);
    const own = { ...rule, typicalMs };
    return { own, ...meanScores(learners.map((stream) => scoreBouts(stream, own, true))) };
  });
  return tried.reduce((best, one) => (one.boutF1 > best.boutF1 ? one : best)).own;
}

function scored(stream: SubjectStream, rules: Readonly<Record<Smoothing, SegmentRule>>): Scored {
  const { labels, seen, taught } = stream;
  const streams: Readonly<Record<Verdicts, SubjectStream["seen"]>> = {
    none: seen.map((window) => ({ ...window, teacher: null })),
    offloaded: seen,
    all: seen.map((window, i) => ({ ...window, teacher: taught[i] ?? null })),
  };
  return new Map(
    WAYS.map(([name, verdicts, smoothing]) => {
      const heard = { labels, seen: streams[verdicts] };
      return [name, scoreBouts(heard, rules[smoothing], smoothing !== "raw")];
    }),
  );
}

/** What smoothing by learned lengths changes where verdicts come, paired by subject and seed. */
function gainsOf(bySubject: readonly (readonly Scored[])[]): {
  readonly boutF1: Interval;
  readonly errorPercent: Interval;
} {
  const random = prng(1, "budget-bootstrap");
  const gain = (of: (scores: BoutScores) => number): Interval =>
    bootstrapInterval(
      bySubject,
      (drawn) => {
        const differences = drawn.map(
          (one) =>
            of(scoresOf(one, "with verdicts, learned")) - of(scoresOf(one, "with verdicts, raw")),
        );
        return differences.reduce((sum, value) => sum + value, 0) / differences.length;
      },
      random,
    );
  return {
    boutF1: gain(({ boutF1 }) => boutF1),
    errorPercent: gain(
      ({ errorPercent }) => errorPercent.reduce((sum, e) => sum + e, 0) / errorPercent.length,
    ),
  };
}
