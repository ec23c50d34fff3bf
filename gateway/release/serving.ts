/**
 * Which node is offered which release, and what its answers mean for the rollout. Pure.
 *
 * `rollout.ts` decides how a release spreads; this file brings it the gateway's events and turns its
 * effects into offers. A node that says hello with an older release is offered the present one again
 * when its turn has come, so that nothing depends on a message having arrived. What a node cannot
 * hold is withheld from it, and people are told.
 */

import { assert, unreachable } from "../../src/assert.ts";
import { chunksOfWant } from "../../src/wire/assembly.ts";
import type { NodeId, UnfitReason, UpMessage } from "../../src/wire/messages.ts";
import type { BridgeEvent } from "../../src/wire/public.ts";
import type { GatewayEffect, GatewayState, NodeState, Serving } from "../gateway-state.ts";
import { runsNow } from "../herd/count-node.ts";
import { move, offloadsAsReleased } from "../herd/operating-points.ts";
import type { ModelShares } from "../herd/point-state.ts";
import type { NodeRow, Offload, Report } from "../store/label-rows.ts";
import { tellDiary } from "../telling/telling.ts";
import { unfitReason } from "./release-fit.ts";
import {
  mayHave,
  type Rollout,
  type RolloutEffect,
  type RolloutEvent,
  type RolloutStep,
  stepRollout,
} from "./rollout.ts";
import { type RolloutOrder, steerRollout } from "./rollout-steering.ts";

/** Chunks named by one `want`; a node asks again for the rest. */
const CHUNKS_PER_WANT = 64;

type Want = Extract<UpMessage, { kind: "want" }>;
type Outcome = Extract<UpMessage, { kind: "outcome" }>;

export function onServe(
  state: GatewayState,
  serve: Serving & { readonly shares?: ModelShares },
  nowMs: number,
): GatewayEffect[] {
  const { rollout, modelId, needs, shares } = serve;
  if (shares !== undefined) state.points.models.set(modelId, shares);
  state.serving.set(rollout.cohort, { rollout, modelId, needs });
  state.lastRelease = { sequence: rollout.sequence, model: modelId };
  const message = `release ${rollout.sequence} for ${rollout.cohort}`;
  return [
    { kind: "save-rollout", rollout, modelId },
    tellDiary(state, { type: "release-published", release: rollout.sequence, message }, nowMs),
    ...onServingTick(state, nowMs),
  ];
}

export function onHello(state: GatewayState, node: NodeState, nowMs: number): GatewayEffect[] {
  const serving = state.serving.get(node.row.cohort);
  if (serving === undefined) return [];
  const { sequence } = serving.rollout;
  if (node.row.releaseSequence === sequence) {
    // It runs the release, though the word of its activation may have been lost.
    const isOffered = serving.rollout.nodes[node.row.node]?.status === "offered";
    return isOffered
      ? advance(state, serving, outcomeEvent(node.row.node, "activated"), nowMs)
      : [];
  }
  // The next tick says so.
  if (unfitReason(node.row, serving.needs) !== undefined) return [];
  if (node.row.releaseSequence > sequence || !mayHave(serving.rollout, node.row.node)) return [];
  return [{ kind: "offer", node: node.row.node, sequence }];
}

export function onOutcome(
  state: GatewayState,
  node: NodeState,
  outcome: Outcome,
  nowMs: number,
): GatewayEffect[] {
  const { releaseSequence } = outcome;
  if (outcome.outcome === "activated" || outcome.outcome === "confirmed") {
    runsNow(node, outcome.modelId);
    node.row = { ...node.row, releaseSequence };
    state.devicesChanged = true;
  }
  const id = node.row.node;
  const message = `${id}: ${outcome.outcome}`;
  const effects: GatewayEffect[] = [
    tellDiary(
      state,
      { type: "release-outcome", node: id, release: releaseSequence, message },
      nowMs,
    ),
    {
      kind: "news",
      news: { kind: "outcome", node: id, releaseSequence, outcome: outcome.outcome },
    },
  ];
  const serving = state.serving.get(node.row.cohort);
  if (serving?.rollout.sequence !== releaseSequence) return effects;
  return [...effects, ...advance(state, serving, outcomeEvent(id, outcome.outcome), nowMs)];
}

