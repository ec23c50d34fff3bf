/**
 * The gateway as an edge node of Sparkplug B, and every node as one of its devices. Pure.
 *
 * It takes what goes out on the public topics and nothing else, as the page's board does, so that a
 * host can be told nothing that a reader of the topics could not know. A session begins with a birth
 * of the edge node and then of the devices that are online, some at a time; after that only what
 * changed is told. Every message but the edge node's death has the next number from 0 to 255, by which
 * a host notices that it has missed one and asks for all births again. A device that goes offline dies
 * here too. Eclipse Sparkplug Specification 3.0.0, sections 5 and 6.
 */

import { EdgeError, unreachable } from "../../src/assert.ts";
import type { NodeId } from "../../src/wire/messages.ts";
import type {
  Behaviour,
  BridgeInfo,
  NodeStateMessage,
  PublicBudget,
} from "../../src/wire/public.ts";
import { type PublicTopic, parsePublicTopic, type TopicBase } from "../../src/wire/topics.ts";
import type { LogLevel } from "../broker/link.ts";
import {
  behaviourMetrics,
  budgetMetrics,
  detailMetrics,
  infoMetrics,
  noDeviceMetrics,
  noEdgeMetrics,
  stateMetrics,
} from "./sparkplug-metrics.ts";
import {
  deviceTopic,
  type EdgeNode,
  edgeTopic,
  STATE_BYTES_MAX,
  stateTopic,
} from "./sparkplug-names.ts";
import { decodeCommand, encodePayload, type Metric } from "./sparkplug-payload.ts";

/** Births of devices in one tick: each has some forty metrics. */
const BIRTHS_AT_ONCE = 50;
/** A host that asks faster is answered so often. */
const REBIRTH_MS = 1_000;
const NUMBERS = 256;
const REBIRTH = "Node Control/Rebirth";

export type SparkplugSettings = EdgeNode & {
  readonly base: TopicBase;
  readonly classes: readonly string[];
  readonly version: string;
};

type Values = Map<string, Metric>;

type DeviceState = { online: boolean; born: boolean; readonly values: Values };

export type SparkplugState = {
  readonly settings: SparkplugSettings;
  readonly values: Values;
  readonly devices: Map<NodeId, DeviceState>;
  /** Devices that are online and not born. */
  readonly unborn: Set<NodeId>;
  /** The number of the session that is open; null without one. */
  bdSeq: number | null;
  born: boolean;
  bornMs: number;
  /** The number of the next message. */
  seq: number;
  rebirth: boolean;
  /** Whether the primary host has said that it is there, and the time that it last named. */
  hostOnline: boolean;
  hostTimeMs: number;
};

export type SparkplugEvent =
  /** The edge node may speak; `bdSeq` is that of the last will which its death would carry out. */
  | { readonly kind: "opened"; readonly bdSeq: number }
  | { readonly kind: "closed" }
  /** A message that went out on the public topics, or on another. */
  | { readonly kind: "told"; readonly topic: string; readonly json: string }
  /** A message that came in on one of `edgeFilters`. */
  | { readonly kind: "heard"; readonly topic: string; readonly payload: Uint8Array }
  | { readonly kind: "tick" }
  /** The gateway stops. */
  | { readonly kind: "end" };

export type SparkplugEffect =
  | {
      readonly kind: "publish";
      readonly topic: string;
      readonly payload: Uint8Array;
      readonly qos: 0 | 1;
    }
  /** End the session in good order and open another. */
  | { readonly kind: "reopen" }
  | { readonly kind: "log"; readonly level: LogLevel; readonly text: string };

export function createSparkplug(settings: SparkplugSettings, nowMs: number): SparkplugState {
  return {
    settings,
    values: table(noEdgeMetrics(settings.version, nowMs)),
    devices: new Map(),
    unborn: new Set(),
    bdSeq: null,
    born: false,
    bornMs: Number.NEGATIVE_INFINITY,
    seq: 0,
    rebirth: false,
    hostOnline: false,
    hostTimeMs: 0,
  };
}

/** The edge node's death: its last will, and what it says when it leaves of its own accord. */
export function edgeDeath(
  edge: EdgeNode,
  bdSeq: number,
  nowMs: number,
): { readonly topic: string; readonly payload: Uint8Array } {
  const payload = { timeMs: nowMs, seq: undefined, metrics: [bdSeqMetric(bdSeq, nowMs)] };
  return { topic: edgeTopic(edge, "NDEATH"), payload: encodePayload(payload) };
}

