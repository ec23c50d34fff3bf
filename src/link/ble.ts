/**
 * Bluetooth Low Energy, LE 1M: a peripheral in a connection, one notification after another.
 *
 *     central    |poll|          |ack|           |ack|
 *     node             |data 1 |      |data 2 |
 *                   150us    150us 150us   150us
 *
 * A message begins at the next connection event, which it keeps open (More Data) until its last
 * packet is acknowledged. While there is nothing to say the peripheral sleeps over
 * `BLE.latencyEvents` events. Advertising and connecting are not in here: they happen once.
 */

import { type MessageCost, microjoules } from "./link-cost.ts";
import { BLE } from "./radio-constants.ts";

/** Bytes of a frame in one notification. */
export const BLE_FRAGMENT_BYTES = BLE.payloadBytesMax.value - BLE.attributeBytes.value;

/** From the node to its central. */
export function bleUplink(frameBytes: number): MessageCost {
  const fragments = fragmentCount(frameBytes);
  return exchange(dataUs(frameBytes, fragments), emptyUs() * fragments, fragments);
}

/** To the node: it answers each packet with an empty one. */
export function bleDownlink(frameBytes: number): MessageCost {
  const fragments = fragmentCount(frameBytes);
  return exchange(emptyUs() * fragments, dataUs(frameBytes, fragments), fragments);
}

/** Power of keeping the connection while nothing is said, without the processor's own sleep. */
export function bleIdleMicrowatts(): number {
  const { microjoules: each } = exchange(emptyUs(), emptyUs(), 1);
  const seconds = (BLE.intervalMs.value / 1000) * (1 + BLE.latencyEvents.value);
  return each / seconds;
}

/** How long the central may have to wait for a node that sleeps over events. */
export function bleDownlinkWaitMs(): number {
  return BLE.intervalMs.value * (1 + BLE.latencyEvents.value);
}

function exchange(transmitUs: number, receiveUs: number, fragments: number): MessageCost {
  const volt = BLE.supplyVolt.value;
  // Two gaps for each packet, in which the radio turns round at no less than the receiver's current.
  const gapUs = 2 * fragments * BLE.interframeUs.value;
  const listenUs = receiveUs + gapUs + BLE.rampUs.value + BLE.wideningUs.value;
  const radio =
    microjoules(BLE.transmitMilliampere.value, volt, transmitUs / 1000) +
    microjoules(BLE.receiveMilliampere.value, volt, listenUs / 1000);
  const work = microjoules(BLE.processorMilliampere.value, volt, BLE.eventProcessorUs.value / 1000);
  const eventMs = (transmitUs + receiveUs + gapUs) / 1000;
  return {
    fragments,
    transmitMs: transmitUs / 1000,
    receiveMs: listenUs / 1000,
    microjoules: radio + work,
    latencyMs: BLE.intervalMs.value / 2 + eventMs,
  };
}

function fragmentCount(frameBytes: number): number {
  return Math.max(1, Math.ceil(frameBytes / BLE_FRAGMENT_BYTES));
}

function dataUs(frameBytes: number, fragments: number): number {
  const overhead = BLE.packetBytes.value + BLE.micBytes.value + BLE.attributeBytes.value;
  return BLE.byteUs.value * (frameBytes + fragments * overhead);
}

function emptyUs(): number {
  return BLE.byteUs.value * BLE.packetBytes.value;
}
