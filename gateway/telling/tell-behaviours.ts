/** What people are told of bouts, time budgets and days that differ, as payloads. Pure. */

import { type Budget, meanBudget } from "../../src/behaviour/budget.ts";
import type { Change, ChangeRule } from "../../src/behaviour/change.ts";
import type { Bout, TrackEffect } from "../../src/behaviour/track.ts";
import type { NodeId } from "../../src/wire/messages.ts";
import {
  type Alert,
  type BoutEvent,
  type BudgetSpan,
  type GroupBudget,
  PUBLIC_VERSION,
  type PublicBout,
  type PublicBudget,
} from "../../src/wire/public.ts";
import { groupTopic, nodeTopic } from "../../src/wire/topics.ts";
import type { GatewayEffect, GatewayState } from "../gateway-state.ts";
import type { Spans } from "../herd/behaviour-state.ts";

const MINUTE_MS = 60_000;
const TEXT_MAX = 400;

type Told = Exclude<TrackEffect, { kind: "sealed" }>;

export function tellBout(state: GatewayState, node: NodeId, effect: Told): GatewayEffect {
  const number = (effect.after ?? effect.before)?.number;
  const of = (bout: Bout | null): PublicBout | null =>
    bout === null ? null : publicBout(state.settings.classes, node, bout);
  const event: BoutEvent = {
    v: PUBLIC_VERSION,
    type: effect.kind,
    id: `${node}:${number}`,
    before: of(effect.before),
    after: of(effect.after),
  };
  return tell(nodeTopic(state.settings.base, node, "bout"), event, false);
}

export function publicBout(classes: readonly string[], node: string, bout: Bout): PublicBout {
  return {
    node,
    behaviour: classes[bout.classIndex] ?? `class ${bout.classIndex}`,
    start: Math.max(0, Math.round(bout.startMs)),
    end: bout.over ? bout.endMs : null,
    duration_seconds: rounded((bout.endMs - bout.startMs) / 1000),
    confidence: rounded(bout.confidence),
    windows: bout.windows,
    taught: bout.taught,
  };
}

export function tellBudget(
  state: GatewayState,
  node: NodeId,
  spans: Spans,
  nowMs: number,
): GatewayEffect {
  const { classes, base } = state.settings;
  const budget: PublicBudget = {
    v: PUBLIC_VERSION,
    node,
    time: nowMs,
    ...publicSpans(classes, spans),
  };
  return tell(nodeTopic(base, node, "budget"), budget, true);
}

/** Its members may have heard of different moments; each span ends with the latest of them. */
export function tellGroupBudget(
  state: GatewayState,
  group: string,
  members: readonly Spans[],
  nowMs: number,
): GatewayEffect {
  const { classes, base } = state.settings;
  const topic = groupTopic(base, group, "budget");
  const [first] = members;
  // Nobody has been heard: nothing is retained.
  if (first === undefined) return { kind: "tell", topic, json: "", qos: 1, retain: true };
  const latest = members.reduce((a, b) => (b.endMs > a.endMs ? b : a), first);
  const mean = (of: (spans: Spans) => Budget): Budget => meanBudget(members.map(of)) as Budget;
  const spans: Spans = {
    ...latest,
    hour: mean(({ hour }) => hour),
    day: mean(({ day }) => day),
    yesterday: mean(({ yesterday }) => yesterday),
  };
  const budget: GroupBudget = {
    v: PUBLIC_VERSION,
    group,
    nodes: members.length,
    time: nowMs,
    ...publicSpans(classes, spans),
  };
  return tell(topic, budget, true);
}

export function tellAlert(
  state: GatewayState,
  node: NodeId,
  rule: ChangeRule,
  dayMs: number,
  change: Change,
): GatewayEffect {
  const { classes, base } = state.settings;
  const behaviours = rule.classIndices.map((c) => classes[c] ?? `class ${c}`);
  const way = change.changePercent < 0 ? "down" : "up";
  const alert: Alert = {
    v: PUBLIC_VERSION,
    id: `${node}:${rule.name}:${dayMs}`,
    node,
    rule: rule.name,
    behaviours,
    day: dayMs,
    minutes: rounded(change.minutes),
    baseline_minutes: rounded(change.baselineMinutes),
    change_percent: rounded(change.changePercent),
    deviations: rounded(change.deviations),
    days: change.days,
    message: (
      `${node}: ${behaviours.join(" and ")} ${way} ${Math.abs(change.changePercent).toFixed(0)} %, ` +
      `${change.minutes.toFixed(0)} minutes a day where the median of ${change.days} days is ` +
      change.baselineMinutes.toFixed(0)
    ).slice(0, TEXT_MAX),
  };
  return tell(nodeTopic(base, node, "alert"), alert, false);
}

function publicSpans(
  classes: readonly string[],
  { startMs, endMs, hour, day, yesterday }: Spans,
): { readonly hour: BudgetSpan; readonly day: BudgetSpan; readonly yesterday: BudgetSpan } {
  return {
    hour: publicSpan(classes, hour, startMs.hour, endMs),
    day: publicSpan(classes, day, startMs.day, endMs),
    yesterday: publicSpan(classes, yesterday, startMs.yesterday, startMs.day),
  };
}

export function publicSpan(
  classes: readonly string[],
  budget: Budget,
  startMs: number,
  endMs: number,
): BudgetSpan {
  const minutes = classes.map((name, c) => [name, rounded((budget.classMs[c] ?? 0) / MINUTE_MS)]);
  return {
    start: Math.max(0, startMs),
    end: Math.max(0, endMs),
    minutes: Object.fromEntries(minutes) as Record<string, number>,
    unknown_minutes: Math.max(0, rounded(budget.unknownMs / MINUTE_MS)),
  };
}

function tell(topic: string, payload: unknown, retain: boolean): GatewayEffect {
  return { kind: "tell", topic, json: JSON.stringify(payload), qos: 1, retain };
}

/** As people are told figures. */
export function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
