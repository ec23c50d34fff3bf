/**
 * Counts what the nodes of each cohort show, beat by beat, and tells where they change together. Pure.
 *
 * By the gateway's uptime and the order in which things are stored: what comes late counts when it
 * comes. Nodes with a broken sensor are left out, since they have been told of already. What is usual
 * is not stored: a gateway that starts learns it again, for a day and six hours.
 */

import {
  BEAT_MS,
  type CohortMeasure,
  type CohortShift,
  NEW_COHORT_WATCH,
  type NodeBeat,
  watchCohort,
} from "../../src/gate/cohort-watch.ts";
import type { GatewayEffect, GatewayState, NodeState } from "../gateway-state.ts";
import type { Offload, Report } from "../store/label-rows.ts";
import { tellDiary } from "../telling/telling.ts";
import { type BeatCounts, newBeatCounts } from "./cohort-state.ts";
import { isSound } from "./sensor-desk.ts";

/** A stored report; `driftQ8` is null where it is of a student that the node no longer runs. */
export function countBeat(
  { beat }: { readonly beat: BeatCounts },
  {
    entries,
    driftQ8,
    operatingPoint,
  }: Pick<Report, "operatingPoint"> & {
    readonly driftQ8: number | null;
    readonly entries: readonly { readonly offloaded: boolean }[];
  },
): void {
  if (driftQ8 !== null) {
    beat.windows += entries.length;
    beat.novelty += entries.length * Math.log2(1 + driftQ8 / 256);
  }
  // A node that an operator has moved offloads more, or less, by his word.
  if (operatingPoint !== 0) return;
  beat.released += entries.length;
  beat.offloaded += entries.filter(({ offloaded }) => offloaded).length;
}

/** The teacher's answer to an audit; others were chosen because they were doubted. */
export function countAudit(
  { beat }: { readonly beat: BeatCounts },
  { reason }: Pick<Offload, "reason">,
  answer: { readonly trusted: boolean; readonly agrees: boolean },
): void {
  if (reason !== "audit" || !answer.trusted) return;
  beat.audits++;
  if (!answer.agrees) beat.disagreed++;
}

export function onCohortTick(state: GatewayState, nowMs: number): GatewayEffect[] {
  const { cohorts } = state;
  if (state.uptimeMs - cohorts.beatUptimeMs < BEAT_MS) return [];
  cohorts.beatUptimeMs = state.uptimeMs;
  const nodes = [...state.nodes.values()].filter(({ row }) => row.cohort !== "");
  const byCohort = Map.groupBy(nodes, ({ row }) => row.cohort);
  return [...byCohort].flatMap(([cohort, members]) => {
    const beats = new Map(
      members.filter(isSound).map((node) => [node.row.node, nodeBeat(node.beat)]),
    );
    const renewed = members.filter((node) => node.beat.renewed).map(({ row }) => row.node);
    for (const node of members) Object.assign(node.beat, newBeatCounts());
    const before = cohorts.watches.get(cohort) ?? NEW_COHORT_WATCH;
    const { watch, shift } = watchCohort(before, beats, new Set(renewed));
    cohorts.watches.set(cohort, watch);
    return shift === null ? [] : tellShift(state, cohort, members, shift, nowMs);
  });
}

export function nodeBeat(counts: BeatCounts): NodeBeat {
  const { windows, released, offloaded, novelty, audits, disagreed } = counts;
  const share = (sum: number, weight: number) => ({ mean: sum / Math.max(1, weight), weight });
  return {
    agreement: share(disagreed, audits),
    novelty: share(novelty, windows),
    "offload-share": share(offloaded, released),
  };
}

const WORDS: Readonly<Record<CohortMeasure, string>> = {
  agreement: "audits agree less with the teacher",
  novelty: "windows look less like what the student was trained on",
  "offload-share": "more windows are offloaded",
};

function tellShift(
  state: GatewayState,
  cohort: string,
  members: readonly NodeState[],
  { measure, beats, nodes }: CohortShift,
  nowMs: number,
): GatewayEffect[] {
  const hours = ((beats * BEAT_MS) / 3_600_000).toFixed(1);
  const moved = members.filter(({ row }) => nodes.includes(row.node));
  const message =
    `${cohort}: for ${hours} hours ${WORDS[measure]}, on ${moved.length} of ${members.length} nodes` +
    sharedText(moved, members);
  const fields = { cohort, measure, nodes: moved.length };
  return [
    tellDiary(state, { type: "cohort-shift", message }, nowMs),
    { kind: "log", level: "warning", message: "cohort shift", fields },
    { kind: "news", news: { kind: "cohort-shift", nodes: moved.map(({ row }) => row.node) } },
  ];
}

/** What only those have that moved: the first place to look. */
function sharedText(moved: readonly NodeState[], members: readonly NodeState[]): string {
  const others = members.filter((node) => !moved.includes(node));
  const only = (of: (node: NodeState) => string): string | undefined => {
    const [own, ...more] = new Set(moved.map(of));
    const isAlone = own !== undefined && more.length === 0 && others.length > 0;
    return isAlone && !others.some((node) => of(node) === own) ? own : undefined;
  };
  const firmware = only(({ row }) => row.firmware);
  const model = only(({ row }) => row.modelId);
  const parts = [
    ...(firmware === undefined ? [] : [`firmware ${firmware}`]),
    ...(model === undefined ? [] : [`model ${model}`]),
  ];
  return parts.length === 0 ? "" : `: those with ${parts.join(" and ")}`;
}
