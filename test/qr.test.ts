/** A QR code, read back by the standard's rules from its other end: format, codewords, correction. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { qrModules } from "../gateway/dashboard/qr.ts";

type Modules = readonly (readonly boolean[])[];

/** Exponents of the field of ISO/IEC 18004, 7.5.2, by repeated doubling: not as the maker multiplies. */
const EXPONENT: number[] = [];
for (let i = 0, value = 1; i < 255; i++) {
  EXPONENT.push(value);
  value = value < 128 ? 2 * value : (2 * value) ^ 0x11d;
}
const CORRECTION = [7, 10, 15, 20, 26];

/** Whether a module belongs to a pattern, by the places that the standard names. */
function isPattern(x: number, y: number, size: number): boolean {
  const inFinder = (x < 9 && y < 9) || (x >= size - 8 && y < 9) || (x < 9 && y >= size - 8);
  const middle = size - 7;
  const inAlignment = size > 21 && Math.abs(x - middle) <= 2 && Math.abs(y - middle) <= 2;
  return inFinder || inAlignment || x === 6 || y === 6;
}

function codewordsOf(modules: Modules): number[] {
  const size = modules.length;
  const bits: number[] = [];
  const columns = [...Array(size).keys()].filter((x) => x !== 6).reverse();
  for (let pair = 0; pair < columns.length; pair += 2) {
    const rows = [...Array(size).keys()];
    if (pair % 4 === 0) rows.reverse();
    for (const y of rows) {
      for (const x of columns.slice(pair, pair + 2)) {
        if (isPattern(x, y, size)) continue;
        const isMasked = (x + y) % 2 === 0;
        bits.push(modules[y]?.[x] !== isMasked ? 1 : 0);
      }
    }
  }
  const whole = bits.slice(0, bits.length - (bits.length % 8));
  return Array.from({ length: whole.length / 8 }, (_, i) =>
    Number.parseInt(whole.slice(8 * i, 8 * i + 8).join(""), 2),
  );
}

/** All syndromes of a code without errors are zero: it has every root of the generator. */
function syndromes(codewords: readonly number[], count: number): number[] {
  return Array.from({ length: count }, (_, root) => {
    let sum = 0;
    codewords.forEach((codeword, at) => {
      if (codeword === 0) return;
      const power = EXPONENT.indexOf(codeword) + root * (codewords.length - 1 - at);
      sum ^= EXPONENT[power % 255] as number;
    });
    return sum;
  });
}

function textOf(codewords: readonly number[]): string {
  const bits = codewords.map((codeword) => codeword.toString(2).padStart(8, "0")).join("");
  expect(bits.slice(0, 4)).toBe("0100");
  const length = Number.parseInt(bits.slice(4, 12), 2);
  const bytes = Array.from({ length }, (_, i) =>
    Number.parseInt(bits.slice(12 + 8 * i, 20 + 8 * i), 2),
  );
  return Buffer.from(bytes).toString();
}

describe("a QR code", () => {
  it("holds its text and the correction that belongs to it", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 26, unit: "grapheme" }), (text) => {
        fc.pre(Buffer.byteLength(text) <= 106);
        const modules = qrModules(text) ?? [];
        const version = (modules.length - 17) / 4;
        const codewords = codewordsOf(modules);
        expect(textOf(codewords)).toBe(text);
        const count = CORRECTION[version - 1] ?? 0;
        expect(syndromes(codewords, count)).toEqual(Array(count).fill(0));
      }),
    );
  });

  it.each([
    [17, 21],
    [18, 25],
    [32, 25],
    [33, 29],
    [53, 29],
    [54, 33],
    [78, 33],
    [79, 37],
    [106, 37],
  ])("of %i bytes has %i modules a side", (bytes, size) => {
    expect(qrModules("x".repeat(bytes))).toHaveLength(size);
  });

  it("is not made of more than 106 bytes", () => {
    expect(qrModules("x".repeat(107))).toBeUndefined();
    expect(qrModules("ä".repeat(53))).toBeDefined();
    expect(qrModules("ä".repeat(54))).toBeUndefined();
  });

  it("says twice that its level is L and its mask the first", () => {
    const modules = qrModules("https://farm.local:8811/node#code=K7QM-3XPA") ?? [];
    const last = modules.length - 1;
    const at = (x: number, y: number): string => (modules[y]?.[x] ? "1" : "0");
    const beside = [0, 1, 2, 3, 4, 5, 7, 8].map((x) => at(x, 8)).join("");
    const above = [7, 5, 4, 3, 2, 1, 0].map((y) => at(8, y)).join("");
    // Table C.1: the bits of 01000, most significant first.
    expect(beside + above).toBe("111011111000100");
    const down = [0, 1, 2, 3, 4, 5, 6].map((i) => at(8, last - i)).join("");
    const along = [7, 6, 5, 4, 3, 2, 1, 0].map((i) => at(last - i, 8)).join("");
    expect(down + along).toBe("111011111000100");
    expect(at(8, last - 7)).toBe("1");
  });
});
