/**
 * From windows to runs of one behaviour: the most likely sequence, where each change costs as much
 * evidence as a change is rare. Not a filter: a window's neighbours on both sides speak for it.
 *
 * Viterbi's algorithm (Rabiner, Proceedings of the IEEE 77, 1989) over behaviours that all follow one
 * another alike, so that a step costs C operations and not C²:
 *
 *     score[t][c] = evidence[t][c] + max(score[t-1][c], max over d of score[t-1][d] - entry[c])
 *
 * Windows overlap, so that each sample speaks in several; their evidence is scaled to count it once.
 * Scores are whole numbers, so that equal evidence is equal however it was added up.
 * Where nothing was reported for longer than `gapMs` the sequence ends and begins anew.
 */

import { largestIndex } from "../learn/metrics.ts";

/** Parts of a natural logarithm's unit. */
const NAT = 1_024;
/** The chance of a class is kept this far from 0 and 1: no single window is proof. */
const CHANCE_LEAST = 0.01;

export type Answer = {
  readonly classIndex: number;
  /** Chance of being right, 0 to 1. */
  readonly confidence: number;
};

export type SeenWindow = {
  /** End of the window, by the node's clock. */
  readonly timeMs: number;
  /** The node's life, and the window's number in it. */
  readonly epoch: number;
  readonly windowIndex: number;
  readonly student: Answer;
  /** The teacher's trusted answer, once it has come. */
  teacher: Answer | null;
};

export type SegmentRule = {
  readonly classes: number;
  /** From one window to the next, and how long one is. */
  readonly hopMs: number;
  readonly windowMs: number;
  /** How long a bout of each class typically lasts: shorter ones need more evidence. */
  readonly typicalMs: readonly number[];
  /** A longer silence between two windows is unknown time; a shorter belongs to the later window. */
  readonly gapMs: number;
};

/** Windows in a row of one class, `[from, to)`; their time is `(startMs, endMs]`. */
export type Run = {
  readonly classIndex: number;
  readonly from: number;
  readonly to: number;
  readonly startMs: number;
  readonly endMs: number;
  /** Whether it goes on where the time before the first window ended, without a gap. */
  readonly follows: boolean;
};

/** Where the windows before ended, of what class. */
export type Before = { readonly classIndex: number; readonly endMs: number };

/** @param windows in the order of time, none at or before the end of `before` */
export function segment(
  rule: SegmentRule,
  windows: readonly SeenWindow[],
  before: Before | null,
): Run[] {
  const runs: Run[] = [];
  let last = before;
  for (let from = 0; from < windows.length; ) {
    const first = windows[from] as SeenWindow;
    const follows = last !== null && first.timeMs - last.endMs <= rule.gapMs;
    let to = from + 1;
    while (to < windows.length && gapBefore(windows, to) <= rule.gapMs) to++;
    const startMs = follows && last !== null ? last.endMs : firstMoment(rule, first, last);
    const classes = likeliest(rule, windows.slice(from, to), follows ? last : null);
    runs.push(...runsOf(windows, classes, from, startMs, follows));
    const end = runs.at(-1) as Run;
    last = { classIndex: end.classIndex, endMs: end.endMs };
    from = to;
  }
  return runs;
}

/** Chance of a class by one window: the teacher's word where there is one. */
export function chanceOf(rule: SegmentRule, window: SeenWindow, classIndex: number): number {
  const answer = window.teacher ?? window.student;
  const least = 1 / rule.classes;
  const top = Math.min(1 - CHANCE_LEAST, Math.max(least, answer.confidence));
  if (answer.classIndex === classIndex) return top;
  return Math.max(CHANCE_LEAST / rule.classes, (1 - top) / Math.max(1, rule.classes - 1));
}

function gapBefore(windows: readonly SeenWindow[], at: number): number {
  return (windows[at] as SeenWindow).timeMs - (windows[at - 1] as SeenWindow).timeMs;
}

/** A first window stands for one hop, and for nothing that is counted already. */
function firstMoment(rule: SegmentRule, first: SeenWindow, last: Before | null): number {
  return Math.max(first.timeMs - rule.hopMs, last?.endMs ?? Number.NEGATIVE_INFINITY);
}

function likeliest(
  rule: SegmentRule,
  windows: readonly SeenWindow[],
  before: Before | null,
): Uint8Array {
  const { classes } = rule;
  const entry = rule.typicalMs.map((typical) =>
    Math.round(NAT * Math.log(Math.max(1, typical / rule.hopMs))),
  );
  const weight = NAT * Math.min(1, rule.hopMs / rule.windowMs);
  const cameFrom = new Uint8Array(windows.length * classes);
  let scores = Float64Array.from({ length: classes }, (_, c) =>
    before === null || before.classIndex === c ? 0 : -(entry[c] as number),
  );
  windows.forEach((window, t) => {
    const best = largestIndex(scores);
    const next = new Float64Array(classes);
    for (let c = 0; c < classes; c++) {
      const stay = scores[c] as number;
      const enter = (scores[best] as number) - (entry[c] as number);
      const stays = t === 0 || stay >= enter;
      cameFrom[t * classes + c] = stays ? c : best;
      const evidence = Math.round(weight * Math.log(chanceOf(rule, window, c)));
      next[c] = (stays ? stay : enter) + evidence;
    }
    scores = next;
  });
  const path = new Uint8Array(windows.length);
  // The first of equals, so that the same windows always give the same runs.
  let at = largestIndex(scores);
  for (let t = windows.length - 1; t >= 0; t--) {
    path[t] = at;
    at = cameFrom[t * classes + at] as number;
  }
  return path;
}

function runsOf(
  windows: readonly SeenWindow[],
  classes: Uint8Array,
  offset: number,
  startMs: number,
  follows: boolean,
): Run[] {
  const runs: Run[] = [];
  for (let from = 0; from < classes.length; ) {
    let to = from + 1;
    while (to < classes.length && classes[to] === classes[from]) to++;
    runs.push({
      classIndex: classes[from] as number,
      from: offset + from,
      to: offset + to,
      startMs: runs.at(-1)?.endMs ?? startMs,
      endMs: (windows[offset + to - 1] as SeenWindow).timeMs,
      follows: follows || from > 0,
    });
    from = to;
  }
  return runs;
}