export function onAudit(
  state: GatewayState,
  node: NodeState,
  offload: Offload,
  answer: { readonly trusted: boolean; readonly agrees: boolean },
  nowMs: number,
): GatewayEffect[] {
  const serving = state.serving.get(node.row.cohort);
  if (serving === undefined || offload.modelId !== serving.modelId) return [];
  if (!answer.trusted || offload.reason !== "audit") return [];
  const event = { kind: "audit", node: node.row.node, agrees: answer.agrees } as const;
  return advance(state, serving, event, nowMs);
}

export function onWindows(
  state: GatewayState,
  node: NodeState,
  report: Report,
  nowMs: number,
): GatewayEffect[] {
  const serving = state.serving.get(node.row.cohort);
  if (serving === undefined || report.modelId !== serving.modelId) return [];
  const offloads = offloadsAsReleased(state.points, report);
  const windows = report.entries.length;
  const event = { kind: "windows", node: node.row.node, windows, offloads } as const;
  return advance(state, serving, event, nowMs);
}

export function onServingTick(state: GatewayState, nowMs: number): GatewayEffect[] {
  const effects: GatewayEffect[] = [];
  for (const serving of state.serving.values()) {
    effects.push(...advance(state, serving, tickOf(state, serving), nowMs));
  }
  return effects;
}

/** An operator's choice of a node's share, which is kept already. */
export function onPoint(
  state: GatewayState,
  { node: id, shareQ16 }: { readonly node: NodeId; readonly shareQ16: number },
): GatewayEffect[] {
  const node = state.nodes.get(id);
  assert(node !== undefined, "a choice is for a node that is known");
  state.points.chosen.set(id, shareQ16);
  state.devicesChanged = true;
  return move(state.points, node, state.uptimeMs);
}

/** An operator's order. Throws `EdgeError` where it makes no sense, and has changed nothing then. */
export function onSteer(
  state: GatewayState,
  { cohort, order }: { readonly cohort: string; readonly order: RolloutOrder },
  nowMs: number,
): GatewayEffect[] {
  const serving = state.serving.get(cohort);
  assert(serving !== undefined, "an order is for what is served");
  const effects = take(state, serving, steerRollout(serving.rollout, order, nowMs), nowMs);
  // Where it went back, the way back is served by the next event.
  if (serving.rollout.state === "rolled-back") return effects;
  return [...effects, ...advance(state, serving, tickOf(state, serving), nowMs)];
}

function tickOf(state: GatewayState, { rollout, needs }: Serving): RolloutEvent {
  const rows: NodeRow[] = [];
  const away: NodeId[] = [];
  const unfit: { node: NodeId; reason: UnfitReason }[] = [];
  for (const { row, online } of state.nodes.values()) {
    if (row.cohort !== rollout.cohort) continue;
    const reason = unfitReason(row, needs);
    if (reason !== undefined) unfit.push({ node: row.node, reason });
    else if (online) rows.push(row);
    else away.push(row.node);
  }
  // Those first that are furthest from what their student knows: they gain most.
  rows.sort((a, b) => Number(b.alarm) - Number(a.alarm) || b.driftQ8 - a.driftQ8);
  return { kind: "tick", nodes: rows.map((row) => row.node), away, unfit };
}

/** The chunks that a node lacks, of the one release that it may have. */
export function onWant(state: GatewayState, node: NodeId, want: Want): GatewayEffect[] {
  const row = state.nodes.get(node)?.row;
  const serving = row === undefined ? undefined : state.serving.get(row.cohort);
  const refusal = whyNot(serving, node, want);
  if (refusal !== undefined) {
    const fields = { node, release: want.releaseSequence, model: want.modelId, reason: refusal };
    return [{ kind: "log", level: "warning", message: "chunks refused", fields }];
  }
  const wanted = chunksOfWant(want);
  noteFetching(state, node, want.releaseSequence, wanted.length);
  const indices = wanted.slice(0, CHUNKS_PER_WANT);
  return [{ kind: "chunks", node, sequence: want.releaseSequence, indices }];
}

