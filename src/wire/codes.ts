/**
 * An encoder's codes as bytes: `bits` each, one behind another, the low bits of a byte first.
 *
 *      code i, bit b   is bit (i * bits + b) % 8 of byte floor((i * bits + b) / 8)
 *
 * Codes come in the order of the map that they are, `[time][channel]`. Bits behind the last are 0, so
 * that one map has one encoding. Nothing else is in it: what shape and how many bits follows from the
 * encoder, whose name travels beside it.
 */

import { assert, EdgeError } from "../assert.ts";

/** Fewer than the 7 bits that a ReLU leaves of int8 is the rule. */
export const CODE_BITS_MAX = 7;

export function packedCodeBytes(count: number, bits: number): number {
  return Math.ceil((count * bits) / 8);
}

/** @param codes each in 0..2^bits-1 */
export function packCodes(codes: Uint8Array, bits: number): Uint8Array {
  assert(bits >= 1 && bits <= CODE_BITS_MAX, `codes of ${bits} bits`);
  const packed = new Uint8Array(packedCodeBytes(codes.length, bits));
  codes.forEach((code, i) => {
    assert(code < 1 << bits, `code ${code} in ${bits} bits`);
    const at = i * bits;
    const shifted = code << (at & 7);
    packed[at >> 3] = (packed[at >> 3] as number) | shifted;
    // A code may span two bytes; a store of what is behind the last one must not lengthen the array.
    if (shifted > 0xff) packed[(at >> 3) + 1] = shifted >> 8;
  });
  return packed;
}

/** Whether a bit behind the last code is in use; of bytes that are as many as the codes take. */
export function hasSpareBits(packed: Uint8Array, count: number, bits: number): boolean {
  const used = count * bits - 8 * (packed.length - 1);
  return packed.length > 0 && (packed[packed.length - 1] as number) >> used !== 0;
}

/**
 * The codes, one a byte.
 *
 * @throws EdgeError `codes-length` where the bytes are not those of so many codes, `codes-spare` where
 * a bit behind the last is in use
 */
export function unpackCodes(packed: Uint8Array, count: number, bits: number): Uint8Array {
  assert(bits >= 1 && bits <= CODE_BITS_MAX, `codes of ${bits} bits`);
  const bytes = packedCodeBytes(count, bits);
  if (packed.length !== bytes) {
    refuse("codes-length", `${packed.length} bytes, ${count} codes of ${bits} bits are ${bytes}`);
  }
  if (hasSpareBits(packed, count, bits)) {
    refuse("codes-spare", "a bit behind the last code is in use");
  }
  return Uint8Array.from({ length: count }, (_, i) => {
    const at = i * bits;
    const pair = (packed[at >> 3] as number) | ((packed[(at >> 3) + 1] ?? 0) << 8);
    return (pair >> (at & 7)) & ((1 << bits) - 1);
  });
}

function refuse(code: string, message: string): never {
  throw new EdgeError({
    code,
    message,
    where: "codes of a window",
    hint: "The node's encoder and the gateway's tail disagree; both come from one training.",
  });
}
