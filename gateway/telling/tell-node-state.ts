/** `<base>/<node>/state`: what a node runs and how it fares, told where it differs from before. Pure. */

import { type NodeStateMessage, PUBLIC_VERSION } from "../../src/wire/public.ts";
import { nodeTopic } from "../../src/wire/topics.ts";
import type { GatewayEffect, GatewayState, NodeState } from "../gateway-state.ts";
import { tellPoint } from "../herd/operating-points.ts";
import { rounded } from "./tell-behaviours.ts";

export function tellNodeState(state: GatewayState, node: NodeState): GatewayEffect[] {
  const { row } = node;
  if (row.cohort === "") return [];
  const rollout = state.serving.get(row.cohort)?.rollout;
  const withheld = rollout?.unfit[row.node]?.reason ?? null;
  // What is withheld from a node is not to be had.
  const offered = withheld === null ? (rollout?.sequence ?? 0) : 0;
  const updating = rollout?.nodes[row.node]?.status === "offered";
  const told: NodeStateMessage = {
    v: PUBLIC_VERSION,
    node: row.node,
    battery: row.batteryPercent,
    offload_ratio: row.windows === 0 ? 0 : rounded(Math.min(1, row.offloads / row.windows)),
    agreement: row.trusted === 0 ? null : rounded(row.agreed / row.trusted),
    model: row.modelId,
    release: row.releaseSequence,
    latest_release: Math.max(offered, row.releaseSequence),
    updating,
    update_percentage: updating ? percentOf(node, rollout?.sequence) : null,
    alarm: row.alarm,
    fault: node.sensor.fault,
    ...tellPoint(state.points, node),
    withheld,
  };
  const json = JSON.stringify(told);
  if (json === node.toldState) return [];
  node.toldState = json;
  const topic = nodeTopic(state.settings.base, row.node, "state");
  return [{ kind: "tell", topic, json, qos: 1, retain: true }];
}

/** Null before it has asked for anything. */
function percentOf({ fetching }: NodeState, sequence: number | undefined): number | null {
  if (fetching === null || fetching.sequence !== sequence) return null;
  return Math.round(100 * (1 - fetching.missing / Math.max(1, fetching.most)));
}
