/**
 * Time budgets: how long a node did what, in a stretch of time such as an hour or a day, and how much
 * of it nobody knows. They are sums over bouts and nothing else, so they follow every correction, and
 * with the unknown they add up to the time that has passed.
 */

import type { Bout } from "./track.ts";

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

export type Span = { readonly startMs: number; readonly endMs: number };

export type Budget = {
  /** From the start to the end of the span. */
  readonly elapsedMs: number;
  /** By class index. */
  readonly classMs: readonly number[];
  readonly unknownMs: number;
};

/** @param bouts of one node, none overlapping another */
export function budgetOf(
  bouts: Iterable<Pick<Bout, "classIndex" | "startMs" | "endMs">>,
  classes: number,
  span: Span,
): Budget {
  const elapsedMs = Math.max(0, span.endMs - span.startMs);
  const classMs = Array.from({ length: classes }, () => 0);
  let known = 0;
  for (const bout of bouts) {
    const inside = Math.min(bout.endMs, span.endMs) - Math.max(bout.startMs, span.startMs);
    const before = classMs[bout.classIndex];
    if (inside <= 0 || before === undefined) continue;
    classMs[bout.classIndex] = before + inside;
    known += inside;
  }
  return { elapsedMs, classMs, unknownMs: elapsedMs - known };
}

/** What an average member of a group did; null for no members. */
export function meanBudget(budgets: readonly Budget[]): Budget | null {
  const [first] = budgets;
  if (first === undefined) return null;
  const mean = (of: (budget: Budget) => number): number =>
    budgets.reduce((sum, budget) => sum + of(budget), 0) / budgets.length;
  return {
    elapsedMs: mean(({ elapsedMs }) => elapsedMs),
    classMs: first.classMs.map((_, c) => mean(({ classMs }) => classMs[c] ?? 0)),
    unknownMs: mean(({ unknownMs }) => unknownMs),
  };
}

/** When the hour began that holds a moment. */
export function hourStart(timeMs: number): number {
  return Math.floor(timeMs / HOUR_MS) * HOUR_MS;
}

/** When the day began that holds a moment, where midnight is so far ahead of UTC's. */
export function dayStart(timeMs: number, offsetMs: number): number {
  return Math.floor((timeMs + offsetMs) / DAY_MS) * DAY_MS - offsetMs;
}
