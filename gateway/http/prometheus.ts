/**
 * What a gateway has counted since its start, and its present state, in Prometheus' text format 0.0.4
 * (prometheus.io, "Exposition formats"). Pure.
 *
 * Counters follow the gateway's events: frames and bytes as they come in, windows and offloads when
 * they are stored, so that a repetition is counted as a frame and not as a window. No metric is by
 * node: a herd would make thousands of series.
 */

import { unreachable } from "../../src/assert.ts";
import { OFFLOAD_ENCODINGS } from "../../src/wire/messages.ts";
import { parseUpTopic, type TopicBase, UP_KINDS } from "../../src/wire/topics.ts";
import type { GatewayEvent, GatewayState } from "../gateway-state.ts";
import type { StoredRow, StoreRow } from "../store/label-rows.ts";
import { cohortAudits } from "../telling/tell-audits.ts";

/** Bounds of the histogram of answers, in seconds. */
const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Offloads whose answers are timed; further ones are answered untimed. */
const TIMED_MAX = 4_096;

export type Metrics = {
  readonly frames: Map<string, number>;
  /** By class, and in it by exit. */
  readonly windows: Map<string, number[]>;
  readonly offloads: Map<string, number>;
  readonly forms: Map<string, number>;
  readonly outcomes: Map<string, number>;
  readonly updates: Map<string, number>;
  offloadBytes: number;
  windowCount: number;
  offloadCount: number;
  /** When offloads that wait for the teacher were stored, by their number. */
  readonly storedUptimeMs: Map<number, number>;
  readonly answerBuckets: number[];
  answerSeconds: number;
};

export function newMetrics(): Metrics {
  return {
    frames: new Map(UP_KINDS.map((kind) => [kind, 0])),
    windows: new Map(),
    offloads: new Map(),
    forms: new Map(OFFLOAD_ENCODINGS.map((encoding) => [encoding, 0])),
    outcomes: new Map(["agreed", "changed", "not_trusted"].map((outcome) => [outcome, 0])),
    updates: new Map(),
    offloadBytes: 0,
    windowCount: 0,
    offloadCount: 0,
    storedUptimeMs: new Map(),
    answerBuckets: [...BOUNDS, Number.POSITIVE_INFINITY].map(() => 0),
    answerSeconds: 0,
  };
}

export function countEvent(
  metrics: Metrics,
  state: GatewayState,
  event: GatewayEvent,
  uptimeMs: number,
): void {
  if (event.kind === "message") countFrame(metrics, state.settings.base, event);
  else if (event.kind === "stored") {
    event.rows.forEach((row, i) => {
      countRow(metrics, state, row, event.stored[i] as StoredRow, uptimeMs);
    });
  } else if (event.kind === "answered") {
    countAnswer(metrics, event.item.offloadId, uptimeMs);
  }
}

function countFrame(
  metrics: Metrics,
  base: TopicBase,
  { topic, payload }: Extract<GatewayEvent, { kind: "message" }>,
): void {
  const kind = parseUpTopic(base, topic)?.kind;
  if (kind === undefined) return;
  add(metrics.frames, kind, 1);
  if (kind === "offload") metrics.offloadBytes += payload.length;
}

function countRow(
  metrics: Metrics,
  state: GatewayState,
  row: StoreRow,
  stored: StoredRow,
  uptimeMs: number,
): void {
  if (!stored.fresh) return;
  switch (row.kind) {
    case "report": {
      metrics.windowCount += stored.freshEntries;
      // Where some were stored before, they were the older ones.
      const fresh = row.report.entries.slice(row.report.entries.length - stored.freshEntries);
      for (const { exit, classIndex } of fresh) {
        const name = state.settings.classes[classIndex] ?? "unknown";
        const byExit = metrics.windows.get(name) ?? [];
        byExit[exit] = (byExit[exit] ?? 0) + 1;
        metrics.windows.set(name, byExit);
      }
      return;
    }
    case "offload":
      metrics.offloadCount++;
      add(metrics.offloads, row.offload.reason, 1);
      add(metrics.forms, row.offload.encoding, 1);
      if (row.teachable && metrics.storedUptimeMs.size < TIMED_MAX) {
        metrics.storedUptimeMs.set(stored.offloadId, uptimeMs);
      }
      return;
    case "label":
      add(metrics.outcomes, row.trusted ? (row.agrees ? "agreed" : "changed") : "not_trusted", 1);
      return;
    case "outcome":
      return add(metrics.updates, row.outcome, 1);
    case "hello":
    case "bouts":
    case "day":
    case "person":
      return;
    default:
      return unreachable(row);
  }
}

function countAnswer(metrics: Metrics, offloadId: number, uptimeMs: number): void {
  const startMs = metrics.storedUptimeMs.get(offloadId);
  if (startMs === undefined) return;
  metrics.storedUptimeMs.delete(offloadId);
  const seconds = (uptimeMs - startMs) / 1000;
  metrics.answerSeconds += seconds;
  const bucket = BOUNDS.findIndex((bound) => seconds <= bound);
  const at = bucket < 0 ? BOUNDS.length : bucket;
  metrics.answerBuckets[at] = (metrics.answerBuckets[at] ?? 0) + 1;
}

