/** Deterministic CBOR: one value, one encoding, nothing else read. Examples are from RFC 8949. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EdgeError } from "../src/assert.ts";
import { type CborValue, decodeCbor, encodeCbor } from "../src/wire/cbor.ts";
import { LIMITS } from "../src/wire/limits.ts";
import { codeOf } from "./edge-code.ts";

const refusal = (bytes: Uint8Array): string => codeOf(() => decodeCbor(bytes, "test"));

const unhex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

const anyValue: fc.Arbitrary<CborValue> = fc.letrec<{ value: CborValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.maxSafeNat(),
    fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((c) => String.fromCharCode(c)) }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie("value"), { maxLength: 5 }),
    fc.array(fc.tuple(fc.maxSafeNat(), tie("value")), { maxLength: 5 }).map((e) => new Map(e)),
  ),
})).value;

describe("the encoding", () => {
  // RFC 8949, appendix A, the rows that this subset has.
  it.each<[CborValue, string]>([
    [0, "00"],
    [10, "0a"],
    [23, "17"],
    [24, "1818"],
    [100, "1864"],
    [1000, "1903e8"],
    [1_000_000, "1a000f4240"],
    [1_000_000_000_000, "1b000000e8d4a51000"],
    [new Uint8Array(0), "40"],
    [Uint8Array.of(1, 2, 3, 4), "4401020304"],
    ["", "60"],
    ["IETF", "6449455446"],
    [[], "80"],
    [[1, 2, 3], "83010203"],
    [[1, [2, 3], [4, 5]], "8301820203820405"],
    [new Map(), "a0"],
    [
      new Map([
        [3, 4],
        [1, 2],
      ]),
      "a201020304",
    ],
  ])("of %j is %s", (value, bytes) => {
    expect(hex(encodeCbor(value))).toBe(bytes);
    expect(decodeCbor(unhex(bytes), "test")).toEqual(value);
  });

  it("comes back", () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        expect(decodeCbor(encodeCbor(value), "test")).toEqual(value);
      }),
    );
  });

  it("is the only one: whatever the decoder takes encodes to the same bytes", () => {
    const nearby = fc.tuple(anyValue, fc.nat(), fc.nat(255)).map(([value, place, byte]) => {
      const bytes = encodeCbor(value);
      bytes[place % bytes.length] = byte;
      return bytes;
    });
    fc.assert(
      fc.property(nearby, (bytes) => {
        let value: CborValue;
        try {
          value = decodeCbor(bytes, "test");
        } catch (error) {
          expect(error).toBeInstanceOf(EdgeError);
          return;
        }
        expect(encodeCbor(value)).toEqual(bytes);
      }),
      { numRuns: 20_000 },
    );
  });
});

describe("the decoder refuses", () => {
  const deep = `${"81".repeat(LIMITS.cborDepth + 1)}00`;
  it.each([
    ["a long form of 0", "1800", "cbor-form"],
    ["a long form of 255", "1900ff", "cbor-form"],
    ["a long form of a length", "5801ff", "cbor-form"],
    ["2^53", "1b0020000000000000", "cbor-form"],
    ["an indefinite array", "9f01ff", "cbor-form"],
    ["an indefinite text", "7f6161ff", "cbor-form"],
    ["a negative number", "20", "cbor-type"],
    ["a tag", "c000", "cbor-type"],
    ["a float", "f93c00", "cbor-type"],
    ["true", "f5", "cbor-type"],
    ["null", "f6", "cbor-type"],
    ["a text as a key", "a1616101", "cbor-key"],
    ["keys that fall", "a203040102", "cbor-order"],
    ["a key twice", "a201020103", "cbor-order"],
    ["a byte after the end", "0000", "trailing-bytes"],
    ["nothing", "", "truncated"],
    ["a length that lies", "5bffffffffffffffff", "cbor-form"],
    ["a string longer than the input", "5a00010000", "truncated"],
    ["more items than there are bytes", "98ff00", "truncated"],
    ["more items than anyone needs", "990101", "cbor-items"],
    ["nesting without end", deep, "cbor-depth"],
    ["a line feed in a text", "610a", "not-ascii"],
  ])("%s", (_, bytes, code) => {
    expect(refusal(unhex(bytes))).toBe(code);
  });
});
