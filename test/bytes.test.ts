/** Little-endian bytes: what is written is read back, and nothing past the end. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ByteReader, ByteWriter } from "../src/bytes.ts";

const items = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("u8" as const), value: fc.integer({ min: 0, max: 255 }) }),
    fc.record({ kind: fc.constant("i8" as const), value: fc.integer({ min: -128, max: 127 }) }),
    fc.record({ kind: fc.constant("u16" as const), value: fc.integer({ min: 0, max: 65535 }) }),
    fc.record({
      kind: fc.constant("i16" as const),
      value: fc.integer({ min: -32768, max: 32767 }),
    }),
    fc.record({
      kind: fc.constant("u32" as const),
      value: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    }),
    fc.record({ kind: fc.constant("i32" as const), value: fc.integer() }),
    fc.record({
      kind: fc.constant("u48" as const),
      value: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
    }),
  ),
  { maxLength: 2000, size: "max" },
);

describe("ByteWriter and ByteReader", () => {
  it("give plain views of Node's buffers, so that a copy of one is a copy", () => {
    const pooled = Buffer.from([1, 2, 3, 4]);
    const view = new ByteReader(pooled, "test").bytes(2);
    const copy = view.slice();
    pooled[0] = 9;
    expect(Array.from(view)).toEqual([9, 2]);
    expect(Array.from(new Uint8Array(copy.buffer))).toEqual([1, 2]);
  });

  it("agree on any sequence of numbers, however long", () => {
    fc.assert(
      fc.property(items, (sequence) => {
        const out = new ByteWriter();
        for (const { kind, value } of sequence) out[kind](value);
        const input = new ByteReader(out.finish(), "test");
        for (const { kind, value } of sequence) expect(input[kind]()).toBe(value);
        input.done();
      }),
      { numRuns: 40 },
    );
  });

  it("refuse to read past the end, and to leave bytes over", () => {
    const input = new ByteReader(Uint8Array.of(1, 2, 3), "three bytes");
    expect(() => input.u32()).toThrow("truncated");
    input.u16();
    expect(() => input.done()).toThrow("trailing-bytes");
  });
});