/** @param queued windows in memory that wait for the teacher */
export function metricsText(metrics: Metrics, state: GatewayState, queued: number): string {
  const nodes = [...state.nodes.values()];
  const online = nodes.filter((node) => node.online);
  const nodesBy = new Map([
    ["online", online.length],
    ["offline", nodes.length - online.length],
  ]);
  const alarmed = online.filter(({ row }) => row.alarm).length;
  const faulty = online.filter(({ sensor }) => sensor.fault !== null).length;
  const late = [...state.behaviours.nodes.values()].reduce((sum, { track }) => sum + track.late, 0);
  const { version } = state.settings;
  const families = [
    family("build_info", "gauge", "The gateway's version.", [[labels({ version }), 1]]),
    family("nodes", "gauge", "Nodes that have been heard.", by("state", nodesBy)),
    family("nodes_alarmed", "gauge", "Nodes online whose drift alarm is up.", alarmed),
    family("nodes_faulty", "gauge", "Nodes online whose sensor is broken.", faulty),
    family(
      "frames_total",
      "counter",
      "Frames from nodes, repetitions too.",
      by("kind", metrics.frames),
    ),
    family("frames_refused_total", "counter", "Frames that could not be read.", state.refused),
    family(
      "inferences_total",
      "counter",
      "Windows stored, by the exit that answered.",
      windowsByExit(metrics),
    ),
    ...offloadFamilies(metrics),
    family("teacher_queue_depth", "gauge", "Windows in memory that wait.", queued),
    family("softlabels_total", "counter", "Soft labels in the store.", state.softLabels),
    family(
      "teacher_agreement_ratio",
      "gauge",
      "Windows on which student and teacher agree, by audits.",
      agreement(state),
    ),
    family(
      "ota_updates_total",
      "counter",
      "What nodes said of releases.",
      by("result", metrics.updates),
    ),
    family("model_info", "gauge", "Models that nodes run.", models(state)),
    family("bout_late_windows_total", "counter", "Windows and verdicts too late for a bout.", late),
    family(
      "store_degraded",
      "gauge",
      "1 while nothing is stored.",
      state.degraded === null ? 0 : 1,
    ),
  ];
  return families.join("");
}

function offloadFamilies(metrics: Metrics): string[] {
  const { windowCount, offloadCount } = metrics;
  const ratio = windowCount === 0 ? 0 : offloadCount / windowCount;
  return [
    family(
      "offloads_received_total",
      "counter",
      "Offloads stored.",
      by("reason", metrics.offloads),
    ),
    family(
      "offloads_by_form_total",
      "counter",
      "Offloads stored, by what travelled of the window.",
      by("form", metrics.forms),
    ),
    family(
      "offloads_total",
      "counter",
      "Offloads that the teacher answered.",
      by("outcome", metrics.outcomes),
    ),
    family(
      "offload_bytes_total",
      "counter",
      "Bytes of offload frames, repetitions too.",
      metrics.offloadBytes,
    ),
    family("offload_ratio", "gauge", "Offloads by windows, both stored since the start.", ratio),
    answers(metrics),
  ];
}

type Sample = readonly [labels: string, value: number];

function family(
  name: string,
  type: "counter" | "gauge",
  help: string,
  values: number | readonly Sample[],
): string {
  const full = `bellwether_${name}`;
  const samples: readonly Sample[] = typeof values === "number" ? [["", values]] : values;
  const lines = samples.map(([inside, value]) => `${full}${inside} ${value}\n`);
  return `# HELP ${full} ${help}\n# TYPE ${full} ${type}\n${lines.join("")}`;
}

function by(label: string, counts: ReadonlyMap<string, number>): Sample[] {
  return [...counts].map(([value, count]) => [labels({ [label]: value }), count]);
}

/** From the commit of an offload to its verdict: what the gateway adds to a round trip. */
function answers({ answerBuckets, answerSeconds }: Metrics): string {
  const name = "bellwether_offload_answer_seconds";
  let sum = 0;
  const lines = answerBuckets.map((count, i) => {
    sum += count;
    return `${name}_bucket{le="${BOUNDS[i] ?? "+Inf"}"} ${sum}\n`;
  });
  return (
    `# HELP ${name} From an offload's commit to its verdict.\n# TYPE ${name} histogram\n` +
    `${lines.join("")}${name}_sum ${answerSeconds}\n${name}_count ${sum}\n`
  );
}

function windowsByExit({ windows }: Metrics): Sample[] {
  // An exit that answered nothing is a hole in its list, and no sample.
  return [...windows].flatMap(([name, byExit]) =>
    byExit.flatMap((count, exit): Sample[] => [
      [labels({ exit: String(exit + 1), class: name }), count],
    ]),
  );
}

/** By audits, of all windows of a model: see `audit-counts.ts`. */
function agreement({ nodes }: GatewayState): Sample[] {
  const rows = [...nodes.values()].map(({ row }) => row);
  return cohortAudits(rows).flatMap(({ cohort, model, audit }): Sample[] =>
    audit === null ? [] : [[labels({ cohort, model }), audit.agreement]],
  );
}

/** `role`: what the cohort's rollout serves, or something else. */
function models({ nodes, serving }: GatewayState): Sample[] {
  const counts = new Map<string, number>();
  for (const { row } of nodes.values()) {
    if (row.cohort === "") continue;
    const served = serving.get(row.cohort)?.modelId === row.modelId;
    add(counts, labels({ model: row.modelId, role: served ? "release" : "other" }), 1);
  }
  return [...counts];
}

function labels(pairs: Readonly<Record<string, string>>): string {
  const inside = Object.entries(pairs).map(([name, value]) => `${name}="${escaped(value)}"`);
  return `{${inside.join(",")}}`;
}

function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function add(map: Map<string, number>, key: string, more: number): void {
  map.set(key, (map.get(key) ?? 0) + more);
}
