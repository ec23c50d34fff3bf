/**
 * Bouts, time budgets and alerts of a herd: what the gateway's events mean for `src/behaviour`, and
 * what of it is told and stored. Pure.
 *
 * A day is judged once, when nothing that still may come could change it: that it was is stored with
 * its budget, so that a restart neither forgets a day nor alarms twice for one.
 */

import { type Budget, DAY_MS, dayStart, HOUR_MS, hourStart } from "../../src/behaviour/budget.ts";
import { type ChangeRule, changeOf } from "../../src/behaviour/change.ts";
import { believedWindows, isFarAhead } from "../../src/behaviour/clock-ahead.ts";
import { addBout, newDayCells, spanBudget } from "../../src/behaviour/day-cells.ts";
import {
  type Bout,
  newestMs,
  newTrack,
  restoreTrack,
  stepTrack,
  type TrackEffect,
  type TrackEvent,
} from "../../src/behaviour/track.ts";
import type { NodeId } from "../../src/wire/messages.ts";
import type { GatewayEffect, GatewayState, NodeState, Verdict } from "../gateway-state.ts";
import type { Offload, Report, StoredBehaviours } from "../store/label-rows.ts";
import { tellAlert, tellBout, tellBudget, tellGroupBudget } from "../telling/tell-behaviours.ts";
import type { BehaviourConfig } from "./behaviour-config.ts";
import type { BehaviourDesk, NodeBehaviours, Spans } from "./behaviour-state.ts";

/** A node's bouts from the store, at a start. What is told and stored differently now is returned. */
export function restoreBehaviours(
  state: GatewayState,
  node: NodeId,
  stored: StoredBehaviours,
  nowMs: number,
): GatewayEffect[] {
  const { rule, nodes } = state.behaviours;
  const before = stored.last?.endMs ?? Number.NEGATIVE_INFINITY;
  const windows = believedWindows(stored.windows, before, nowMs);
  const { track, effects } = restoreTrack(stored, windows, rule);
  const cells = newDayCells(rule.classes);
  for (const bout of stored.recent) addBout(cells, bout);
  nodes.set(node, { track, cells, days: stored.days, changed: true });
  return perform(state, node, effects);
}

export function onReportedWindows(
  state: GatewayState,
  node: NodeState,
  report: Report,
  nowMs: number,
): GatewayEffect[] {
  const { classes } = state.behaviours.rule;
  const known = report.entries
    .filter(({ classIndex }) => classIndex < classes)
    .map((entry) => ({
      timeMs: entry.timeMs,
      epoch: report.epoch,
      windowIndex: entry.windowIndex,
      student: { classIndex: entry.classIndex, confidence: entry.confidenceQ8 / 255 },
      teacher: null,
    }));
  if (known.length === 0) return [];
  const { track } = behavioursOf(state, node.row.node);
  const windows = believedWindows(known, newestMs(track), nowMs);
  track.late += known.length - windows.length;
  return windows.length === 0 ? [] : step(state, node.row.node, { kind: "windows", windows });
}

/** A verdict that is not trusted says nothing. */
export function onVerdict(
  state: GatewayState,
  node: NodeState,
  { epoch, windowIndex, timeMs }: Offload,
  { classIndex, confidence, trusted }: Verdict,
  nowMs: number,
): GatewayEffect[] {
  if (!trusted) return [];
  const { track } = behavioursOf(state, node.row.node);
  if (isFarAhead(timeMs, newestMs(track), nowMs)) {
    track.late++;
    return [];
  }
  const answer = { classIndex, confidence };
  return step(state, node.row.node, { kind: "verdict", epoch, windowIndex, timeMs, answer });
}

export function onBehavioursTick(state: GatewayState, nowMs: number): GatewayEffect[] {
  const desk = state.behaviours;
  if (state.uptimeMs - desk.toldUptimeMs < desk.config.budgetMs) return [];
  desk.toldUptimeMs = state.uptimeMs;
  // Hours end for silent nodes as well.
  const isNewHour = hourStart(nowMs) !== desk.toldHourMs;
  desk.toldHourMs = hourStart(nowMs);
  const effects: GatewayEffect[] = [];
  for (const [id, behaviours] of desk.nodes) {
    const node = state.nodes.get(id);
    if (node !== undefined && !node.online) effects.push(...step(state, id, { kind: "away" }));
    if (behaviours.changed || isNewHour) {
      effects.push(tellBudget(state, id, spansOf(desk, behaviours, nowMs), nowMs));
      const put = behaviours.track.bouts.map((bout) => ({ ...bout, stands: false }));
      if (put.length > 0) effects.push(storeBouts(id, put, []));
    }
    behaviours.changed = false;
    effects.push(...judgeDay(state, id, behaviours, nowMs));
  }
  return [...effects, ...tellGroups(state, nowMs)];
}

/** Budgets again, for a broker that has forgotten them. */
export function tellBudgets(state: GatewayState, nowMs: number): GatewayEffect[] {
  const desk = state.behaviours;
  const nodes = [...desk.nodes].map(([id, behaviours]) =>
    tellBudget(state, id, spansOf(desk, behaviours, nowMs), nowMs),
  );
  return [...nodes, ...tellGroups(state, nowMs)];
}

