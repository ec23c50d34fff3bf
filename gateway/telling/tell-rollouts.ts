/** `rollouts` of `bridge/info`: how far the release of each cohort has spread. Pure. */

import type { RolloutInfo } from "../../src/wire/public.ts";
import type { GatewayState, Serving } from "../gateway-state.ts";
import { isPaused, placesOf } from "../release/rollout.ts";
import { rounded } from "./tell-behaviours.ts";

export function rolloutInfos(state: GatewayState): RolloutInfo[] {
  return [...state.serving.values()].map((serving) => rolloutInfo(state, serving));
}

export function rolloutInfo(state: GatewayState, { rollout, modelId }: Serving): RolloutInfo {
  const { shares } = state.settings.rolloutPolicy;
  const known = [...state.nodes.values()].filter(
    ({ row, online }) =>
      online && row.cohort === rollout.cohort && rollout.unfit[row.node] === undefined,
  ).length;
  const statuses = Object.values(rollout.nodes).map(({ status }) => status);
  const count = (wanted: (typeof statuses)[number]): number =>
    statuses.filter((status) => status === wanted).length;
  return {
    release: rollout.sequence,
    model: modelId,
    purpose: rollout.purpose,
    cohort: rollout.cohort,
    state: isPaused(rollout) ? "paused" : rollout.state,
    reason: rollout.reason?.slice(0, 400) ?? null,
    wave: rollout.stage + 1,
    waves: shares.map((share) => ({ share, nodes: known === 0 ? 0 : placesOf(share, known) })),
    nodes: {
      known,
      offered: count("offered"),
      activated: count("activated"),
      confirmed: count("confirmed"),
      failed: count("failed"),
      withheld: Object.keys(rollout.unfit).length,
      first: rollout.first.filter((node) => rollout.nodes[node] === undefined).length,
    },
    audits: rollout.audits,
    agreement: rollout.audits === 0 ? null : rounded(rollout.agreements / rollout.audits),
    expected_agreement: rounded(rollout.expected.agreement ?? 0),
    windows: rollout.windows,
    offload_ratio: rounded(Math.min(1, rollout.offloads / Math.max(1, rollout.windows))),
  };
}
