/**
 * What lies between a node and its broker: a radio with its limits, as `stepLink(state, event, now)`.
 *
 * A frame that is sent waits for the band, takes its time and its energy, and comes out on the other
 * side. On LoRaWAN it is cut into payloads first and read back from them, so that what arrives is
 * what the run-length coded form kept; what would take more than `piecesMax` payloads is refused. A
 * node that is asleep hears nothing: what it is told is held, and one message is handed over in the
 * receive window of each uplink. Where more is held the node asks for it with an empty uplink, as
 * LoRaWAN's frame-pending bit bids. Nothing is lost here by chance.
 *
 * Time is any clock that does not run backwards. Energies are microjoules of the node.
 */

import { assert } from "../assert.ts";
import { sameBytes } from "../bytes.ts";
import { type LoraAssembly, takeLoraPayload, toLoraPayloads } from "../wire/lora.ts";
import type { DownKind, UpKind } from "../wire/messages.ts";
import type { MessageCost } from "./link-cost.ts";
import type { LinkProfile } from "./link-profile.ts";

export type LinkEvent =
  | { readonly kind: "send"; readonly topic: UpKind; readonly frame: Uint8Array }
  | { readonly kind: "told"; readonly topic: DownKind; readonly frame: Uint8Array }
  | { readonly kind: "tick" }
  /** The way behind the radio is gone: what is under way is lost, and the outbox sends it again. */
  | { readonly kind: "lost" };

export type LinkEffect =
  /** Towards the broker, and towards the node. */
  | { readonly kind: "up"; readonly topic: UpKind; readonly frame: Uint8Array }
  | { readonly kind: "down"; readonly topic: DownKind; readonly frame: Uint8Array }
  | { readonly kind: "spent"; readonly microjoules: number }
  | { readonly kind: "refused"; readonly topic: UpKind | DownKind; readonly reason: Refusal };

/** `too-large` for the link, `queue-full` because the band is not free often enough. */
export type Refusal = "too-large" | "queue-full";

type Waiting = {
  readonly topic: UpKind;
  readonly frame: Uint8Array;
  readonly packets: readonly Uint8Array[];
  sent: number;
};
type Held = { readonly topic: DownKind; readonly frame: Uint8Array };
type Due = { readonly atMs: number; readonly act: LinkEffect | "window" };

export type LinkState = {
  readonly profile: LinkProfile;
  /** To send, in order; the first may be sent in part. */
  queue: Waiting[];
  held: Held[];
  due: Due[];
  /** What the far side has of messages in pieces. */
  readonly assembly: LoraAssembly;
  freeAtMs: number;
  /** The last downlink said that more is held. */
  pending: boolean;
  /** For whoever looks: frames, packets and time on the air. */
  uplinks: number;
  packets: number;
  airtimeMs: number;
};

/** Reports of half a day on LoRaWAN; and what a network server would keep for a node. */
const QUEUE_MAX = 256;
const HELD_MAX = 64;
/** What is worth the band first. A raw window is worth it last: it is many packets. */
const RANK: Readonly<Record<UpKind, number>> = {
  hello: 0,
  outcome: 1,
  want: 1,
  report: 2,
  offload: 3,
};

export function createLinkState(profile: LinkProfile): LinkState {
  return {
    profile,
    queue: [],
    held: [],
    due: [],
    assembly: new Map(),
    freeAtMs: Number.NEGATIVE_INFINITY,
    pending: false,
    uplinks: 0,
    packets: 0,
    airtimeMs: 0,
  };
}

export function stepLink(state: LinkState, event: LinkEvent, nowMs: number): LinkEffect[] {
  const effects: LinkEffect[] = [];
  happenDue(state, nowMs, effects);
  switch (event.kind) {
    case "send":
      takeFrame(state, event, effects);
      break;
    case "told":
      takeTold(state, event, nowMs, effects);
      break;
    case "lost":
      state.queue = [];
      state.held = [];
      state.due = [];
      state.assembly.clear();
      state.pending = false;
      break;
    case "tick":
      break;
  }
  while (state.freeAtMs <= nowMs && transmit(state, nowMs, effects))
    happenDue(state, nowMs, effects);
  return effects;
}

