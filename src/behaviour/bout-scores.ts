/**
 * How far the bouts and the time budget that people are told are from those of the labels.
 *
 * A bout is found if one of the same behaviour shares more than half of the time that both together
 * cover (intersection over union), as detections are scored.
 */
import { budgetOf } from "./budget.ts";
import { OpenWindows, type SeenWindow } from "./open-windows.ts";
import { segment, type SegmentRule } from "./segment.ts";

/** Strictly more than this share, so that a bout is found by one other at most. */
const OVERLAP_LEAST = 0.5;

export type BoutScores = {
  /** By class, percent of the time. */
  readonly errorPercent: readonly number[];
  readonly boutF1: number;
  /** Bouts told for each that there is. */
  readonly boutRatio: number;
  readonly accuracy: number;
};

/** Windows of one node in the order of time, one hop apart, and the class of each. */
export type LabelledStream = {
  readonly labels: readonly number[];
  readonly seen: readonly SeenWindow[];
};

type Piece = { readonly classIndex: number; readonly startMs: number; readonly endMs: number };

/** @param smooth false for each window by itself; of the rule only `classes` and `hopMs` count then */
export function scoreBouts(
  { labels, seen }: LabelledStream,
  rule: SegmentRule,
  smooth: boolean,
): BoutScores {
  const windows = seen.map((window, i) => ({ ...window, timeMs: (i + 1) * rule.hopMs }));
  const own = windows.map(({ teacher, student }) => (teacher ?? student).classIndex);
  const truth = piecesOf(labels, rule.hopMs);
  const told = smooth ? segment(rule, OpenWindows.of(windows), null) : piecesOf(own, rule.hopMs);
  const span = { startMs: 0, endMs: labels.length * rule.hopMs };
  const wanted = budgetOf(truth, rule.classes, span);
  const got = budgetOf(told, rule.classes, span);
  const errorPercent = wanted.classMs.map(
    (ms, c) => (100 * Math.abs(ms - (got.classMs[c] ?? 0))) / wanted.elapsedMs,
  );
  const found = truth.filter((bout) => told.some((one) => isFound(bout, one))).length;
  const rightMs = truth.reduce((sum, bout) => sum + sharedWith(bout, told), 0);
  return {
    errorPercent,
    // One to one, since two that each share more than half with a third overlap each other.
    boutF1: (2 * found) / (truth.length + told.length),
    boutRatio: told.length / truth.length,
    accuracy: rightMs / wanted.elapsedMs,
  };
}

/** Each figure's mean over streams, all alike however long they are. */
export function meanScores(all: readonly BoutScores[]): BoutScores {
  const mean = (of: (one: BoutScores) => number): number =>
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

function sharedWith(bout: Piece, told: readonly Piece[]): number {
  return told.reduce((sum, one) => sum + shared(bout, one), 0);
}

function isFound(a: Piece, b: Piece): boolean {
  const both = shared(a, b);
  return both > OVERLAP_LEAST * (a.endMs - a.startMs + b.endMs - b.startMs - both);
}
