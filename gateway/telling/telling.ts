/**
 * What people are told: behaviours, events, availability, devices, the gateway's own state. Pure.
 *
 * A behaviour is told for the newest window that was reported. `new` events are told where a
 * behaviour begins. A verdict that comes after its window was told is an `update` with that window's
 * id; one that comes before its window's report is kept until then, and the window is told once, with
 * the teacher's answer.
 */

import type { NodeId, ReportEntry } from "../../src/wire/messages.ts";
import {
  type Behaviour,
  type BehaviourEvent,
  type BridgeEvent,
  type BridgeInfo,
  type Device,
  PUBLIC_VERSION,
} from "../../src/wire/public.ts";
import { bridgeTopic, nodeTopic } from "../../src/wire/topics.ts";
import type { GatewayEffect, GatewayState, NodeState, Verdict } from "../gateway-state.ts";
import type { Offload, Report } from "../store/label-rows.ts";
import { auditOf, cohortAudits } from "./tell-audits.ts";
import { rounded } from "./tell-behaviours.ts";
import { rolloutInfos } from "./tell-rollouts.ts";

/** Verdicts that wait for their window's report: a node reports at least every few minutes. */
const VERDICTS_MAX = 256;
const TEXT_MAX = 400;

export function tellReport(state: GatewayState, node: NodeState, report: Report): GatewayEffect[] {
  const effects: GatewayEffect[] = [];
  let newest: Behaviour | null = null;
  for (const entry of report.entries) {
    if (!isNewer(node, report.epoch, entry)) continue;
    const behaviour = behaviourOf(state, node, report, entry);
    if (behaviour === null) continue;
    if (node.told?.behaviour !== behaviour.behaviour) {
      effects.push(tellEvent(state, { type: "new", before: null, after: behaviour }));
    }
    node.told = behaviour;
    newest = behaviour;
  }
  if (newest !== null) effects.push(tellBehaviour(state, newest));
  return effects;
}

/** @param offload what the node itself thought of the window, and so what was told of it */
export function tellVerdict(
  state: GatewayState,
  node: NodeState,
  offload: Offload,
  verdict: Verdict,
): GatewayEffect[] {
  if (isNewer(node, offload.epoch, offload)) {
    keepVerdict(node, offload, verdict);
    return [];
  }
  const before = behaviourOf(state, node, offload, offload);
  if (before === null) return [];
  const after = corrected(state, before, verdict);
  const effects: GatewayEffect[] = [];
  const changes = after.behaviour !== before.behaviour;
  if (changes) effects.push(tellEvent(state, { type: "update", before, after }));
  const isTold = node.told?.epoch === after.epoch && node.told.sequence === after.sequence;
  if (isTold) {
    node.told = after;
    effects.push(tellBehaviour(state, after));
  }
  return effects;
}

/** The stored newest behaviour of a node, for a gateway whose broker has forgotten it. */
export function tellLast(state: GatewayState, node: NodeState): GatewayEffect[] {
  const { last } = node.row;
  if (node.told === null && last !== null) {
    node.told = behaviourOf(state, node, last, last);
  }
  return node.told === null ? [] : [tellBehaviour(state, node.told)];
}

export function tellAvailability(state: GatewayState, node: NodeState): GatewayEffect {
  const topic = nodeTopic(state.settings.base, node.row.node, "availability");
  const json = JSON.stringify({ state: node.online ? "online" : "offline" });
  return { kind: "tell", topic, json, qos: 1, retain: true };
}

/** Online, with the reason where nothing can be acknowledged; `detail` is for people. */
export function tellBridge(state: GatewayState): GatewayEffect {
  const detail = state.degraded === null ? {} : { detail: state.degraded.slice(0, TEXT_MAX) };
  return {
    kind: "tell",
    topic: bridgeTopic(state.settings.base, "state"),
    json: JSON.stringify({ state: "online", ...detail }),
    qos: 1,
    retain: true,
  };
}

export function tellDevices(state: GatewayState): GatewayEffect {
  const devices = [...state.nodes.values()].map((node) => deviceOf(state, node));
  devices.sort((a, b) => (a.node < b.node ? -1 : 1));
  return {
    kind: "tell",
    topic: bridgeTopic(state.settings.base, "devices"),
    json: JSON.stringify({ v: PUBLIC_VERSION, devices }),
    qos: 1,
    retain: true,
  };
}

export function tellInfo(state: GatewayState, nowMs: number): GatewayEffect {
  const { settings } = state;
  const info: BridgeInfo = {
    v: PUBLIC_VERSION,
    version: settings.version,
    started: settings.startedMs,
    time: nowMs,
    classes: [...settings.classes],
    nodes: state.nodes.size,
    teacher: { name: settings.teacher.id, trusted: state.trusted },
    soft_labels: state.softLabels,
    loop: { ...state.loop, note: state.loop.note.slice(0, TEXT_MAX) },
    release: state.lastRelease,
    cohorts: cohortAudits([...state.nodes.values()].map(({ row }) => row)),
    rollouts: rolloutInfos(state),
  };
  const topic = bridgeTopic(settings.base, "info");
  return { kind: "tell", topic, json: JSON.stringify(info), qos: 1, retain: true };
}

