/** The radios' models against figures worked out by others or by hand. */

import { describe, expect, it } from "vitest";
import { BLE_FRAGMENT_BYTES, bleDownlink, bleIdleMicrowatts, bleUplink } from "../src/link/ble.ts";
import { airtimeMs, symbolMs } from "../src/link/lora-airtime.ts";
import {
  dutyCycleOffMs,
  EU868_DATA_RATES,
  lorawanDownlink,
  lorawanUplink,
  uplinkAirtimeMs,
  uplinksPerDay,
} from "../src/link/lorawan.ts";
import { BLE, LORA, WIFI } from "../src/link/radio-constants.ts";
import {
  wifiAssociatedMicrowatts,
  wifiBreakEvenSeconds,
  wifiReconnect,
  wifiUplink,
} from "../src/link/wifi.ts";

const UPLINK = { bandwidthHz: 125_000, preambleSymbols: 8, codingRate: 1, crc: true };

describe("LoRa's airtime", () => {
  it("is that of a public sheet of AN1200.13's formula: 13 bytes at SF9", () => {
    expect(symbolMs(9, 125_000)).toBeCloseTo(4.096, 6);
    const packet = { ...UPLINK, spreadingFactor: 9, payloadBytes: 13 };
    expect(airtimeMs(packet)).toBeCloseTo(164.864, 3);
  });

  it("is what the formula gives by hand at both ends, with low data rate optimisation", () => {
    // 64 bytes: ceil(508 / 40) = 13 blocks of 5, 8 more, 12.25 of preamble, 32.768 ms each.
    expect(uplinkAirtimeMs(0, 51)).toBeCloseTo(85.25 * 32.768, 3);
    // 235 bytes: ceil(1896 / 28) = 68 blocks of 5, 8 more, 12.25 of preamble, 1.024 ms each.
    expect(uplinkAirtimeMs(5, 222)).toBeCloseTo(360.25 * 1.024, 3);
  });

  it("grows with bytes and falls with the data rate", () => {
    for (const [rate, { payloadBytes }] of EU868_DATA_RATES.entries()) {
      const times = Array.from({ length: payloadBytes }, (_, i) => uplinkAirtimeMs(rate, i));
      expect(times).toEqual([...times].sort((a, b) => a - b));
      if (rate > 0) expect(uplinkAirtimeMs(rate, 51)).toBeLessThan(uplinkAirtimeMs(rate - 1, 51));
    }
    expect(() => uplinkAirtimeMs(2, 52)).toThrow("fit");
  });
});

describe("LoRaWAN", () => {
  it("rests the band 99 times as long as it was in use", () => {
    expect(dutyCycleOffMs(1000)).toBeCloseTo(99_000, 6);
    expect(uplinksPerDay(0, 51)).toBe(309);
    expect(uplinksPerDay(5, 51)).toBeGreaterThan(7000);
  });

  it("costs a node the sending and two receive windows", () => {
    const { microjoules, transmitMs, receiveMs } = lorawanUplink(0, 51);
    expect(receiveMs).toBeCloseTo(16 * 32.768, 3);
    const sending = (LORA.transmitMilliampere.value + 1) * 3 * transmitMs;
    const listening = (LORA.receiveMilliampere.value + 1) * 3 * receiveMs;
    const waking = 3 * LORA.wakeMs.value * LORA.standbyMilliampere.value * 3;
    expect(microjoules).toBeCloseTo(sending + listening + waking, 3);
    expect(microjoules / 1000).toBeGreaterThan(200);
  });

  it("answers a second after the uplink", () => {
    expect(lorawanDownlink(5, 12).latencyMs).toBeGreaterThan(1000);
    expect(lorawanDownlink(5, 12).latencyMs).toBeLessThan(1100);
  });
});

describe("Bluetooth Low Energy", () => {
  it("sends a notification of 20 bytes in the bits that it has", () => {
    expect(bleUplink(20).transmitMs).toBeCloseTo((8 * (20 + 10 + 4 + 7)) / 1000, 6);
    expect(bleUplink(20).fragments).toBe(1);
  });

  it("cuts what does not fit one packet, and pays each packet's acknowledgement", () => {
    expect(BLE_FRAGMENT_BYTES).toBe(240);
    const one = bleUplink(BLE_FRAGMENT_BYTES);
    const two = bleUplink(BLE_FRAGMENT_BYTES + 1);
    expect([one.fragments, two.fragments]).toEqual([1, 2]);
    const extraMs = two.receiveMs - one.receiveMs;
    expect(extraMs).toBeCloseTo((80 + 2 * BLE.interframeUs.value) / 1000, 6);
  });

  it("turns transmitter and receiver round for a downlink", () => {
    expect(bleDownlink(100).transmitMs).toBeLessThan(bleUplink(100).transmitMs);
    expect(bleDownlink(100).receiveMs).toBeGreaterThan(bleUplink(100).receiveMs);
  });

  it("stays connected for some microwatts", () => {
    expect(bleIdleMicrowatts()).toBeGreaterThan(1);
    expect(bleIdleMicrowatts()).toBeLessThan(20);
  });
});

describe("Wi-Fi", () => {
  it("is cheaper associated where messages are closer than the break-even", () => {
    const seconds = wifiBreakEvenSeconds();
    const off = 1000 * WIFI.lightSleepMilliampere.value * WIFI.supplyVolt.value;
    const perMessage = (gap: number): { stay: number; join: number } => ({
      stay: wifiUplink(50).microjoules + wifiAssociatedMicrowatts() * gap,
      join: wifiReconnect(50).microjoules + off * gap,
    });
    const closer = perMessage(0.9 * seconds);
    const further = perMessage(1.1 * seconds);
    expect(closer.stay).toBeLessThan(closer.join);
    expect(further.join).toBeLessThan(further.stay);
  });
});

it("every constant says what it is, where it is from and how far to trust it", () => {
  for (const constant of [BLE, WIFI, LORA].flatMap((table) => Object.values(table))) {
    expect(constant.value).toBeGreaterThan(0);
    expect(constant.source.length).toBeGreaterThan(3);
    expect(["datasheet", "published", "derived", "assumed"]).toContain(constant.status);
  }
});
