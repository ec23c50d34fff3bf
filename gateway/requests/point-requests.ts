/** The request that moves a node to another operating point. */

import { EdgeError } from "../../src/assert.ts";
import { pointAt } from "../../src/gate/operating-points.ts";
import { POINTS_CONTAINER_VERSION } from "../../src/model/container-layout.ts";
import type { NodeId } from "../../src/wire/messages.ts";
import type { DataOf, RequestOf } from "../../src/wire/requests.ts";
import type { GatewayState, NodeState } from "../gateway-state.ts";
import { wantedShareQ16 } from "../herd/operating-points.ts";
import type { Done, RequestTable } from "./request-desk.ts";

export type PointRequestParts = {
  readonly state: GatewayState;
  /** Keeps the choice, then tells the node. */
  readonly choose: (node: NodeId, shareQ16: number) => void;
};

export function pointRequests(parts: PointRequestParts) {
  return { "nodes/point": (request) => moved(parts, request) } satisfies RequestTable;
}

function moved(
  { state, choose }: PointRequestParts,
  { node: id, point, percent }: RequestOf<"nodes/point">,
): Done<DataOf<"nodes/point">> {
  const node = knownNode(state, id as NodeId);
  const model = state.points.models.get(node.row.modelId);
  const shareQ16 =
    percent === undefined ? shareOfPoint(state, node, point ?? 0) : Math.round(655.35 * percent);
  choose(node.row.node, shareQ16);
  const wanted = wantedShareQ16(state.points, node.row.node) / 65535;
  const at = model === undefined ? null : pointAt(model.points, shareQ16);
  const share = at === null ? null : (shareAt(node, state, at) ?? null);
  const what = shareQ16 === 0 ? "as released" : `${(100 * wanted).toFixed(1)} % of windows`;
  return {
    data: { node: id, wanted_share: wanted, point: at, share },
    node: id,
    what: `${id}, ${what}`,
  };
}

function shareAt({ row }: NodeState, state: GatewayState, point: number): number | undefined {
  const model = state.points.models.get(row.modelId);
  const found = model?.points[point - 1];
  return found === undefined ? model?.share : found.targetShareQ16 / 65535;
}

function knownNode(state: GatewayState, id: NodeId): NodeState {
  const node = state.nodes.get(id);
  if (node === undefined || node.row.cohort === "") {
    throw refused("node-unknown", `no node is called ${id}`, "`bridge/devices` names those heard.");
  }
  if (node.row.formatVersion < POINTS_CONTAINER_VERSION) {
    throw refused(
      "point-format",
      `${id} reads containers of format ${node.row.formatVersion}, operating points are of 3`,
      "Give the node newer firmware.",
    );
  }
  return node;
}

/** As the model has it that the node runs now. */
function shareOfPoint({ points }: GatewayState, { row }: NodeState, point: number): number {
  if (point === 0) return 0;
  const known = points.models.get(row.modelId)?.points;
  const found = known?.[point - 1];
  if (found !== undefined) return found.targetShareQ16;
  const count = known?.length ?? 0;
  if (count === 0) {
    const hint = "Give a percentage: it holds from the first model on that has points.";
    throw refused("point-unknown", `no operating points are known of model ${row.modelId}`, hint);
  }
  const hint = `It has ${count}: ${known?.map(percentText).join(", ")}; 0 is as released.`;
  throw refused("point-unknown", `model ${row.modelId} has no operating point ${point}`, hint);
}

function percentText({ targetShareQ16 }: { readonly targetShareQ16: number }, i: number): string {
  return `${i + 1} for ${(targetShareQ16 / 655.35).toFixed(0)} %`;
}

function refused(code: string, message: string, hint: string): EdgeError {
  return new EdgeError({ code, message, where: "nodes/point", hint });
}