export function tellDiary(
  state: GatewayState,
  entry: Omit<BridgeEvent, "v" | "time">,
  nowMs: number,
): GatewayEffect {
  const event: BridgeEvent = {
    ...entry,
    v: PUBLIC_VERSION,
    time: nowMs,
    message: entry.message.slice(0, TEXT_MAX),
  };
  const topic = bridgeTopic(state.settings.base, "event");
  return { kind: "tell", topic, json: JSON.stringify(event), qos: 1, retain: false };
}

function isNewer(
  { told, row }: NodeState,
  epoch: number,
  entry: { readonly windowIndex: number; readonly timeMs: number },
): boolean {
  if (told === null) return true;
  if (told.epoch === epoch) return entry.windowIndex > told.sequence;
  // Windows are counted anew in each life of a node, which its hello names. A clock that ran ahead in
  // the life before must not hide this one; it is asked only where that hello was lost.
  return epoch === row.epoch || (told.epoch !== row.epoch && entry.timeMs > told.time);
}

function keepVerdict(node: NodeState, offload: Offload, verdict: Verdict): void {
  const { verdicts } = node;
  if (verdicts.size >= VERDICTS_MAX) {
    const [oldest] = verdicts.keys();
    if (oldest !== undefined) verdicts.delete(oldest);
  }
  verdicts.set(`${offload.epoch}:${offload.windowIndex}`, verdict);
}

/** Null for a class that this gateway has no name for: a foreign model. */
function behaviourOf(
  state: GatewayState,
  node: NodeState,
  source: Pick<Report, "epoch" | "modelId">,
  entry: Pick<ReportEntry, "windowIndex" | "timeMs" | "classIndex" | "confidenceQ8" | "exit">,
): Behaviour | null {
  const name = state.settings.classes[entry.classIndex];
  if (name === undefined) return null;
  const behaviour: Behaviour = {
    v: PUBLIC_VERSION,
    node: node.row.node,
    behaviour: name,
    confidence: rounded(entry.confidenceQ8 / 255),
    source: `exit ${entry.exit + 1}`,
    trusted: node.sensor.fault === null,
    model: source.modelId,
    release: node.row.releaseSequence,
    since: sinceOf(node.told, name, entry.timeMs),
    time: entry.timeMs,
    epoch: source.epoch,
    sequence: entry.windowIndex,
  };
  const key = `${source.epoch}:${entry.windowIndex}`;
  const verdict = node.verdicts.get(key);
  if (verdict === undefined) return behaviour;
  node.verdicts.delete(key);
  const answered = corrected(state, behaviour, verdict);
  return { ...answered, since: sinceOf(node.told, answered.behaviour, entry.timeMs) };
}

/** A verdict that is not trusted corrects nothing; it is told that the answer is in doubt. */
function corrected(state: GatewayState, behaviour: Behaviour, verdict: Verdict): Behaviour {
  if (!verdict.trusted) return { ...behaviour, trusted: false };
  const name = state.settings.classes[verdict.classIndex] ?? behaviour.behaviour;
  return {
    ...behaviour,
    behaviour: name,
    confidence: rounded(verdict.confidence),
    source: "teacher",
    since: name === behaviour.behaviour ? behaviour.since : behaviour.time,
  };
}

/** A behaviour lasts as long as every window told says the same. */
function sinceOf(told: Behaviour | null, behaviour: string, timeMs: number): number {
  return told?.behaviour === behaviour ? Math.min(told.since, timeMs) : timeMs;
}

function tellBehaviour(state: GatewayState, behaviour: Behaviour): GatewayEffect {
  const topic = nodeTopic(state.settings.base, behaviour.node as NodeId, "behaviour");
  return { kind: "tell", topic, json: JSON.stringify(behaviour), qos: 1, retain: true };
}

function tellEvent(state: GatewayState, event: Omit<BehaviourEvent, "v" | "id">): GatewayEffect {
  const { node, epoch, sequence } = event.after;
  const told: BehaviourEvent = { v: PUBLIC_VERSION, id: `${node}:${epoch}:${sequence}`, ...event };
  const topic = nodeTopic(state.settings.base, node as NodeId, "event");
  return { kind: "tell", topic, json: JSON.stringify(told), qos: 1, retain: false };
}

function deviceOf({ serving }: GatewayState, { row, online, sensor }: NodeState): Device {
  return {
    node: row.node,
    state: online ? "online" : "offline",
    cohort: row.cohort,
    firmware: row.firmware,
    model: row.modelId,
    release: row.releaseSequence,
    last_seen: row.lastSeenMs,
    battery: row.batteryPercent,
    windows: row.windows,
    offloads: row.offloads,
    // An offload is sent at once, its window's report later.
    offload_ratio: row.windows === 0 ? 0 : rounded(Math.min(1, row.offloads / row.windows)),
    agreement: row.trusted === 0 ? null : rounded(row.agreed / row.trusted),
    dropped: row.dropped,
    drift: rounded(row.driftQ8 / 256),
    alarm: row.alarm,
    fault: sensor.fault,
    audit: auditOf(row.counts),
    withheld: serving.get(row.cohort)?.rollout.unfit[row.node]?.reason ?? null,
  };
}
