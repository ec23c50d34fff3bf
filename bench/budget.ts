/**
 * What smoothing is worth to people: time budgets and bouts on subjects that neither teacher, student
 * nor gate has seen, raw (each window's own behaviour) against smoothed (`src/behaviour`), with and
 * without the teacher's verdicts on what the gate offloads.
 *
 * The pair is trained here, as for `gate`; the real gate is replayed over each subject as a node, its
 * labelled bouts in an order drawn by chance (see `bout-order.ts`), one window after another. Its
 * answers, also those called raw, are after its own filter. Budgets: absolute error in percent of the
 * time, mean over subjects. Bouts: F1, where one is found if its behaviour is right and it shares half
 * of the time that both together cover (intersection over union). *Smoothed* goes by the defaults of
 * a gateway's configuration; *by lengths* by the mean length of each behaviour's labelled bouts of the
 * training and calibration subjects, as `behaviours.typical_seconds_of` would have it. Nothing is
 * fitted to the subjects that are tested. `--target N`, `--keep DIR`.
 */

import { parseConfig } from "../gateway/config.ts";
import { requireDataset } from "../recordings/open.ts";
import { readRecordings } from "../recordings/read.ts";
import { budgetOf } from "../src/behaviour/budget.ts";
import {
  type Answer,
  type SeenWindow,
  segment,
  type SegmentRule,
} from "../src/behaviour/segment.ts";
import { largestIndex } from "../src/learn/metrics.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import { holdOut } from "../src/signal/splits.ts";
import { hopMs, type Profile } from "../src/signal/profile.ts";
import { profileFor } from "../src/signal/profiles.ts";
import type { WindowSet } from "../src/signal/window-set.ts";
import { type BenchmarkOptions, type BenchmarkResult, table } from "./benchmark.ts";
import { type GateAnswers, runGateJob } from "./gate-job.ts";
import { replayGate } from "./gate-replay.ts";
import { knownSubjects } from "./subject-splits.ts";

const DEFAULT_SEEDS = 3;
const OVERLAP_LEAST = 0.5;

type Piece = { readonly classIndex: number; readonly startMs: number; readonly endMs: number };

type Scores = {
  /** By class, percent of the time; mean over subjects. */
  readonly errorPercent: readonly number[];
  readonly boutF1: number;
  /** Bouts found for each that there is. */
  readonly boutRatio: number;
  readonly accuracy: number;
};

export async function run(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const dataset = options.dataset ?? "cows";
  const folder = requireDataset(dataset, options.data);
  const recordings = await readRecordings(folder);
  const profile = profileFor(recordings);
  const known = await knownSubjects(folder, options);
  const test = options.test.length > 0 ? options.test : known.slice(0, 1);
  const given = options.train.length > 0 ? options.train : known;
  const rest = given.filter((subject) => !test.includes(subject));
  const { train, validation } = holdOut(rest, 1, 1);
  const lengths = boutLengths(makeWindows(recordings, profile, rest), profile);
  const seeds = options.quick ? 1 : (options.seeds ?? DEFAULT_SEEDS);
  const all: Map<string, Scores>[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    const answers = await runGateJob(
      {
        folder,
        train,
        calibration: validation,
        test,
        seed,
        quick: options.quick,
        student: options.student ?? "default",
        targetShare: Number(options.extra.target ?? 10) / 100,
        keep: options.extra.keep,
      },
      (share) => options.progress(`${dataset}: seed ${seed}`, share),
    );
    all.push(scoresOf(answers, profile, lengths, seed));
  }
  const names = [...(all[0]?.keys() ?? [])];
  const mean = names.map((name) => meanScores(all.map((one) => one.get(name) as Scores)));
  const rows = names.map((name, i) => rowOf(name, mean[i] as Scores));
  const title = [
    "",
    ...profile.classes.map((name) => `${name}, %`),
    "bout F1",
    "bouts",
    "accuracy",
  ];
  return {
    ok: mean.every(({ boutF1 }) => Number.isFinite(boutF1)),
    lines: [
      `${dataset}: trained on ${train.join(", ")}, calibrated on ${validation.join(", ")}, ` +
        `tested on ${test.join(", ")}; ${seeds} seed${seeds === 1 ? "" : "s"}`,
      "",
      ...table([title, ...rows]),
    ],
    figures: {
      dataset,
      train,
      test,
      seeds,
      scores: Object.fromEntries(names.map((n, i) => [n, mean[i]])),
    },
  };
}

function rowOf(name: string, scores: Scores): (string | number)[] {
  const { errorPercent, boutF1, boutRatio, accuracy } = scores;
  const errors = errorPercent.map((error) => error.toFixed(2));
  return [name, ...errors, boutF1.toFixed(3), boutRatio.toFixed(2), accuracy.toFixed(3)];
}

function meanScores(all: readonly Scores[]): Scores {
  const mean = (of: (one: Scores) => number): number =>
    all.reduce((sum, one) => sum + of(one), 0) / all.length;
  return {
    errorPercent: (all[0]?.errorPercent ?? []).map((_, c) =>
      mean((one) => one.errorPercent[c] ?? 0),
    ),
    boutF1: mean((one) => one.boutF1),
    boutRatio: mean((one) => one.boutRatio),
    accuracy: mean((one) => one.accuracy),
  };
}

