/**
 * Wi-Fi: a station that stays associated and sleeps between beacons, or one that turns its radio off
 * and joins anew for each message. Which is cheaper follows from how often it speaks. A node that
 * answers a window each few seconds has no use for deep sleep: waking from it is a boot.
 *
 * The message itself hardly matters: 200 bytes are half a millisecond on the air.
 */

import { type MessageCost, microjoules } from "./link-cost.ts";
import { WIFI } from "./radio-constants.ts";

/** A message of an associated station: MQTT over TLS over TCP, and the answers that it waits for. */
export function wifiUplink(frameBytes: number): MessageCost {
  const { fragments, onAirMs } = onAir(frameBytes);
  return cost(fragments, onAirMs, WIFI.awakeMs.value);
}

export function wifiDownlink(frameBytes: number): MessageCost {
  const { fragments, onAirMs } = onAir(frameBytes);
  const acknowledgement = onAir(0).onAirMs;
  return cost(fragments, acknowledgement, WIFI.awakeMs.value + onAirMs);
}

/** Joins, sends one message and turns the radio off; the message's own bytes included. */
export function wifiReconnect(frameBytes: number): MessageCost {
  const { fragments, onAirMs } = onAir(frameBytes);
  const sending = microjoules(WIFI.transmitMilliampere.value, WIFI.supplyVolt.value, onAirMs);
  return {
    fragments,
    transmitMs: onAirMs,
    receiveMs: WIFI.reconnectMs.value,
    microjoules: 1000 * WIFI.reconnectMillijoule.value + sending,
    latencyMs: WIFI.reconnectMs.value + onAirMs,
  };
}

/** One of several messages on one connection: sending alone, since all wait for answers together. */
export function wifiBundled(frameBytes: number): MessageCost {
  const { fragments, onAirMs } = onAir(frameBytes);
  return cost(fragments, onAirMs, 0);
}

/** Power of staying associated, and of no radio; both with the processor's light sleep in them. */
export function wifiAssociatedMicrowatts(): number {
  return 1000 * WIFI.associatedMilliampere.value * WIFI.supplyVolt.value;
}

export function wifiLightSleepMicrowatts(): number {
  return 1000 * WIFI.lightSleepMilliampere.value * WIFI.supplyVolt.value;
}

/** Messages further apart than this are cheaper by joining anew each time. */
export function wifiBreakEvenSeconds(): number {
  const extra = wifiReconnect(0).microjoules - wifiUplink(0).microjoules;
  return extra / (wifiAssociatedMicrowatts() - wifiLightSleepMicrowatts());
}

function onAir(frameBytes: number): { fragments: number; onAirMs: number } {
  const message = frameBytes + WIFI.publishBytes.value + WIFI.secureBytes.value;
  const fragments = Math.max(1, Math.ceil(message / WIFI.segmentBytes.value));
  const bytes = message + fragments * (WIFI.internetBytes.value + WIFI.macBytes.value);
  const us = (8 * bytes) / WIFI.megabitPerSecond.value + fragments * WIFI.preambleUs.value;
  return { fragments, onAirMs: us / 1000 };
}

function cost(fragments: number, transmitMs: number, receiveMs: number): MessageCost {
  const volt = WIFI.supplyVolt.value;
  return {
    fragments,
    transmitMs,
    receiveMs,
    microjoules:
      microjoules(WIFI.transmitMilliampere.value, volt, transmitMs) +
      microjoules(WIFI.receiveMilliampere.value, volt, receiveMs),
    latencyMs: WIFI.beaconMs.value / 2 + transmitMs,
  };
}
