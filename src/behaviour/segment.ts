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
import type { OpenWindows } from "./open-windows.ts";

/** Parts of a natural logarithm's unit. */
const NAT = 1_024;
/** The chance of a class is kept this far from 0 and 1: no single window is proof. */
const CHANCE_LEAST = 0.01;

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

/** @param windows none at or before the end of `before` */
export function segment(rule: SegmentRule, windows: OpenWindows, before: Before | null): Run[] {
  const runs: Run[] = [];
  let last = before;
  for (let from = 0; from < windows.count; ) {
    const firstMs = windows.timeMs(from);
    const follows = last !== null && firstMs - last.endMs <= rule.gapMs;
    let to = from + 1;
    while (to < windows.count && windows.timeMs(to) - windows.timeMs(to - 1) <= rule.gapMs) to++;
    const startMs = follows && last !== null ? last.endMs : firstMoment(rule, firstMs, last);
    const classes = likeliest(rule, windows, from, to, follows ? last : null);
    runs.push(...runsOf(windows, classes, from, startMs, follows));
    const end = runs.at(-1) as Run;
    last = { classIndex: end.classIndex, endMs: end.endMs };
    from = to;
  }
  return runs;
}

/** Chance of a class by the window of a row. */
export function chanceOf(
  rule: SegmentRule,
  windows: OpenWindows,
  row: number,
  classIndex: number,
): number {
  const top = chanceOfTop(rule, windows.confidence(row));
  return windows.classIndex(row) === classIndex ? top : chanceOfOther(rule, top);
}

/** Of the class that was answered. */
function chanceOfTop({ classes }: SegmentRule, confidence: number): number {
  return Math.min(1 - CHANCE_LEAST, Math.max(1 / classes, confidence));
}

function chanceOfOther({ classes }: SegmentRule, top: number): number {
  return Math.max(CHANCE_LEAST / classes, (1 - top) / Math.max(1, classes - 1));
}

/** A first window stands for one hop, and for nothing that is counted already. */
function firstMoment(rule: SegmentRule, firstMs: number, last: Before | null): number {
  return Math.max(firstMs - rule.hopMs, last?.endMs ?? Number.NEGATIVE_INFINITY);
}

/** The class of each window `[from, to)`. */
function likeliest(
  rule: SegmentRule,
  windows: OpenWindows,
  from: number,
  to: number,
  before: Before | null,
): Uint8Array {
  const { classes } = rule;
  const entry = rule.typicalMs.map((typical) =>
    Math.round(NAT * Math.log(Math.max(1, typical / rule.hopMs))),
  );
  const weight = NAT * Math.min(1, rule.hopMs / rule.windowMs);
  const cameFrom = new Uint8Array((to - from) * classes);
  const scores = Float64Array.from({ length: classes }, (_, c) =>
    before === null || before.classIndex === c ? 0 : -(entry[c] as number),
  );
  for (let t = 0; t < to - from; t++) {
    const best = largestIndex(scores);
    const bestScore = scores[best] as number;
    const answered = windows.classIndex(from + t);
    const top = chanceOfTop(rule, windows.confidence(from + t));
    const forTop = Math.round(weight * Math.log(top));
    const forOther = Math.round(weight * Math.log(chanceOfOther(rule, top)));
    for (let c = 0; c < classes; c++) {
      const stay = scores[c] as number;
      const enter = bestScore - (entry[c] as number);
      const stays = t === 0 || stay >= enter;
      cameFrom[t * classes + c] = stays ? c : best;
      scores[c] = (stays ? stay : enter) + (c === answered ? forTop : forOther);
    }
  }
  const path = new Uint8Array(to - from);
  // The first of equals, so that the same windows always give the same runs.
  let at = largestIndex(scores);
  for (let t = path.length - 1; t >= 0; t--) {
    path[t] = at;
    at = cameFrom[t * classes + at] as number;
  }
  return path;
}

function runsOf(
  windows: OpenWindows,
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
      endMs: windows.timeMs(offset + to - 1),
      follows: follows || from > 0,
    });
    from = to;
  }
  return runs;
}
