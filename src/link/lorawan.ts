/**
 * LoRaWAN 1.0.x, class A, EU868: data rates, payload limits, duty cycle and receive windows.
 *
 *     uplink ────────┐ 1 s      ┌─RX1─┐        ┌─RX2─┐
 *     airtime        └──────────┘same └────────┘DR0   └── sleep until the next uplink
 *                                rate   2 s
 *
 * A class A node listens in these two windows after each uplink and at no other time. Downlinks are
 * assumed to come in RX1. Adaptive data rates, joins and confirmed uplinks are not modelled.
 */

import { assert } from "../assert.ts";
import { airtimeMs, symbolMs } from "./lora-airtime.ts";
import { type MessageCost, microjoules } from "./link-cost.ts";
import { LORA } from "./radio-constants.ts";

export type DataRate = {
  readonly spreadingFactor: number;
  readonly bandwidthHz: number;
  /** Most bytes of an application's payload (N of RP002, with a repeater in between). */
  readonly payloadBytes: number;
};

/** DR0 to DR5. RP002-1.0.5, EU863-870: data rates and maximum payload size, repeater compatible. */
export const EU868_DATA_RATES: readonly DataRate[] = [
  { spreadingFactor: 12, bandwidthHz: 125_000, payloadBytes: 51 },
  { spreadingFactor: 11, bandwidthHz: 125_000, payloadBytes: 51 },
  { spreadingFactor: 10, bandwidthHz: 125_000, payloadBytes: 51 },
  { spreadingFactor: 9, bandwidthHz: 125_000, payloadBytes: 115 },
  { spreadingFactor: 8, bandwidthHz: 125_000, payloadBytes: 222 },
  { spreadingFactor: 7, bandwidthHz: 125_000, payloadBytes: 222 },
];

const SLOWEST = 0;
const CODING_RATE = 1;

/** @param dataRate 0 to 5 */
export function dataRateOf(dataRate: number): DataRate {
  const rate = EU868_DATA_RATES[dataRate];
  assert(rate !== undefined, `${dataRate} is a data rate of EU868, 0 to 5`);
  return rate;
}

/** Of one uplink with an application's payload of so many bytes; all headers are added here. */
export function uplinkAirtimeMs(dataRate: number, payloadBytes: number): number {
  const { spreadingFactor, bandwidthHz, payloadBytes: most } = dataRateOf(dataRate);
  assert(payloadBytes <= most, `${payloadBytes} bytes fit DR${dataRate}`);
  return airtimeMs({
    spreadingFactor,
    bandwidthHz,
    payloadBytes: payloadBytes + LORA.headerBytes.value,
    preambleSymbols: LORA.preambleSymbols.value,
    codingRate: CODING_RATE,
    crc: true,
  });
}

/** From the end of an uplink to the next on the same band: the band rests 99 times as long as it was
 * in use (LoRaWAN 1.0.2, section 7.2.2: T_off = airtime / duty cycle - airtime). */
export function dutyCycleOffMs(airtime: number): number {
  return airtime / LORA.dutyCycle.value - airtime;
}

/** Uplinks a day that the duty cycle leaves at this payload. */
export function uplinksPerDay(dataRate: number, payloadBytes: number): number {
  const airtime = uplinkAirtimeMs(dataRate, payloadBytes);
  return Math.floor((86_400_000 * LORA.dutyCycle.value) / airtime);
}

/** One uplink with both receive windows empty. */
export function lorawanUplink(dataRate: number, payloadBytes: number): MessageCost {
  const { spreadingFactor, bandwidthHz } = dataRateOf(dataRate);
  const transmitMs = uplinkAirtimeMs(dataRate, payloadBytes);
  const slowest = dataRateOf(SLOWEST);
  const receiveMs =
    LORA.windowSymbols.value *
    (symbolMs(spreadingFactor, bandwidthHz) +
      symbolMs(slowest.spreadingFactor, slowest.bandwidthHz));
  return cost(transmitMs, receiveMs, 3 * LORA.wakeMs.value, transmitMs);
}

/** What a downlink in RX1 adds to the uplink before it: RX2 is then not opened. May be negative at
 * fast data rates, where RX2's long symbols cost more than the message. */
export function lorawanDownlink(dataRate: number, payloadBytes: number): MessageCost {
  const { spreadingFactor, bandwidthHz } = dataRateOf(dataRate);
  const slowest = dataRateOf(SLOWEST);
  const airtime = airtimeMs({
    spreadingFactor,
    bandwidthHz,
    payloadBytes: payloadBytes + LORA.headerBytes.value,
    preambleSymbols: LORA.preambleSymbols.value,
    codingRate: CODING_RATE,
    crc: false,
  });
  const emptyMs =
    LORA.windowSymbols.value *
    (symbolMs(spreadingFactor, bandwidthHz) +
      symbolMs(slowest.spreadingFactor, slowest.bandwidthHz));
  const extra = cost(0, airtime - emptyMs, 0, LORA.receiveDelay1Ms.value + airtime);
  return { ...extra, receiveMs: airtime };
}

/** The radio asleep. */
export function lorawanIdleMicrowatts(): number {
  return 1000 * LORA.sleepMilliampere.value * LORA.supplyVolt.value;
}

function cost(
  transmitMs: number,
  receiveMs: number,
  standbyMs: number,
  latencyMs: number,
): MessageCost {
  const volt = LORA.supplyVolt.value;
  const processor = LORA.processorMilliampere.value;
  return {
    fragments: 1,
    transmitMs,
    receiveMs,
    microjoules:
      microjoules(LORA.transmitMilliampere.value + processor, volt, transmitMs) +
      microjoules(LORA.receiveMilliampere.value + processor, volt, receiveMs) +
      microjoules(LORA.standbyMilliampere.value, volt, standbyMs),
    latencyMs,
  };
}