export function stepSparkplug(
  state: SparkplugState,
  event: SparkplugEvent,
  nowMs: number,
): SparkplugEffect[] {
  switch (event.kind) {
    case "opened":
      state.bdSeq = event.bdSeq;
      return mayBear(state) ? bear(state, nowMs) : [];
    case "closed":
      close(state);
      // It is told again with the next subscription.
      state.hostOnline = false;
      return [];
    case "told":
      return onTold(state, event.topic, event.json, nowMs);
    case "heard":
      return onHeard(state, event.topic, event.payload, nowMs);
    case "tick":
      return onTick(state, nowMs);
    case "end":
      return die(state, nowMs);
    default:
      return unreachable(event);
  }
}

function mayBear({ settings, bdSeq, hostOnline }: SparkplugState): boolean {
  return bdSeq !== null && (settings.primaryHost === undefined || hostOnline);
}

/** The birth of the edge node is also the end of all that was said before. */
function bear(state: SparkplugState, nowMs: number): SparkplugEffect[] {
  const { settings, bdSeq } = state;
  if (bdSeq === null) return [];
  state.born = true;
  state.bornMs = nowMs;
  state.rebirth = false;
  state.seq = 0;
  state.unborn.clear();
  for (const [node, device] of state.devices) {
    device.born = false;
    if (device.online) state.unborn.add(node);
  }
  const control: Metric = { name: REBIRTH, type: "Boolean", value: false, timeMs: nowMs };
  const metrics = [bdSeqMetric(bdSeq, nowMs), control, ...state.values.values()];
  return [say(state, edgeTopic(settings, "NBIRTH"), metrics, nowMs)];
}

function onTick(state: SparkplugState, nowMs: number): SparkplugEffect[] {
  if (!state.born) return [];
  if (state.rebirth && nowMs - state.bornMs >= REBIRTH_MS) return bear(state, nowMs);
  const effects: SparkplugEffect[] = [];
  for (const node of [...state.unborn].slice(0, BIRTHS_AT_ONCE)) {
    state.unborn.delete(node);
    const device = deviceOf(state, node, nowMs);
    device.born = true;
    const topic = deviceTopic(state.settings, "DBIRTH", node);
    effects.push(say(state, topic, [...device.values.values()], nowMs));
  }
  return effects;
}

function onTold(
  state: SparkplugState,
  topic: string,
  json: string,
  nowMs: number,
): SparkplugEffect[] {
  const about = parsePublicTopic(state.settings.base, topic);
  // Nothing at all is what a topic is deleted by.
  if (about === undefined || json === "") return [];
  if (about.plane === "bridge") return onBridge(state, about.name, json, nowMs);
  const { node, name } = about;
  if (name === "availability") {
    const { state: told } = JSON.parse(json) as { readonly state: "online" | "offline" };
    return onPresence(state, node, told === "online", nowMs);
  }
  const metrics = nodeMetrics(state.settings.classes, name, json, nowMs);
  if (metrics.length === 0) return [];
  const device = deviceOf(state, node, nowMs);
  const changed = change(device.values, metrics);
  if (!device.born || changed.length === 0) return [];
  return [say(state, deviceTopic(state.settings, "DDATA", node), changed, nowMs)];
}

function nodeMetrics(
  classes: readonly string[],
  name: Extract<PublicTopic, { plane: "node" }>["name"],
  json: string,
  nowMs: number,
): Metric[] {
  if (name === "behaviour") return behaviourMetrics(JSON.parse(json) as Behaviour);
  if (name === "state") return stateMetrics(JSON.parse(json) as NodeStateMessage, nowMs);
  if (name === "budget") return budgetMetrics(classes, JSON.parse(json) as PublicBudget);
  return [];
}

function onPresence(
  state: SparkplugState,
  node: NodeId,
  online: boolean,
  nowMs: number,
): SparkplugEffect[] {
  const device = deviceOf(state, node, nowMs);
  device.online = online;
  if (online) {
    if (!device.born) state.unborn.add(node);
    return [];
  }
  state.unborn.delete(node);
  if (!device.born) return [];
  device.born = false;
  return [say(state, deviceTopic(state.settings, "DDEATH", node), [], nowMs)];
}