/** Until now, or until the end of its newest window where its clock is ahead. */
function timesOf(
  desk: BehaviourDesk,
  node: NodeBehaviours,
  nowMs: number,
): Pick<Spans, "startMs" | "endMs"> {
  const endMs = Math.max(nowMs, node.track.bouts.at(-1)?.endMs ?? 0);
  const day = dayStart(endMs, desk.config.utcOffsetMs);
  return { startMs: { hour: hourStart(endMs), day, yesterday: day - DAY_MS }, endMs };
}

export function spansOf(desk: BehaviourDesk, node: NodeBehaviours, nowMs: number): Spans {
  const { startMs, endMs } = timesOf(desk, node, nowMs);
  const { day } = startMs;
  const of = (start: number, end: number): Budget =>
    spanBudget(node.cells, node.track.bouts, { startMs: start, endMs: end });
  return {
    startMs,
    endMs,
    hour: of(startMs.hour, endMs),
    day: of(day, endMs),
    yesterday: of(startMs.yesterday, day),
  };
}

function tellGroups(state: GatewayState, nowMs: number): GatewayEffect[] {
  const desk = state.behaviours;
  return [...desk.config.groups].map(([group, members]) => {
    const spans = members.flatMap((id) => {
      const behaviours = desk.nodes.get(id);
      return behaviours === undefined ? [] : [spansOf(desk, behaviours, nowMs)];
    });
    return tellGroupBudget(state, group, spans, nowMs);
  });
}

function behavioursOf(state: GatewayState, node: NodeId): NodeBehaviours {
  const { nodes, rule } = state.behaviours;
  let behaviours = nodes.get(node);
  if (behaviours === undefined) {
    behaviours = { track: newTrack(), cells: newDayCells(rule.classes), days: [], changed: false };
    nodes.set(node, behaviours);
  }
  return behaviours;
}

function step(state: GatewayState, node: NodeId, event: TrackEvent): GatewayEffect[] {
  const behaviours = behavioursOf(state, node);
  if (event.kind !== "away") behaviours.changed = true;
  return perform(state, node, stepTrack(behaviours.track, event, state.behaviours.rule));
}

function perform(
  state: GatewayState,
  node: NodeId,
  effects: readonly TrackEffect[],
): GatewayEffect[] {
  const { nodes } = state.behaviours;
  const put = new Map<number, Bout & { readonly stands: boolean }>();
  const drop: number[] = [];
  const told: GatewayEffect[] = [];
  for (const effect of effects) {
    if (effect.kind === "sealed") {
      const cells = nodes.get(node)?.cells;
      if (cells !== undefined) addBout(cells, effect.after);
      put.set(effect.after.number, { ...effect.after, stands: true });
      continue;
    }
    told.push(tellBout(state, node, effect));
    if (effect.kind === "withdrawn") drop.push(effect.before.number);
    else put.set(effect.after.number, { ...effect.after, stands: false });
  }
  if (put.size === 0 && drop.length === 0) return told;
  return [...told, storeBouts(node, [...put.values()], drop)];
}

function storeBouts(
  node: NodeId,
  put: readonly (Bout & { readonly stands: boolean })[],
  drop: readonly number[],
): GatewayEffect {
  return { kind: "store", row: { kind: "bouts", node, put, drop } };
}

/** Yesterday, once no answer can change it any more. */
function judgeDay(
  state: GatewayState,
  node: NodeId,
  behaviours: NodeBehaviours,
  nowMs: number,
): GatewayEffect[] {
  const { config } = state.behaviours;
  const { day, yesterday } = timesOf(state.behaviours, behaviours, nowMs).startMs;
  const isOver = nowMs >= day + config.openMs;
  const isJudged = behaviours.days.some(({ startMs }) => startMs >= yesterday);
  if (!isOver || isJudged) return [];
  const span = { startMs: yesterday, endMs: day };
  const budget = spanBudget(behaviours.cells, behaviours.track.bouts, span);
  // A node that was not there yet has no days.
  if (budget.unknownMs >= budget.elapsedMs) return [];
  const oldestMs = yesterday - config.baseline.days * DAY_MS;
  const before = behaviours.days.filter(({ startMs }) => startMs >= oldestMs);
  behaviours.days = [...before, { startMs: yesterday, budget }];
  const alerts = changeRules(state).flatMap((changeRule) => {
    const past = before.map((one) => one.budget);
    const change = changeOf(changeRule, config.baseline, budget, past);
    if (change === undefined || !change.alarm) return [];
    return [tellAlert(state, node, changeRule, yesterday, change)];
  });
  return [{ kind: "store", row: { kind: "day", node, startMs: yesterday, budget } }, ...alerts];
}

function changeRules(state: GatewayState): ChangeRule[] {
  return state.behaviours.config.rules.map(({ name, behaviours, changePercent }) => ({
    name,
    classIndices: behaviours.map((one) => state.settings.classes.indexOf(one)),
    changePercent,
  }));
}

/** Since when the store is read at a start: yesterday and today. */
export function recentSinceMs(config: BehaviourConfig, nowMs: number): number {
  return dayStart(nowMs, config.utcOffsetMs) - DAY_MS - HOUR_MS;
}
