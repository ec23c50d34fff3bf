/**
 * Whether an animal's day differs from its own days before: a rule such as "rumination down 20 %".
 *
 * Days are compared by their share of the *known* time, so that a collar that was silent for hours
 * does not look like an animal that stopped grazing; days of which too little is known are left out.
 * The baseline is the median of the last days, and the change must also stand out from how much these
 * days differ among themselves (median absolute deviation, scaled by 1.4826 to be a standard
 * deviation for normal figures; Rousseeuw and Croux, J. Am. Stat. Assoc. 88, 1993). Neither is moved
 * by a single odd day. It says that something changed, not why.
 */

import type { Budget } from "./budget.ts";

const MAD_TO_DEVIATION = 1.4826;
const MINUTES_A_DAY = 1_440;

export type ChangeRule = {
  readonly name: string;
  /** Their time is added up. */
  readonly classIndices: readonly number[];
  /** Percent of the baseline; below 0 for less than usual, above for more. */
  readonly changePercent: number;
};

export type BaselineRule = {
  /** The last days that are looked at, and how many of them must be good for anything to be said. */
  readonly days: number;
  readonly daysLeast: number;
  /** Share of a day that must be known, 0 to 1. */
  readonly knownLeast: number;
  /** The change is this many deviations at least. */
  readonly deviationsLeast: number;
};

export type Change = {
  /** Minutes of a wholly known day. */
  readonly minutes: number;
  readonly baselineMinutes: number;
  readonly changePercent: number;
  /** In deviations of the days before. */
  readonly deviations: number;
  readonly days: number;
  readonly alarm: boolean;
};

/** @param before the days before, any order. Undefined where too little is known to compare. */
export function changeOf(
  rule: ChangeRule,
  baseline: BaselineRule,
  day: Budget,
  before: readonly Budget[],
): Change | undefined {
  const good = before.filter((one) => isKnown(one, baseline));
  if (!isKnown(day, baseline) || good.length < baseline.daysLeast) return undefined;
  const days = good.map((one) => minutesOf(rule, one));
  const baselineMinutes = middle(days);
  if (baselineMinutes === 0) return undefined;
  const minutes = minutesOf(rule, day);
  const spread = MAD_TO_DEVIATION * middle(days.map((one) => Math.abs(one - baselineMinutes)));
  const changePercent = (100 * (minutes - baselineMinutes)) / baselineMinutes;
  // Days that are all alike to the minute would make anything stand out.
  const deviations = (minutes - baselineMinutes) / Math.max(1, spread);
  const isFar =
    rule.changePercent < 0
      ? changePercent <= rule.changePercent && -deviations >= baseline.deviationsLeast
      : changePercent >= rule.changePercent && deviations >= baseline.deviationsLeast;
  return {
    minutes,
    baselineMinutes,
    changePercent,
    deviations,
    days: good.length,
    alarm: isFar,
  };
}

function isKnown({ elapsedMs, unknownMs }: Budget, { knownLeast }: BaselineRule): boolean {
  return elapsedMs > 0 && elapsedMs - unknownMs >= knownLeast * elapsedMs;
}

function minutesOf(rule: ChangeRule, { classMs, elapsedMs, unknownMs }: Budget): number {
  const sum = rule.classIndices.reduce((total, c) => total + (classMs[c] ?? 0), 0);
  return (MINUTES_A_DAY * sum) / (elapsedMs - unknownMs);
}

function middle(values: readonly number[]): number {
  const ordered = [...values].sort((a, b) => a - b);
  const half = ordered.length >> 1;
  const high = ordered[half] ?? 0;
  return ordered.length % 2 === 1 ? high : ((ordered[half - 1] ?? 0) + high) / 2;
}
