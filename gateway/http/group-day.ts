/**
 * What the page of a group is told: a day of each of its nodes, short, and of the average one. Budgets
 * as on the public topics; bouts as three numbers each, since a group may have hundreds of nodes.
 */

import { type Budget, budgetOf, meanBudget, type Span } from "../../src/behaviour/budget.ts";
import type { Bout } from "../../src/behaviour/track.ts";
import { publicSpan } from "../telling/tell-behaviours.ts";
import { type DayRule, toldDay } from "./animal-day.ts";
import type { GroupDay } from "./group-payloads.ts";

/** Bounds of an answer: more are no different on a page. */
export const GROUP_LIMITS = {
  /** In the order of the configuration. */
  nodes: 200,
  /** Of a node and a day; one every two minutes. */
  bouts: 720,
} as const;

export type StoredMember = {
  readonly node: string;
  /** Undefined of a node without a bout. */
  readonly known: Span | undefined;
  /** Those that touch the day. */
  readonly bouts: readonly Bout[];
};

/** @param span of the day @param known of all members together; null where none has a bout */
export function groupDay(
  group: string,
  span: Span,
  known: Span | null,
  members: readonly StoredMember[],
  classes: readonly string[],
  { utcOffsetMs }: Pick<DayRule, "utcOffsetMs">,
): GroupDay {
  const { startMs } = span;
  const told = toldDay(span, known, utcOffsetMs);
  const untilMs = told.known_until;
  const until = { startMs, endMs: untilMs };
  const budgets = new Map<string, Budget>();
  const nodes = members.map(({ node, known: own, bouts }) => {
    const budget = budgetOf(bouts, classes.length, until);
    if (own !== undefined) budgets.set(node, budget);
    return {
      node,
      budget: own === undefined ? null : publicSpan(classes, budget, startMs, untilMs),
      bouts: bouts.slice(0, GROUP_LIMITS.bouts).map((bout) => {
        return [bout.classIndex, Math.round(bout.startMs), Math.round(bout.endMs)] as const;
      }),
    };
  });
  const mean = meanBudget([...budgets.values()]);
  return {
    v: 1,
    group,
    classes,
    ...told,
    budget: mean === null ? null : publicSpan(classes, mean, startMs, untilMs),
    nodes,
  };
}

/** From the first bout of any member to the last of any. */
export function knownOf(members: readonly StoredMember[]): Span | null {
  const spans = members.flatMap(({ known }) => known ?? []);
  if (spans.length === 0) return null;
  return {
    startMs: Math.min(...spans.map(({ startMs }) => startMs)),
    endMs: Math.max(...spans.map(({ endMs }) => endMs)),
  };
}
