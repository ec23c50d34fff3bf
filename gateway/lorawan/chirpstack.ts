/**
 * Nodes behind LoRaWAN: between ChirpStack v4's topics and our node plane.
 *
 *     application/<id>/device/<devEui>/event/up      ->  <base>/node/<node>/up/<kind>
 *     application/<id>/device/<devEui>/command/down  <-  <base>/node/<node>/down/<kind>
 *
 * `stepChirpstack(state, event, now)` is a pure program: it knows neither broker nor clock. A device
 * that is not in the list is nobody; a port that is not ours is another application's. Uplinks that
 * come twice (by ChirpStack's own id, or by session and frame counter) pass once, though a gateway
 * would also take the second for what it is. Downlinks wait in ChirpStack's queue until the node has
 * spoken; what does not fit one downlink is not sent, and no release is.
 */

import { EdgeError } from "../../src/assert.ts";
import { EU868_DATA_RATES } from "../../src/link/lorawan.ts";
import { decodeDown, encodeDown } from "../../src/wire/frames.ts";
import { type LoraAssembly, takeLoraPayload } from "../../src/wire/lora.ts";
import type { DownKind, NodeId } from "../../src/wire/messages.ts";
import { parseDownTopic, type TopicBase, upTopic } from "../../src/wire/topics.ts";
import type { LogLevel } from "../broker/link.ts";
import {
  type ChirpstackEvent,
  EVENT_KINDS,
  type EventKind,
  parseChirpstackEvent,
} from "./chirpstack-events.ts";

export type ChirpstackSettings = {
  readonly base: TopicBase;
  /** ChirpStack's id of the application, a UUID. */
  readonly application: string;
  /** LoRaWAN's port of our payloads, 1 to 223. */
  readonly port: number;
  /** Nodes by device EUI, 16 lower case hex digits. */
  readonly devices: ReadonlyMap<string, NodeId>;
};

type Device = {
  readonly devEui: string;
  readonly node: NodeId;
  readonly assembly: LoraAssembly;
  /** The last uplinks, by ChirpStack's id and by session and counter. */
  readonly seen: Set<string>;
  /** Of the last uplink's data rate; the slowest until one is heard. */
  payloadBytes: number;
};

export type ChirpstackState = {
  readonly settings: ChirpstackSettings;
  readonly byEui: ReadonlyMap<string, Device>;
  readonly byNode: ReadonlyMap<NodeId, Device>;
  /** Uplinks that were no payload of ours, or of nobody we know. */
  refused: number;
  /** Uplinks that had come before. */
  repeated: number;
};

export type ChirpstackInput =
  /** On a topic of ChirpStack's. */
  | { readonly kind: "event"; readonly topic: string; readonly payload: Uint8Array }
  /** What the gateway tells a node. */
  | { readonly kind: "down"; readonly topic: string; readonly frame: Uint8Array };

export type ChirpstackEffect =
  /** For the gateway, as if the node had published it. */
  | { readonly kind: "up"; readonly topic: string; readonly frame: Uint8Array }
  /** For ChirpStack. */
  | { readonly kind: "command"; readonly topic: string; readonly payload: string }
  | {
      readonly kind: "log";
      readonly level: LogLevel;
      readonly text: string;
      readonly fields: Readonly<Record<string, string | number>>;
    };

const SEEN_MAX = 256;
/** Header of an acknowledgement, and each number in it. */
const ACK_BYTES = 8;
const ACK_SEQ_BYTES = 4;
/** What a node on LoRaWAN is told; the rest is too large for it. */
const TOLD: readonly DownKind[] = ["ack", "verdict", "setting", "point"];

export function createChirpstackState(settings: ChirpstackSettings): ChirpstackState {
  const devices = [...settings.devices].map(([devEui, node]): Device => {
    const payloadBytes = payloadBytesOf(0);
    return { devEui, node, assembly: new Map(), seen: new Set(), payloadBytes };
  });
  return {
    settings,
    byEui: new Map(devices.map((device) => [device.devEui, device])),
    byNode: new Map(devices.map((device) => [device.node, device])),
    refused: 0,
    repeated: 0,
  };
}

/** What to subscribe to at ChirpStack's broker. */
export function chirpstackFilters(application: string): readonly string[] {
  return EVENT_KINDS.map((kind) => `application/${application}/device/+/event/${kind}`);
}

/** Whether a topic of the node plane belongs to a node behind LoRaWAN. */
export function isLorawanTopic(state: ChirpstackState, topic: string): boolean {
  const parsed = parseDownTopic(state.settings.base, topic);
  return parsed !== undefined && state.byNode.has(parsed.node);
}

export function stepChirpstack(
  state: ChirpstackState,
  input: ChirpstackInput,
  nowMs: number,
): readonly ChirpstackEffect[] {
  try {
    return input.kind === "down" ? onDown(state, input) : onEvent(state, input, nowMs);
  } catch (error) {
    if (!(error instanceof EdgeError)) throw error;
    state.refused += 1;
    const text = "a LoRaWAN message was refused";
    const fields = { topic: input.topic.slice(0, 128), reason: error.message };
    return [{ kind: "log", level: "warning", text, fields }];
  }
}

