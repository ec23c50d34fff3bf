/** Our messages in LoRaWAN's small payloads: what comes back, what is forgotten, what is refused. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EdgeError } from "../src/assert.ts";
import { EU868_DATA_RATES } from "../src/link/lorawan.ts";
import { encodeDown, encodeUp } from "../src/wire/frames.ts";
import { LIMITS } from "../src/wire/limits.ts";
import {
  downKindOf,
  type LoraAssembly,
  loraFrameBytesMax,
  takeLoraPayload,
  toLoraPayloads,
  type UpFrame,
} from "../src/wire/lora.ts";
import { decodeLoraReport, encodeLoraReport } from "../src/wire/lora-report.ts";
import type { ModelId, ReportEntry, UpMessage } from "../src/wire/messages.ts";
import { anyUp, GOLDEN_DOWN } from "./wire-samples.ts";

type Report = Extract<UpMessage, { kind: "report" }>;

const HEAD = {
  kind: "report",
  epoch: 3_237_998_081,
  seq: 417,
  modelId: "9f2c61d0a4b87e35" as ModelId,
  driftQ8: 105,
  alarm: false,
  operatingPoint: 0,
  batteryPercent: 87,
  dropped: 0,
} as const;

/** Behaviours as `[class, windows]`, a window each 2.5 s. */
function reportOf(...bouts: readonly (readonly [number, number])[]): Report {
  const classes = bouts.flatMap(([classIndex, windows]) =>
    Array.from({ length: windows }, () => classIndex),
  );
  const entries = classes.map(
    (classIndex, i): ReportEntry => ({
      windowIndex: 20_431 + i,
      timeMs: 1_767_225_600_000 + 2500 * i,
      classIndex,
      confidenceQ8: 200 + (i % 40),
      exit: i % 5 === 0 ? 1 : 0,
      offloaded: false,
    }),
  );
  return { ...HEAD, entries };
}

const evenReport: fc.Arbitrary<Report> = fc
  .tuple(
    fc.array(fc.tuple(fc.integer({ min: 0, max: 63 }), fc.integer({ min: 1, max: 30 })), {
      maxLength: 12,
    }),
    fc.array(fc.boolean(), { minLength: LIMITS.reportEntries, maxLength: LIMITS.reportEntries }),
  )
  .map(([bouts, offloaded]) => {
    const { entries } = reportOf(...bouts);
    const some = entries.slice(0, LIMITS.reportEntries);
    return { ...HEAD, entries: some.map((e, i) => ({ ...e, offloaded: offloaded[i] ?? false })) };
  });

function roundTrip(payloads: readonly Uint8Array[]): UpFrame | undefined {
  const assembly: LoraAssembly = new Map();
  let whole: UpFrame | undefined;
  for (const payload of payloads) whole = takeLoraPayload(assembly, payload, 0) ?? whole;
  return whole;
}

describe("a run-length coded report", () => {
  it("puts two and a half minutes of a cow into one payload of the slowest rate", () => {
    const report = reportOf([0, 23], [2, 4], [0, 31], [1, 6]);
    const [payload, ...more] = toLoraPayloads("report", encodeUp(report), 51) ?? [];
    expect(more).toEqual([]);
    expect(payload?.length).toBe(42);
    expect(encodeUp(report).length).toBe(861);
  });

  it("has the bytes that the format says, written out by hand", () => {
    const { entries } = reportOf([1, 3], [2, 1]);
    const some = entries.map((entry, i) => ({
      ...entry,
      windowIndex: 300 + i,
      confidenceQ8: i < 3 ? 255 : 0,
      exit: i < 3 ? 0 : 1,
      offloaded: i === 3,
    }));
    const message: Report = { ...HEAD, epoch: 77, seq: 3, alarm: true, entries: some };
    const bytes = [
      "11", // report
      "4d000000", // epoch 77
      "9f2c61d0a4b87e35", // model
      "03", // seq
      "69", // drift 105
      "d7", // battery 87, alarm
      "00", // nothing dropped
      "04", // windows
      "ac02", // the first is 300
      "00a8da769b01", // at 1,767,225,600,000 ms
      "c413", // one each 2,500 ms
      "011f02", // three of class 1, surest, exit 1
      "c220", // one of class 2, offloaded, confidence 0, exit 2
    ].join("");
    const coded = encodeLoraReport(message) as Uint8Array;
    expect(Buffer.from(coded).toString("hex")).toBe(bytes);
    expect(decodeLoraReport(coded)).toEqual(message);
  });

  it("keeps windows, behaviours, offloads and times, and the means of the rest", () => {
    fc.assert(
      fc.property(evenReport, (report) => {
        const coded = encodeLoraReport(report);
        const back = decodeLoraReport(coded ?? new Uint8Array(0));
        expect({ ...back, entries: [] }).toEqual({ ...report, entries: [] });
        const exact = ({ windowIndex, timeMs, classIndex, offloaded }: ReportEntry) => {
          return { windowIndex, timeMs, classIndex, offloaded };
        };
        expect(back.entries.map(exact)).toEqual(report.entries.map(exact));
        const mean = (entries: readonly ReportEntry[]): number =>
          entries.reduce((sum, { confidenceQ8 }) => sum + confidenceQ8, 0) / entries.length;
        if (report.entries.length > 0) {
          expect(Math.abs(mean(back.entries) - mean(report.entries))).toBeLessThan(255 / 62 + 1);
        }
      }),
    );
  });

  it("is not used for windows that are missing, nor for times that jump", () => {
    const { entries } = reportOf([0, 5]);
    const gap = { ...HEAD, entries: entries.filter((_, i) => i !== 2) };
    const jump = {
      ...HEAD,
      entries: entries.map((e, i) => ({ ...e, timeMs: e.timeMs + (i > 2 ? 60_000 : 0) })),
    };
    for (const report of [gap, jump]) {
      expect(encodeLoraReport(report)).toBeUndefined();
      const frame = encodeUp(report);
      expect(roundTrip(toLoraPayloads("report", frame, 51) ?? [])?.frame).toEqual(frame);
    }
  });

  it("has one encoding: longer numbers, other lengths and any cut are refused", () => {
    const coded = encodeLoraReport(reportOf([0, 3], [1, 2])) as Uint8Array;
    for (let length = 0; length < coded.length; length++) {
      expect(() => decodeLoraReport(coded.subarray(0, length))).toThrow(EdgeError);
    }
    expect(() => decodeLoraReport(Uint8Array.of(...coded, 0))).toThrow("after the end");
    const longer = Uint8Array.of(...coded.subarray(0, 14), 0x83, 0x00, ...coded.subarray(15));
    expect(() => decodeLoraReport(longer)).toThrow(EdgeError);
  });
});