function takeFrame(
  state: LinkState,
  { topic, frame }: { readonly topic: UpKind; readonly frame: Uint8Array },
  effects: LinkEffect[],
): void {
  // The outbox sends again what is not acknowledged; what still waits here is no second message.
  if (state.queue.some((one) => one.topic === topic && sameBytes(one.frame, frame))) return;
  const { packets: limits } = state.profile;
  const packets =
    limits === undefined
      ? [frame]
      : toLoraPayloads(topic, frame, limits.payloadBytes, limits.piecesMax);
  if (packets === undefined || state.queue.length >= QUEUE_MAX) {
    const reason = packets === undefined ? "too-large" : "queue-full";
    effects.push({ kind: "refused", topic, reason });
    return;
  }
  const waiting: Waiting = { topic, frame: frame.slice(), packets, sent: 0 };
  // Never before one that is sent in part: its first pieces are spent already.
  const place = state.queue.findIndex((one) => one.sent === 0 && RANK[one.topic] > RANK[topic]);
  if (place === -1) state.queue.push(waiting);
  else state.queue.splice(place, 0, waiting);
}

function takeTold(
  state: LinkState,
  { topic, frame }: Held,
  nowMs: number,
  effects: LinkEffect[],
): void {
  const { listens, packets, downWaitMs } = state.profile;
  if (packets !== undefined && frame.length > packets.payloadBytes) {
    effects.push({ kind: "refused", topic, reason: "too-large" });
    return;
  }
  if (listens === "always") {
    const cost = state.profile.downlink(frame.length);
    const atMs = nowMs + downWaitMs + cost.receiveMs;
    effects.push({ kind: "spent", microjoules: cost.microjoules });
    addDue(state, { atMs, act: { kind: "down", topic, frame: frame.slice() } });
    return;
  }
  if (state.held.length >= HELD_MAX) {
    state.held.shift();
    effects.push({ kind: "refused", topic, reason: "queue-full" });
  }
  state.held.push({ topic, frame: frame.slice() });
}

/** Sends one packet, where there is a reason to. */
function transmit(state: LinkState, nowMs: number, effects: LinkEffect[]): boolean {
  const [first] = state.queue;
  if (first === undefined) {
    if (!state.pending) return false;
    state.pending = false;
    onAir(state, state.profile.uplink(0), nowMs, effects);
    return true;
  }
  const packet = first.packets[first.sent];
  assert(packet !== undefined, "what waits has a packet left");
  first.sent += 1;
  const last = first.sent === first.packets.length;
  if (last) state.queue.shift();
  const cost = state.profile.uplink(packet.length);
  const endMs = onAir(state, cost, nowMs, effects);
  const arrived =
    state.profile.packets === undefined
      ? { kind: first.topic, frame: first.frame }
      : takeLoraPayload(state.assembly, packet, nowMs);
  assert(!last || arrived !== undefined, "all pieces of what was sent make it whole");
  if (arrived === undefined) return true;
  state.uplinks += 1;
  const { kind: topic, frame } = arrived;
  addDue(state, { atMs: endMs, act: { kind: "up", topic, frame } });
  return true;
}

/** Returns when the packet has arrived. */
function onAir(state: LinkState, cost: MessageCost, nowMs: number, effects: LinkEffect[]): number {
  const { profile } = state;
  const endMs = nowMs + cost.latencyMs;
  state.packets += cost.fragments;
  state.airtimeMs += cost.transmitMs;
  state.freeAtMs = Math.max(endMs, nowMs + cost.transmitMs + profile.offMs(cost.transmitMs));
  if (profile.listens === "always") state.freeAtMs = nowMs + cost.transmitMs + cost.receiveMs;
  effects.push({ kind: "spent", microjoules: cost.microjoules });
  if (profile.listens === "after-uplink") {
    addDue(state, { atMs: endMs + profile.downWaitMs, act: "window" });
  }
  return endMs;
}

function happenDue(state: LinkState, nowMs: number, effects: LinkEffect[]): void {
  while (true) {
    const [next] = state.due;
    if (next === undefined || next.atMs > nowMs) return;
    state.due.shift();
    if (next.act === "window") openWindow(state, next.atMs, effects);
    else effects.push(next.act);
  }
}

/** The node listens: it is handed one message, and whether there are more. */
function openWindow(state: LinkState, atMs: number, effects: LinkEffect[]): void {
  const held = state.held.shift();
  if (held === undefined) return;
  state.pending = state.held.length > 0;
  const cost = state.profile.downlink(held.frame.length);
  effects.push({ kind: "spent", microjoules: cost.microjoules });
  addDue(state, { atMs: atMs + cost.receiveMs, act: { kind: "down", ...held } });
}

function addDue(state: LinkState, due: Due): void {
  const place = state.due.findIndex((other) => other.atMs > due.atMs);
  if (place === -1) state.due.push(due);
  else state.due.splice(place, 0, due);
}
