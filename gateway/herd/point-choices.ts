/** What operators chose of nodes' shares of offloads: a file in the data directory, by node. */

import path from "node:path";
import { z } from "zod";
import type { NodeId } from "../../src/wire/messages.ts";
import { isNodeId, modelIdOf } from "../../src/wire/topics.ts";
import type { Log } from "../broker/link.ts";
import type { GatewayConfig } from "../config/config.ts";
import type { GatewayDependencies } from "../gateway-dependencies.ts";
import { gatewayCrypto } from "../release/release-keys.ts";
import { nodeDisk, readIfThere, writeDurably } from "../store/durable-file.ts";
import { settledShares, sharesOf } from "./operating-points.ts";
import { newPointDesk, type PointDesk } from "./point-state.ts";

const FILE = "points.json";

/** Shares in Q16, by node. */
const ChoicesSchema = z.strictObject({
  shares: z.record(z.string(), z.int().min(0).max(65_535)),
});

/** What operators chose of nodes before, and the points of every model that is here. */
export function openPoints(
  { offload, behaviours, dataDirectory }: GatewayConfig,
  { factory, registry, log }: Pick<GatewayDependencies, "factory" | "registry" | "log">,
): PointDesk {
  const settled = settledShares(offload, behaviours.groups);
  const points = newPointDesk(settled, readPointChoices(dataDirectory, log));
  const known = registry?.models().map((model) => registry.container(model)) ?? [];
  for (const container of [factory, ...known]) {
    if (container === undefined) continue;
    points.models.set(modelIdOf(gatewayCrypto.sha256(container)), sharesOf(container));
  }
  return points;
}

/** A file that cannot be read is told and counts as empty: nodes are as they are settled. */
function readPointChoices(dataDirectory: string, log: Log): Map<NodeId, number> {
  const bytes = readIfThere(path.join(dataDirectory, FILE));
  if (bytes === undefined) return new Map();
  try {
    const { shares } = ChoicesSchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
    const known = Object.entries(shares).flatMap(([node, share]) =>
      isNodeId(node) ? [[node, share] as const] : [],
    );
    return new Map(known);
  } catch (error) {
    log("error", "what was chosen of nodes' operating points cannot be read", {
      file: FILE,
      reason: error instanceof Error ? error.message.slice(0, 200) : String(error),
    });
    return new Map();
  }
}

export function writePointChoices(
  dataDirectory: string,
  choices: ReadonlyMap<NodeId, number>,
): void {
  const text = `${JSON.stringify({ shares: Object.fromEntries(choices) }, null, 2)}\n`;
  writeDurably(nodeDisk, path.join(dataDirectory, FILE), new TextEncoder().encode(text));
}
