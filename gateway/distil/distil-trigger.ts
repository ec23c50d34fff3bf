/**
 * When to distil: when people have labelled enough, by drift alarm, by count, by schedule. Pure.
 *
 * An alarm opens a collection: the nodes that raised it send a burst of diverse windows. With enough
 * answers the teacher is judged first; where it does not know the signal nothing is distilled, and the
 * same answers are not judged again.
 */

import type { NodeId } from "../../src/wire/messages.ts";
import { judgeTrust, type TrustRule, type TrustVerdict } from "../teacher/teacher-trust.ts";

export type TriggerRule = {
  /** Trusted answers to wait for after an alarm, over all nodes. */
  readonly labelsWanted: number;
  /** With these it goes on all the same when `patienceMs` have passed. */
  readonly labelsLeast: number;
  readonly patienceMs: number;
  /** Distils without an alarm after this many new trusted answers. */
  readonly labelsCount: number;
  /** Distils without an alarm this long after the last time, given `labelsLeast`; 0 for never. */
  readonly scheduleMs: number;
  /** Distils with this many new labels of people, or with the least when they have stopped. */
  readonly peopleWanted: number;
  readonly peopleLeast: number;
  readonly peopleQuietMs: number;
  readonly trust: TrustRule;
};

const DAY_MS = 24 * 3600 * 1000;

export const DEFAULT_TRIGGER_RULE: Omit<TriggerRule, "trust"> = {
  labelsWanted: 75,
  labelsLeast: 24,
  patienceMs: DAY_MS / 24,
  labelsCount: 500,
  scheduleMs: 7 * DAY_MS,
  peopleWanted: 48,
  peopleLeast: 16,
  peopleQuietMs: DAY_MS / 144,
};

/** An answer that no distillation has used or judged. */
export type FreshAnswer = {
  readonly offloadId: number;
  readonly node: NodeId;
  readonly trusted: boolean;
  readonly answeredMs: number;
};

export type TriggerState = {
  /** Nodes with an open alarm, and since when. */
  readonly alarms: ReadonlyMap<NodeId, number>;
  /** Answers above the last used offload id. */
  readonly fresh: readonly FreshAnswer[];
  readonly lastDistilMs: number;
  /** Labels of people that no distillation has used, and when the newest came. */
  readonly people?: undefined | { readonly fresh: number; readonly newestMs: number };
  /** An operator wants one now: from whatever is fresh, if the teacher is trusted on it. */
  readonly asked?: boolean;
};

export type TriggerCause = "drift" | "count" | "schedule" | "request" | "people";

export type TriggerDecision =
  | { readonly kind: "idle" }
  /** An alarm is open: that many answers more, from these nodes. */
  | { readonly kind: "collect"; readonly missing: number; readonly nodes: readonly NodeId[] }
  | ToDistil
  | { readonly kind: "not-trusted"; readonly verdict: TrustVerdict };

export type ToDistil =
  | {
      readonly kind: "distil";
      readonly cause: Exclude<TriggerCause, "people">;
      readonly verdict: TrustVerdict;
    }
  /** What people say needs nobody's trust. */
  | { readonly kind: "distil"; readonly cause: "people" };

export function decideDistillation(
  state: TriggerState,
  rule: TriggerRule,
  nowMs: number,
): TriggerDecision {
  if (peopleAreDone(state, rule, nowMs)) return { kind: "distil", cause: "people" };
  if (state.asked === true) return judged(state.fresh, "request", rule);
  const drift = afterAlarms(state, rule, nowMs);
  if (drift !== undefined) return drift;
  const trusted = state.fresh.filter((answer) => answer.trusted).length;
  const due = rule.scheduleMs > 0 && nowMs - state.lastDistilMs >= rule.scheduleMs;
  const counted = trusted >= rule.labelsCount;
  if (!counted && !(due && trusted >= rule.labelsLeast)) return { kind: "idle" };
  return judged(state.fresh, counted ? "count" : "schedule", rule);
}

function peopleAreDone({ people }: TriggerState, rule: TriggerRule, nowMs: number): boolean {
  if (people === undefined) return false;
  const isQuiet = nowMs - people.newestMs >= rule.peopleQuietMs;
  return people.fresh >= rule.peopleWanted || (isQuiet && people.fresh >= rule.peopleLeast);
}

function afterAlarms(
  state: TriggerState,
  rule: TriggerRule,
  nowMs: number,
): TriggerDecision | undefined {
  if (state.alarms.size === 0) return undefined;
  const answers = state.fresh.filter(
    (answer) => answer.answeredMs >= Number(state.alarms.get(answer.node)),
  );
  const trusted = answers.filter((answer) => answer.trusted).length;
  const oldestMs = Math.min(...state.alarms.values());
  const patient = nowMs - oldestMs < rule.patienceMs;
  if (answers.length >= rule.labelsWanted || (!patient && answers.length >= rule.labelsLeast)) {
    const decision = judged(answers, "drift", rule);
    // Trusted on the whole, but too few of them yet to learn from.
    if (decision.kind === "not-trusted" || trusted >= rule.labelsLeast) return decision;
  }
  const missing = Math.max(1, rule.labelsWanted - answers.length);
  return { kind: "collect", missing, nodes: [...state.alarms.keys()] };
}

function judged(
  answers: readonly FreshAnswer[],
  cause: Exclude<TriggerCause, "people">,
  rule: TriggerRule,
): TriggerDecision {
  const verdict = judgeTrust(answers, rule.trust);
  return verdict.trusted ? { kind: "distil", cause, verdict } : { kind: "not-trusted", verdict };
}
