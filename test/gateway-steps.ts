/**
 * A gateway's logic without a gateway: events go in one after another, what it stores is committed at
 * once, as a perfect disk would.
 */

import { parseConfig } from "../gateway/config/config.ts";
import { stepGateway } from "../gateway/gateway.ts";
import {
  createState,
  type GatewayEffect,
  type GatewayEvent,
  type GatewayState,
  newDiscovery,
} from "../gateway/gateway-state.ts";
import { newBehaviourDesk } from "../gateway/herd/behaviour-state.ts";
import { DEFAULT_ROLLOUT_POLICY } from "../gateway/release/rollout.ts";
import { encodeUp } from "../src/wire/frames.ts";
import type { UpMessage } from "../src/wire/messages.ts";
import { nodeId, upTopic } from "../src/wire/topics.ts";
import { base, cattle } from "./gateway-kit.ts";

export const node = nodeId("collar-1");

export function made(): GatewayState {
  const settings = {
    base,
    classes: cattle.classes,
    teacher: { id: "feedfeedfeedfeed", windowSamples: 50, channels: 3, rateHz: 10 },
    version: "1",
    startedMs: 0,
    rolloutPolicy: DEFAULT_ROLLOUT_POLICY,
    silences: 2.5,
    devicesMs: 1_000,
    nodesMax: 5,
  };
  const { behaviours } = parseConfig("", "gateway.yaml", {});
  const times = { hopMs: 2_500, windowMs: 5_000 };
  return createState(
    settings,
    [],
    0,
    newBehaviourDesk(behaviours, cattle, times),
    newDiscovery(true),
  );
}

export function run(
  state: GatewayState,
  events: readonly GatewayEvent[],
  nowMs = 1_000,
): GatewayEffect[] {
  const all: GatewayEffect[] = [];
  const waiting = [...events];
  for (let event = waiting.shift(); event !== undefined; event = waiting.shift()) {
    for (const effect of stepGateway(state, event, nowMs, nowMs)) {
      all.push(effect);
      if (effect.kind !== "store") continue;
      const { row } = effect;
      const freshEntries = row.kind === "report" ? row.report.entries.length : 0;
      const stored = [{ fresh: true, offloadId: 77, freshEntries }];
      waiting.unshift({ kind: "stored", rows: [row], stored });
    }
  }
  return all;
}

export function up(message: UpMessage): GatewayEvent {
  const payload = encodeUp(message);
  return { kind: "message", topic: upTopic(base, node, message.kind), payload };
}

export function told(effects: readonly GatewayEffect[], name: string): unknown[] {
  return effects.flatMap((effect) =>
    effect.kind === "tell" && effect.topic.endsWith(`/${name}`) ? [JSON.parse(effect.json)] : [],
  );
}