/** Mean length of the labelled bouts of each class, in milliseconds. */
function boutLengths(windows: WindowSet, profile: Profile): number[] {
  return profile.classes.map((_, c) => {
    const own = [...windows.bouts].filter((_bout, i) => windows.labels[i] === c);
    return (hopMs(profile) * own.length) / Math.max(1, new Set(own).size);
  });
}

/** The rule that a gateway with default settings goes by. */
function defaultRule(profile: Profile): SegmentRule {
  const { behaviours } = parseConfig("", "budget.yaml", {});
  return {
    classes: profile.classes.length,
    hopMs: hopMs(profile),
    windowMs: (1000 * profile.windowSamples) / profile.rateHz,
    typicalMs: profile.classes.map(() => behaviours.typicalMs),
    gapMs: behaviours.gapMs,
  };
}

function scoresOf(
  answers: GateAnswers,
  profile: Profile,
  lengths: readonly number[],
  seed: number,
): Map<string, Scores> {
  const { calibration, records, teacher, test } = answers;
  const rule = defaultRule(profile);
  const replay = replayGate(calibration.parameters, records, test, teacher, seed);
  const taught = (i: number): Answer => {
    const row = teacher.subarray(i * rule.classes, (i + 1) * rule.classes);
    const classIndex = largestIndex(row);
    return { classIndex, confidence: row[classIndex] as number };
  };
  const windows = Array.from(
    { length: test.count },
    (_, i): SeenWindow => ({
      timeMs: (i + 1) * rule.hopMs,
      epoch: 0,
      windowIndex: i,
      student: {
        classIndex: replay.answers[i] as number,
        confidence: (replay.confidencesQ8[i] as number) / 255,
      },
      teacher: replay.offloaded[i] === 1 ? taught(i) : null,
    }),
  );
  const bare = windows.map((window) => ({ ...window, teacher: null }));
  const teacherOnly = windows.map((window, i) => ({ ...window, teacher: taught(i) }));
  const fitted = { ...rule, typicalMs: lengths };
  const ways: [string, readonly SeenWindow[], SegmentRule | null][] = [
    ["student, raw", bare, null],
    ["student, smoothed", bare, rule],
    ["student, by lengths", bare, fitted],
    ["with verdicts, raw", windows, null],
    ["with verdicts, smoothed", windows, rule],
    ["with verdicts, by lengths", windows, fitted],
    ["teacher alone, raw", teacherOnly, null],
    ["teacher alone, by lengths", teacherOnly, fitted],
  ];
  const subjects = [...new Set(test.subjects)];
  const of = <T>(values: ArrayLike<T>, subject: string): T[] =>
    Array.from(values).filter((_, i) => test.subjects[i] === subject);
  return new Map(
    ways.map(([name, seen, smooth]) => {
      const scores = subjects.map((subject) =>
        score(smooth ?? rule, of(test.labels, subject), of(seen, subject), smooth !== null),
      );
      return [name, meanScores(scores)];
    }),
  );
}

/** One subject: what was said of its windows against their labels. */
export function score(
  rule: SegmentRule,
  labels: readonly number[],
  seen: readonly SeenWindow[],
  smooth: boolean,
): Scores {
  const windows = seen.map((window, i) => ({ ...window, timeMs: (i + 1) * rule.hopMs }));
  const own = windows.map(({ teacher, student }) => (teacher ?? student).classIndex);
  const truth = piecesOf(labels, rule.hopMs);
  const said = smooth ? segment(rule, windows, null) : piecesOf(own, rule.hopMs);
  const span = { startMs: 0, endMs: labels.length * rule.hopMs };
  const wanted = budgetOf(truth, rule.classes, span);
  const got = budgetOf(said, rule.classes, span);
  const errorPercent = wanted.classMs.map(
    (ms, c) => (100 * Math.abs(ms - (got.classMs[c] ?? 0))) / wanted.elapsedMs,
  );
  const found = truth.filter((bout) => said.some((one) => isFound(bout, one))).length;
  const rightMs = truth.reduce((sum, bout) => sum + sharedWith(bout, said), 0);
  return {
    errorPercent,
    // One to one, since two that each share more than half with a third overlap each other.
    boutF1: (2 * found) / (truth.length + said.length),
    boutRatio: said.length / truth.length,
    accuracy: rightMs / wanted.elapsedMs,
  };
}

function piecesOf(classes: readonly number[], hop: number): Piece[] {
  const pieces: Piece[] = [];
  for (let from = 0; from < classes.length; ) {
    let to = from + 1;
    while (to < classes.length && classes[to] === classes[from]) to++;
    pieces.push({ classIndex: classes[from] as number, startMs: from * hop, endMs: to * hop });
    from = to;
  }
  return pieces;
}

function shared(a: Piece, b: Piece): number {
  if (a.classIndex !== b.classIndex) return 0;
  return Math.max(0, Math.min(a.endMs, b.endMs) - Math.max(a.startMs, b.startMs));
}

function sharedWith(bout: Piece, said: readonly Piece[]): number {
  return said.reduce((sum, one) => sum + shared(bout, one), 0);
}

/** Strictly more than half, so that a bout is found by one other at most. */
function isFound(a: Piece, b: Piece): boolean {
  const both = shared(a, b);
  return both > OVERLAP_LEAST * (a.endMs - a.startMs + b.endMs - b.startMs - both);
}