/** A node that starts to fetch lacks all of it. */
function noteFetching(state: GatewayState, id: NodeId, sequence: number, missing: number): void {
  const node = state.nodes.get(id);
  if (node === undefined) return;
  const before = node.fetching?.sequence === sequence ? node.fetching.most : 0;
  node.fetching = { sequence, missing, most: Math.max(before, missing) };
  state.devicesChanged = true;
}

function whyNot(serving: Serving | undefined, node: NodeId, want: Want): string | undefined {
  if (serving === undefined) return "nothing is served to its cohort";
  const { sequence } = serving.rollout;
  if (want.releaseSequence !== sequence) return `release ${sequence} is served`;
  if (want.modelId !== serving.modelId) return `release ${sequence} is model ${serving.modelId}`;
  const unfit = serving.rollout.unfit[node];
  if (unfit !== undefined) return unfit.reason;
  return mayHave(serving.rollout, node) ? undefined : "it is not this node's turn";
}

function outcomeEvent(node: NodeId, outcome: Outcome["outcome"]): RolloutEvent {
  return { kind: "outcome", node, outcome };
}

function advance(
  state: GatewayState,
  serving: Serving,
  event: RolloutEvent,
  nowMs: number,
): GatewayEffect[] {
  const step = stepRollout(serving.rollout, event, nowMs, state.settings.rolloutPolicy);
  return take(state, serving, step, nowMs);
}

function take(
  state: GatewayState,
  serving: Serving,
  step: RolloutStep,
  nowMs: number,
): GatewayEffect[] {
  const before = serving.rollout;
  if (step.rollout === before && step.effects.length === 0) return [];
  serving.rollout = step.rollout;
  // Counts alone are not worth a flush of the disk for every report.
  if (!isSpread(before, step.rollout)) return [];
  const effects: GatewayEffect[] = [
    { kind: "save-rollout", rollout: step.rollout, modelId: serving.modelId },
    { kind: "news", news: { kind: "rollout", rollout: step.rollout } },
  ];
  state.devicesChanged = true;
  for (const effect of step.effects)
    effects.push(...perform(state, serving, before, effect, nowMs));
  return effects;
}

function isSpread(before: Rollout, after: Rollout): boolean {
  const told = ["nodes", "unfit", "stage", "state", "pausedSinceMs", "first"] as const;
  return told.some((name) => before[name] !== after[name]);
}

/** One decision of the rollout as what is sent, logged and told. */
function perform(
  state: GatewayState,
  { rollout, needs }: Serving,
  before: Rollout,
  effect: RolloutEffect,
  nowMs: number,
): GatewayEffect[] {
  const { sequence: release } = rollout;
  const diary = (type: BridgeEvent["type"], message: string, more: { node?: NodeId } = {}) =>
    tellDiary(state, { type, release, message, ...more }, nowMs);
  switch (effect.kind) {
    case "offer": {
      const { node } = effect;
      const isFirst = before.stage === 0 && Object.keys(before.nodes).length === 0;
      return [
        { kind: "offer", node, sequence: release },
        ...(isFirst ? [diary("canary-started", `release ${release}: ${node} goes first`)] : []),
      ];
    }
    case "withhold": {
      const { node, reason } = effect;
      const { slotBytes, ramBytes, formatVersion } = needs;
      const fields = { node, release, reason, slotBytes, ramBytes, formatVersion };
      return [
        { kind: "log", level: "warning", message: "release withheld", fields },
        diary("release-withheld", `release ${release} is withheld from ${node}: ${reason}`, {
          node,
        }),
      ];
    }
    case "stage":
      return [
        diary("wave-started", `release ${release}: stage ${effect.stage + 1} of ${effect.of}`),
      ];
    case "paused":
      return [diary("rollout-paused", `release ${release} is held: no further node is offered it`)];
    case "resumed":
      return [diary("rollout-resumed", `release ${release} goes on`)];
    case "done": {
      const unfit = Object.keys(rollout.unfit).length;
      const but = unfit === 0 ? "" : ` but on ${unfit} that cannot hold it`;
      return [diary("release-done", `release ${release} runs everywhere${but}`)];
    }
    case "rollback": {
      const { reason } = effect;
      return [{ kind: "roll-back", rollout, reason }, diary("rolled-back", reason)];
    }
    default:
      return unreachable(effect);
  }
}
