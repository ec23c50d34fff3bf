/**
 * Which nodes are there: by any word of theirs, until their last will or their own longest silence.
 * Pure.
 */

import { availabilityOf } from "../access/access.ts";
import type { GatewayEffect, GatewayState, NodeState } from "../gateway-state.ts";
import type { NodeRow } from "../store/label-rows.ts";
import { tellNodeState } from "../telling/tell-node-state.ts";
import { tellAvailability, tellDevices, tellInfo } from "../telling/telling.ts";

/** A node that announces no longest silence is given this. */
const SILENCE_MS_LEAST = 10_000;

/** How long a node may be silent before it is taken to be gone. */
export function silenceMsOf({ settings }: GatewayState, { wakeMs }: NodeRow): number {
  return settings.silences * Math.max(wakeMs, SILENCE_MS_LEAST);
}

/** Any frame proves that a node is there. */
export function heard(state: GatewayState, node: NodeState, nowMs: number): GatewayEffect[] {
  node.row = { ...node.row, lastSeenMs: nowMs };
  node.heardUptimeMs = state.uptimeMs;
  if (node.online) return [];
  node.online = true;
  state.devicesChanged = true;
  return [tellAvailability(state, node)];
}

/** Who has been silent for too long, and the list of devices where it changed. */
export function onPresenceTick(state: GatewayState, nowMs: number): GatewayEffect[] {
  const effects: GatewayEffect[] = [];
  for (const node of state.nodes.values()) {
    const isSilent = state.uptimeMs - node.heardUptimeMs > silenceMsOf(state, node.row);
    if (node.online && isSilent) effects.push(gone(state, node));
  }
  const sinceToldMs = state.uptimeMs - state.devicesToldUptimeMs;
  if (state.devicesChanged && sinceToldMs >= state.settings.devicesMs) {
    state.devicesChanged = false;
    state.devicesToldUptimeMs = state.uptimeMs;
    effects.push(tellDevices(state), tellInfo(state, nowMs));
    for (const node of state.nodes.values()) effects.push(...tellNodeState(state, node));
  }
  return effects;
}

/** What a node's last will, or a node that leaves in good order, says. */
export function onAvailability(
  state: GatewayState,
  topic: string,
  payload: Uint8Array,
): GatewayEffect[] {
  const id = availabilityOf(state.settings.base, topic);
  const node = id === undefined ? undefined : state.nodes.get(id);
  if (node === undefined || !node.online || !saysOffline(payload)) return [];
  return [gone(state, node)];
}

function gone(state: GatewayState, node: NodeState): GatewayEffect {
  node.online = false;
  state.devicesChanged = true;
  return tellAvailability(state, node);
}

function saysOffline(payload: Uint8Array): boolean {
  let text = "";
  for (const byte of payload) text += String.fromCharCode(byte);
  return /^\s*\{\s*"state"\s*:\s*"offline"\s*\}\s*$/.test(text);
}
