/**
 * The three links that a simulated node can be on, as one shape: what a message costs, what rest
 * costs, and when the node can be spoken to.
 */

import { assumed, type TargetName, TARGETS } from "../cost/targets.ts";
import { bleDownlink, bleDownlinkWaitMs, bleIdleMicrowatts, bleUplink } from "./ble.ts";
import type { LinkName, MessageCost } from "./link-cost.ts";
import {
  dataRateOf,
  dutyCycleOffMs,
  lorawanDownlink,
  lorawanIdleMicrowatts,
  lorawanUplink,
} from "./lorawan.ts";
import { BLE, LORA, WIFI } from "./radio-constants.ts";
import { wifiAssociatedMicrowatts, wifiDownlink, wifiUplink } from "./wifi.ts";

export type LinkProfile = {
  readonly name: LinkName;
  /** Whose processor runs the student. */
  readonly target: TargetName;
  /** Processor, accelerometer and radio between windows and messages. */
  readonly restMicrowatts: number;
  /** A message of the node, one packet of it on LoRaWAN; and one to the node. */
  readonly uplink: (bytes: number) => MessageCost;
  readonly downlink: (bytes: number) => MessageCost;
  /** How long the band must rest after so much sending. */
  readonly offMs: (transmitMs: number) => number;
  /** `after-uplink`: what is said to the node waits until it has spoken. */
  readonly listens: "always" | "after-uplink";
  /** How long the node needs to notice that it is spoken to; on LoRaWAN after its uplink's end. */
  readonly downWaitMs: number;
  /** LoRaWAN: bytes in one payload, and most payloads that a message may be cut into. */
  readonly packets: { readonly payloadBytes: number; readonly piecesMax: number } | undefined;
};

const ACCELEROMETER_MILLIAMPERE = assumed(
  0.006,
  "mA",
  "LIS2DW12 or ADXL362 class at 10 to 50 Hz: 2 to 10 uA",
);

/** Four payloads of the slowest rate are eleven seconds on the air, and twenty minutes of rest. */
const PIECES_MAX = 4;

/** @param dataRate LoRaWAN's, 0 to 5; without meaning for the others */
export function linkProfile(name: LinkName, dataRate: number): LinkProfile {
  switch (name) {
    case "ble":
      return {
        name,
        target: "nrf52840",
        restMicrowatts: nodeRestMicrowatts() + bleIdleMicrowatts(),
        uplink: bleUplink,
        downlink: bleDownlink,
        offMs: () => 0,
        listens: "always",
        // On the average, half of the longest.
        downWaitMs: bleDownlinkWaitMs() / 2,
        packets: undefined,
      };
    case "wifi":
      return {
        name,
        target: "esp32c3",
        // The figure for the association has the processor's light sleep in it.
        restMicrowatts: wifiAssociatedMicrowatts() + accelerometerMicrowatts(WIFI.supplyVolt.value),
        uplink: wifiUplink,
        downlink: wifiDownlink,
        offMs: () => 0,
        listens: "always",
        downWaitMs: WIFI.beaconMs.value / 2,
        packets: undefined,
      };
    case "lorawan":
      return {
        name,
        target: "nrf52840",
        restMicrowatts: nodeRestMicrowatts() + lorawanIdleMicrowatts(),
        uplink: (bytes) => lorawanUplink(dataRate, bytes),
        downlink: (bytes) => lorawanDownlink(dataRate, bytes),
        offMs: dutyCycleOffMs,
        listens: "after-uplink",
        downWaitMs: LORA.receiveDelay1Ms.value,
        packets: { payloadBytes: dataRateOf(dataRate).payloadBytes, piecesMax: PIECES_MAX },
      };
  }
}

/** An nRF52840 and its accelerometer with no radio. */
export function nodeRestMicrowatts(): number {
  const { value: volt } = TARGETS.nrf52840.supplyVolt;
  return 1000 * BLE.sleepMilliampere.value * volt + accelerometerMicrowatts(volt);
}

export function accelerometerMicrowatts(volt: number): number {
  return 1000 * ACCELEROMETER_MILLIAMPERE.value * volt;
}
