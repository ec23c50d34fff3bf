/** What the gateway knows of operating points: those of each model, and which share is wanted of whom. */

import type { OperatingPoint } from "../../src/gate/gate-parameters.ts";
import type { ModelId, NodeId } from "../../src/wire/messages.ts";

export type ModelShares = {
  /** Of the gate as it was released, 0..1: what it aims at, and what its bucket lets through. */
  readonly share: number;
  readonly mostShare: number;
  readonly points: readonly OperatingPoint[];
};

export type PointDesk = {
  /** By the settings, Q16; 0 for the gate as it was released. */
  readonly settled: (node: NodeId) => number;
  /** By an operator's word, Q16. */
  readonly chosen: Map<NodeId, number>;
  /** Models that nodes of this gateway may run. */
  readonly models: Map<ModelId, ModelShares>;
};

export function newPointDesk(
  settled: PointDesk["settled"] = () => 0,
  chosen: PointDesk["chosen"] = new Map(),
): PointDesk {
  return { settled, chosen, models: new Map() };
}