function onBridge(
  state: SparkplugState,
  name: Extract<PublicTopic, { plane: "bridge" }>["name"],
  json: string,
  nowMs: number,
): SparkplugEffect[] {
  if (name !== "info" && name !== "state") return [];
  const metrics =
    name === "info"
      ? infoMetrics(JSON.parse(json) as BridgeInfo)
      : detailMetrics(JSON.parse(json) as { detail?: string }, nowMs);
  const changed = change(state.values, metrics);
  if (!state.born || changed.length === 0) return [];
  return [say(state, edgeTopic(state.settings, "NDATA"), changed, nowMs)];
}

function onHeard(
  state: SparkplugState,
  topic: string,
  payload: Uint8Array,
  nowMs: number,
): SparkplugEffect[] {
  const { settings } = state;
  const { primaryHost } = settings;
  if (primaryHost !== undefined && topic === stateTopic(primaryHost)) {
    return onHost(state, primaryHost, payload, nowMs);
  }
  if (topic !== edgeTopic(settings, "NCMD")) return [];
  try {
    const commands = decodeCommand(payload, topic);
    if (!commands.some(({ name, value }) => name === REBIRTH && value === true)) return [];
  } catch (error) {
    if (!(error instanceof EdgeError)) throw error;
    return [log("warning", `command refused: ${error.message}`)];
  }
  // What was not born yet says everything anyway.
  if (!state.born) return [];
  if (nowMs - state.bornMs >= REBIRTH_MS) return bear(state, nowMs);
  state.rebirth = true;
  return [];
}

function onHost(
  state: SparkplugState,
  host: string,
  payload: Uint8Array,
  nowMs: number,
): SparkplugEffect[] {
  const said = readHostState(payload);
  if (said === undefined) return [log("warning", `the state of ${host} cannot be read`)];
  // An older word may come later: the last will of a connection that has long been replaced.
  if (said.timestamp < state.hostTimeMs) return [];
  state.hostTimeMs = said.timestamp;
  if (said.online === state.hostOnline) return [];
  state.hostOnline = said.online;
  const told = log("info", `primary host ${host} is ${said.online ? "online" : "offline"}`);
  if (said.online) return [told, ...(mayBear(state) ? bear(state, nowMs) : [])];
  if (!state.born) return [told];
  return [told, ...die(state, nowMs), { kind: "reopen" }];
}

function die(state: SparkplugState, nowMs: number): SparkplugEffect[] {
  const { born, bdSeq, settings } = state;
  close(state);
  if (!born || bdSeq === null) return [];
  return [{ kind: "publish", ...edgeDeath(settings, bdSeq, nowMs), qos: 1 }];
}

function close(state: SparkplugState): void {
  state.bdSeq = null;
  state.born = false;
  state.rebirth = false;
  for (const device of state.devices.values()) device.born = false;
}

function readHostState(
  payload: Uint8Array,
): { readonly online: boolean; readonly timestamp: number } | undefined {
  if (payload.length > STATE_BYTES_MAX) return undefined;
  try {
    const said = JSON.parse(String.fromCharCode(...payload)) as Record<string, unknown> | null;
    const { online, timestamp } = said ?? {};
    if (typeof online !== "boolean" || typeof timestamp !== "number") return undefined;
    return { online, timestamp };
  } catch {
    return undefined;
  }
}

function say(
  state: SparkplugState,
  topic: string,
  metrics: readonly Metric[],
  nowMs: number,
): SparkplugEffect {
  const { seq } = state;
  state.seq = (seq + 1) % NUMBERS;
  return {
    kind: "publish",
    topic,
    payload: encodePayload({ timeMs: nowMs, seq, metrics }),
    qos: 0,
  };
}

/** Writes them over those before, and returns those that say something else. */
function change(values: Values, metrics: readonly Metric[]): Metric[] {
  const changed = metrics.filter(({ name, value }) => values.get(name)?.value !== value);
  for (const metric of changed) values.set(metric.name, metric);
  return changed;
}

function deviceOf({ devices, settings }: SparkplugState, node: NodeId, nowMs: number): DeviceState {
  const known = devices.get(node);
  if (known !== undefined) return known;
  const values = table(noDeviceMetrics(settings.classes, nowMs));
  const made = { online: false, born: false, values };
  devices.set(node, made);
  return made;
}

function table(metrics: readonly Metric[]): Values {
  return new Map(metrics.map((metric) => [metric.name, metric]));
}

function bdSeqMetric(bdSeq: number, timeMs: number): Metric {
  return { name: "bdSeq", type: "Int64", value: bdSeq, timeMs };
}

function log(level: LogLevel, text: string): SparkplugEffect {
  return { kind: "log", level, text };
}
