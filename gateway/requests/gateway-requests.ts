/** Requests about the gateway itself: whether it is well, and with what settings it runs. */

import type { GatewayConfig } from "../config/config.ts";
import type { GatewayState } from "../gateway-state.ts";
import type { RequestTable } from "./request-desk.ts";

export type GatewayRequestParts = {
  readonly config: GatewayConfig;
  readonly state: GatewayState;
  /** Windows in memory that wait for the teacher. */
  readonly queued: () => number;
};

export function gatewayRequests({ config, state, queued }: GatewayRequestParts) {
  return {
    health: () => {
      const nodes = [...state.nodes.values()];
      return {
        data: {
          healthy: state.degraded === null,
          detail: state.degraded,
          version: config.version,
          uptime_seconds: Math.round((Date.now() - state.settings.startedMs) / 1000),
          nodes: nodes.length,
          nodes_online: nodes.filter(({ online }) => online).length,
          soft_labels: state.softLabels,
          teacher_queue: queued(),
          refused_frames: state.refused,
        },
      };
    },
    "config/show": () => ({ data: { settings: shownConfig(config) } }),
  } satisfies RequestTable;
}

/** A broker's URL may have a password in it; every other secret is in a file, which is named only. */
function shownConfig(config: GatewayConfig): Record<string, unknown> {
  const { broker, sparkplug, lorawan, ...rest } = config;
  return named({
    ...rest,
    broker: { ...broker, url: withoutSecret(broker.url) },
    sparkplug: { ...sparkplug, url: withoutSecret(sparkplug.url) },
    lorawan: { ...lorawan, url: withoutSecret(lorawan.url) },
  }) as Record<string, unknown>;
}

function withoutSecret(url: string | undefined): string | undefined {
  if (url === undefined || !URL.canParse(url)) return undefined;
  const parsed = new URL(url);
  parsed.password = "";
  return parsed.href;
}

/** In snake case, as everything that the gateway tells; what is not set is null. */
function named(value: unknown): unknown {
  if (value === undefined) return null;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(named);
  // Its names are people's own.
  if (value instanceof Map) return Object.fromEntries(value);
  const entries = Object.entries(value).map(([name, inside]) => {
    const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return [snake, named(inside)] as const;
  });
  return Object.fromEntries(entries);
}