function onEvent(
  state: ChirpstackState,
  input: { readonly topic: string; readonly payload: Uint8Array },
  nowMs: number,
): readonly ChirpstackEffect[] {
  const parsed = parseEventTopic(state.settings.application, input.topic);
  if (parsed === undefined) return [];
  const event = parseChirpstackEvent(parsed.kind, input.payload);
  if (event.deviceInfo.devEui !== parsed.devEui) {
    throw refusal("device-eui", "the topic names another device than the event");
  }
  const device = state.byEui.get(parsed.devEui);
  if (device === undefined) throw refusal("device-unknown", `${parsed.devEui} is no node`);
  switch (event.kind) {
    case "up":
      return onUplink(state, device, event, nowMs);
    case "join":
      // A new session counts from 0; pieces of the one before will not be completed.
      device.seen.clear();
      device.assembly.clear();
      return [log("info", "a LoRaWAN node joined", device)];
    case "log":
      return event.level === "ERROR"
        ? [log("warning", "ChirpStack tells an error", device, { code: event.code })]
        : [];
    case "ack":
      return event.acknowledged ? [] : [log("debug", "a downlink was not confirmed", device)];
    default:
      return [];
  }
}

function onUplink(
  state: ChirpstackState,
  device: Device,
  event: Extract<ChirpstackEvent, { kind: "up" }>,
  nowMs: number,
): readonly ChirpstackEffect[] {
  const { settings } = state;
  const names = [event.deduplicationId, `${event.devAddr}/${event.fCnt}`];
  if (names.some((name) => device.seen.has(name))) {
    state.repeated += 1;
    return [];
  }
  for (const name of names) device.seen.add(name);
  for (const oldest of device.seen) {
    if (device.seen.size <= SEEN_MAX) break;
    device.seen.delete(oldest);
  }
  device.payloadBytes = payloadBytesOf(event.dr);
  // Port 0 is LoRaWAN's own, and a node that only listens for more sends nothing.
  if (event.fPort === 0 || event.data.length === 0) return [];
  if (event.fPort !== settings.port) {
    throw refusal("lora-port", `port ${event.fPort}, ours is ${settings.port}`);
  }
  const up = takeLoraPayload(device.assembly, event.data, nowMs);
  if (up === undefined) return [];
  const topic = upTopic(settings.base, device.node, up.kind);
  return [{ kind: "up", topic, frame: up.frame }];
}

function onDown(
  state: ChirpstackState,
  { topic, frame }: { readonly topic: string; readonly frame: Uint8Array },
): readonly ChirpstackEffect[] {
  const parsed = parseDownTopic(state.settings.base, topic);
  const device = parsed === undefined ? undefined : state.byNode.get(parsed.node);
  if (parsed === undefined || device === undefined) return [];
  const told = TOLD.includes(parsed.kind) ? fitting(parsed.kind, frame, device.payloadBytes) : [];
  if (told.length === 0) {
    const fields = { kind: parsed.kind, bytes: frame.length };
    return [log("debug", "too large for LoRaWAN, not sent", device, fields)];
  }
  const { application, port } = state.settings;
  return told.map((data) => ({
    kind: "command",
    topic: `application/${application}/device/${device.devEui}/command/down`,
    payload: JSON.stringify({
      devEui: device.devEui,
      confirmed: false,
      fPort: port,
      data: Buffer.from(data).toString("base64"),
    }),
  }));
}

/** An acknowledgement of many is cut into several; anything else fits or does not. */
function fitting(kind: DownKind, frame: Uint8Array, most: number): readonly Uint8Array[] {
  if (frame.length <= most) return [frame];
  if (kind !== "ack") return [];
  const { epoch, seqs } = decodeDown("ack", frame);
  const each = Math.floor((most - ACK_BYTES) / ACK_SEQ_BYTES);
  return Array.from({ length: Math.ceil(seqs.length / each) }, (_, i) =>
    encodeDown({ kind: "ack", epoch, seqs: seqs.slice(i * each, (i + 1) * each) }),
  );
}

function payloadBytesOf(dataRate: number): number {
  const rate = EU868_DATA_RATES[dataRate] ?? EU868_DATA_RATES.at(-1);
  return rate?.payloadBytes ?? 0;
}

function parseEventTopic(
  application: string,
  topic: string,
): { readonly devEui: string; readonly kind: EventKind } | undefined {
  const [first, id, second, devEui, third, last, ...more] = topic.split("/");
  const kind = EVENT_KINDS.find((known) => known === last);
  const ours = first === "application" && id === application && second === "device";
  if (!ours || third !== "event" || more.length > 0) return undefined;
  return kind === undefined || devEui === undefined ? undefined : { devEui, kind };
}

function log(
  level: LogLevel,
  text: string,
  device: Device,
  fields: Readonly<Record<string, string | number>> = {},
): ChirpstackEffect {
  return { kind: "log", level, text, fields: { node: device.node, ...fields } };
}

function refusal(code: string, message: string): EdgeError {
  return new EdgeError({
    code,
    message,
    where: "LoRaWAN uplink",
    hint: "Compare lorawan.devices and lorawan.port with ChirpStack; see docs/LORAWAN.md.",
  });
}
