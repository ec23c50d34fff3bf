/**
 * Which node is offered which release, and what its answers mean for the rollout. Pure.
 *
 * `rollout.ts` decides how a release spreads; this file brings it the gateway's events and turns its
 * effects into offers. A node that says hello with an older release is offered the present one again
 * when its turn has come, so that nothing depends on a message having arrived.
 */

import { unreachable } from "../src/assert.ts";
import { chunksOfWant } from "../src/wire/assembly.ts";
import type { NodeId, UpMessage } from "../src/wire/messages.ts";
import type { GatewayEffect, GatewayState, NodeState, Serving } from "./gateway-state.ts";
import type { NodeRow, Offload, Report } from "./label-rows.ts";
import { mayHave, type RolloutEvent, stepRollout } from "./rollout.ts";
import { tellDiary } from "./telling.ts";

/** Chunks named by one `want`; a node asks again for the rest. */
const CHUNKS_PER_WANT = 64;

type Want = Extract<UpMessage, { kind: "want" }>;
type Outcome = Extract<UpMessage, { kind: "outcome" }>;

export function onServe(state: GatewayState, serve: Serving, nowMs: number): GatewayEffect[] {
  const { rollout, modelId, needs } = serve;
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
  if (!fits(node.row, serving)) {
    const { slotBytes, formatVersion } = serving.needs;
    const message = "release does not fit";
    const fields = {
      node: node.row.node,
      release: sequence,
      bytes: slotBytes,
      format: formatVersion,
    };
    return [{ kind: "log", level: "warning", message, fields }];
  }
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
    node.row = { ...node.row, releaseSequence, modelId: outcome.modelId };
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
  const offloads = report.entries.filter((entry) => entry.offloaded).length;
  const windows = report.entries.length;
  const event = { kind: "windows", node: node.row.node, windows, offloads } as const;
  return advance(state, serving, event, nowMs);
}

export function onServingTick(state: GatewayState, nowMs: number): GatewayEffect[] {
  const effects: GatewayEffect[] = [];
  for (const serving of state.serving.values()) {
    const rows = [...state.nodes.values()]
      .filter((node) => node.online && node.row.cohort === serving.rollout.cohort)
      .map((node) => node.row)
      .filter((row) => fits(row, serving));
    // Those first that are furthest from what their student knows: they gain most.
    rows.sort((a, b) => Number(b.alarm) - Number(a.alarm) || b.driftQ8 - a.driftQ8);
    const nodes = rows.map((row) => row.node);
    effects.push(...advance(state, serving, { kind: "tick", nodes }, nowMs));
  }
  return effects;
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
  const indices = chunksOfWant(want).slice(0, CHUNKS_PER_WANT);
  return [{ kind: "chunks", node, sequence: want.releaseSequence, indices }];
}

function whyNot(serving: Serving | undefined, node: NodeId, want: Want): string | undefined {
  if (serving === undefined) return "nothing is served to its cohort";
  const { sequence } = serving.rollout;
  if (want.releaseSequence !== sequence) return `release ${sequence} is served`;
  if (want.modelId !== serving.modelId) return `release ${sequence} is model ${serving.modelId}`;
  return mayHave(serving.rollout, node) ? undefined : "it is not this node's turn";
}

/** What cannot run a release is not offered it, and does not count against it. */
function fits(row: NodeRow, { needs }: Serving): boolean {
  return row.slotBytes >= needs.slotBytes && row.formatVersion >= needs.formatVersion;
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
  const before = serving.rollout;
  const step = stepRollout(before, event, nowMs, state.settings.rolloutPolicy);
  if (step.rollout === before && step.effects.length === 0) return [];
  serving.rollout = step.rollout;
  // Counts alone are not worth a flush of the disk for every report.
  const { nodes, stage, state: phase, sequence } = step.rollout;
  if (nodes === before.nodes && stage === before.stage && phase === before.state) return [];
  const effects: GatewayEffect[] = [
    { kind: "save-rollout", rollout: step.rollout, modelId: serving.modelId },
    { kind: "news", news: { kind: "rollout", rollout: step.rollout } },
  ];
  const diary = (type: "canary-started" | "wave-started" | "release-done", message: string) =>
    effects.push(tellDiary(state, { type, release: sequence, message }, nowMs));
  for (const effect of step.effects) {
    switch (effect.kind) {
      case "offer":
        effects.push({ kind: "offer", node: effect.node, sequence });
        if (before.stage === 0 && Object.keys(before.nodes).length === 0) {
          diary("canary-started", `release ${sequence}: ${effect.node} goes first`);
        }
        break;
      case "stage":
        diary("wave-started", `release ${sequence}: stage ${effect.stage + 1} of ${effect.of}`);
        break;
      case "done":
        diary("release-done", `release ${sequence} runs everywhere`);
        break;
      case "rollback":
        effects.push({ kind: "roll-back", rollout: step.rollout, reason: effect.reason });
        effects.push(
          tellDiary(
            state,
            { type: "rolled-back", release: sequence, message: effect.reason },
            nowMs,
          ),
        );
        break;
      default:
        unreachable(effect);
    }
  }
  return effects;
}