describe("payloads", () => {
  it("carry any message through any data rate, or say that they cannot", () => {
    fc.assert(
      fc.property(anyUp, fc.constantFrom(...EU868_DATA_RATES), (message, { payloadBytes }) => {
        const frame = encodeUp(message);
        const payloads = toLoraPayloads(message.kind, frame, payloadBytes);
        if (payloads === undefined) {
          expect(frame.length).toBeGreaterThan(loraFrameBytesMax(payloadBytes, 16));
          return;
        }
        for (const payload of payloads) expect(payload.length).toBeLessThanOrEqual(payloadBytes);
        const back = roundTrip([...payloads].reverse().concat(payloads[0] as Uint8Array));
        expect(back?.kind).toBe(message.kind);
        if (message.kind === "hello") {
          expect(back?.frame).toEqual(encodeUp({ ...message, slotBytes: 1 }));
        } else if (message.kind !== "report") {
          expect(back?.frame).toEqual(frame);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("come in any order, twice, and among pieces of another message", () => {
    const one = toLoraPayloads("report", encodeUp(gappedReport(1)), 51) as Uint8Array[];
    const two = toLoraPayloads("report", encodeUp(gappedReport(2)), 51) as Uint8Array[];
    expect(one.length).toBeGreaterThan(3);
    const assembly: LoraAssembly = new Map();
    const mixed = [...one.slice(0, -1), ...two.slice(1), ...one.slice(0, 2)];
    for (const piece of mixed) expect(takeLoraPayload(assembly, piece, 0)).toBeUndefined();
    const first = takeLoraPayload(assembly, one.at(-1) as Uint8Array, 0);
    expect(first?.frame).toEqual(encodeUp(gappedReport(1)));
    expect(takeLoraPayload(assembly, two[0] as Uint8Array, 0)?.frame).toEqual(
      encodeUp(gappedReport(2)),
    );
  });

  it("are forgotten where the rest never comes", () => {
    const pieces = toLoraPayloads("report", encodeUp(gappedReport(1)), 51) as Uint8Array[];
    const assembly: LoraAssembly = new Map();
    takeLoraPayload(assembly, pieces[0] as Uint8Array, 0);
    const other = toLoraPayloads("report", encodeUp(gappedReport(2)), 51) as Uint8Array[];
    takeLoraPayload(assembly, other[0] as Uint8Array, 25 * 3600 * 1000);
    expect(assembly.size).toBe(1);
    for (let seq = 3; seq < 40; seq++) {
      const [piece] = toLoraPayloads("report", encodeUp(gappedReport(seq)), 51) ?? [];
      takeLoraPayload(assembly, piece as Uint8Array, 25 * 3600 * 1000);
    }
    expect(assembly.size).toBe(4);
  });

  it("make no message of spoiled pieces", () => {
    const pieces = toLoraPayloads("report", encodeUp(gappedReport(1)), 51) as Uint8Array[];
    const spoiled = pieces.map((piece, i) => {
      const copy = piece.slice();
      if (i === 1) copy[9] = (copy[9] ?? 0) ^ 1;
      return copy;
    });
    expect(() => roundTrip(spoiled)).toThrow("no whole");
  });

  it("of anything else are refused as bad input, never by an assert", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 260 }), (bytes) => {
        try {
          takeLoraPayload(new Map(), bytes, 0);
        } catch (error) {
          expect(error).toBeInstanceOf(EdgeError);
        }
      }),
      { numRuns: 500 },
    );
    const forms = fc.tuple(fc.constantFrom(0x01, 0x11, 0x1f), fc.uint8Array({ maxLength: 240 }));
    fc.assert(
      fc.property(forms, ([form, rest]) => {
        try {
          takeLoraPayload(new Map(), Uint8Array.of(form, ...rest), 0);
        } catch (error) {
          expect(error).toBeInstanceOf(EdgeError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

it("frames that come down are known by their type", () => {
  for (const message of GOLDEN_DOWN) {
    expect(downKindOf(encodeDown(message))).toBe(message.kind);
  }
  expect(downKindOf(Uint8Array.of(1, 2))).toBeUndefined();
  expect(downKindOf(Uint8Array.of(2, 0x81))).toBeUndefined();
});

/** One that cannot be run-length coded, so that it goes in pieces. */
function gappedReport(seq: number): Report {
  const { entries } = reportOf([0, 20]);
  return { ...HEAD, seq, entries: entries.filter((_, i) => i !== 5) };
}
