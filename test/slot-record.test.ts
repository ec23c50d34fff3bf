import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeFloor,
  decodeSlotHeader,
  decodeSlotRecord,
  encodeFloor,
  encodeSlotHeader,
  encodeSlotRecord,
  SLOT_STATES,
} from "../device-sim/slot-record.ts";
import { OUTCOMES } from "../src/wire/messages.ts";

const record = fc.record({
  state: fc.constantFrom(...SLOT_STATES),
  sequence: fc.integer({ min: 0, max: 0xffff_ffff }),
  boots: fc.integer({ min: 0, max: 255 }),
  outcome: fc.constantFrom(...OUTCOMES),
});

describe("a slot's record", () => {
  it("is read back as it was written, in twelve bytes", () => {
    fc.assert(
      fc.property(record, (one) => {
        const bytes = encodeSlotRecord(one);
        expect(bytes).toHaveLength(12);
        expect(decodeSlotRecord(bytes)).toEqual(one);
      }),
    );
  });

  it("is no record with any bit turned over, cut short or made longer", () => {
    const bytes = encodeSlotRecord({ state: "trial", sequence: 7, boots: 1, outcome: "activated" });
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const bad = bytes.slice();
      bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(decodeSlotRecord(bad)).toBeUndefined();
    }
    expect(decodeSlotRecord(bytes.subarray(0, 11))).toBeUndefined();
    expect(decodeSlotRecord(Uint8Array.of(...bytes, 0))).toBeUndefined();
    expect(decodeSlotRecord(new Uint8Array(12).fill(0xff))).toBeUndefined();
    expect(decodeSlotRecord(null)).toBeUndefined();
  });
});

describe("the floor", () => {
  it("is read back, and is 0 where it cannot be believed", () => {
    for (const sequence of [0, 1, 77, 0xffff_ffff]) {
      expect(decodeFloor(encodeFloor(sequence))).toBe(sequence);
    }
    const bytes = encodeFloor(77);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const bad = bytes.slice();
      bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(decodeFloor(bad)).toBe(0);
    }
    expect(decodeFloor(null)).toBe(0);
  });
});

describe("a slot's header", () => {
  it("is read back, and is none when its length does not fit", () => {
    const offer = { manifest: new Uint8Array(300).fill(3), signature: new Uint8Array(64).fill(9) };
    const bytes = encodeSlotHeader(offer);
    expect(decodeSlotHeader(bytes)).toEqual(offer);
    for (const length of [0, 3, 67, 150, bytes.length - 1]) {
      expect(decodeSlotHeader(bytes.subarray(0, length))).toBeUndefined();
    }
    expect(decodeSlotHeader(Uint8Array.of(...bytes, 0))).toBeUndefined();
  });
});
