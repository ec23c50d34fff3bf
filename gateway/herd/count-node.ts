/** What is counted of a node: all that it sent, and for its present model how each was chosen. */

import { type AuditCounts, addCounts, NO_COUNTS } from "../../src/gate/audit-counts.ts";
import type { ModelId, NodeId } from "../../src/wire/messages.ts";
import { type GatewayState, type NodeState, nodeOf } from "../gateway-state.ts";

/** @param counts what the model `model` adds; what comes late from a former one says nothing of the
 * present one */
export function countNode(
  state: GatewayState,
  id: NodeId,
  more: Partial<Record<"windows" | "offloads" | "trusted" | "agreed", number>>,
  model: ModelId,
  counts: AuditCounts,
): void {
  const node = nodeOf(state, id);
  const { row } = node;
  node.row = {
    ...row,
    windows: row.windows + (more.windows ?? 0),
    offloads: row.offloads + (more.offloads ?? 0),
    trusted: row.trusted + (more.trusted ?? 0),
    agreed: row.agreed + (more.agreed ?? 0),
    counts: row.modelId === model ? addCounts(row.counts, counts) : row.counts,
  };
  state.devicesChanged = true;
}

/** A node has said which model it runs: what was counted, at which point and with what novelty, was of
 * another one. */
export function runsNow(node: NodeState, modelId: ModelId): void {
  if (node.row.modelId === modelId) return;
  node.row = { ...node.row, modelId, counts: NO_COUNTS };
  node.operatingPoint = null;
  Object.assign(node.beat, { windows: 0, novelty: 0, renewed: true });
}
