/**
 * The part of deterministic CBOR (RFC 8949, section 4.2.1) that a signed manifest needs.
 *
 * Unsigned integers to 2^53-1, byte strings, texts of printable ASCII, arrays, and maps whose keys
 * are unsigned integers. One value has exactly one encoding: shortest heads, definite lengths, keys
 * rising. The decoder refuses every other form, and tags, floats, negative numbers and simple values
 * altogether, so that what was signed and what is understood cannot differ, and so that a reader in
 * C stays a page long.
 */

import { assert } from "../assert.ts";
import { ByteReader, ByteWriter } from "../bytes.ts";
import { LIMITS } from "./limits.ts";

export type CborValue = number | string | Uint8Array | readonly CborValue[] | CborMap;
export type CborMap = ReadonlyMap<number, CborValue>;

const MAJOR = { unsigned: 0, bytes: 2, text: 3, array: 4, map: 5 } as const;
const TWO_32 = 0x1_0000_0000;

/** The one encoding of a value. */
export function encodeCbor(value: CborValue): Uint8Array {
  const to = new ByteWriter();
  writeValue(to, value);
  return to.finish();
}

/** Reads one value that fills `bytes`. Throws `EdgeError` for anything but its one encoding. */
export function decodeCbor(bytes: Uint8Array, what: string): CborValue {
  const from = new ByteReader(bytes, what);
  const value = readValue(from, 0);
  from.done();
  return value;
}

function writeValue(to: ByteWriter, value: CborValue): void {
  if (typeof value === "number") {
    writeHead(to, MAJOR.unsigned, value);
  } else if (typeof value === "string") {
    writeHead(to, MAJOR.text, value.length);
    for (let i = 0; i < value.length; i++) to.u8(value.charCodeAt(i));
  } else if (value instanceof Uint8Array) {
    writeHead(to, MAJOR.bytes, value.length);
    to.bytes(value);
  } else if (isMap(value)) {
    writeHead(to, MAJOR.map, value.size);
    for (const [key, inner] of [...value].sort(([a], [b]) => a - b)) {
      writeHead(to, MAJOR.unsigned, key);
      writeValue(to, inner);
    }
  } else {
    writeHead(to, MAJOR.array, value.length);
    for (const inner of value) writeValue(to, inner);
  }
}

function isMap(value: readonly CborValue[] | CborMap): value is CborMap {
  return value instanceof Map;
}

/** Major type and argument, big-endian in the shortest of the five forms. */
function writeHead(to: ByteWriter, major: number, argument: number): void {
  assert(Number.isSafeInteger(argument) && argument >= 0, "a CBOR argument to 2^53-1");
  const top = major << 5;
  if (argument < 24) to.u8(top | argument);
  else if (argument <= 0xff) to.u8(top | 24).u8(argument);
  else if (argument <= 0xffff) writeBig(to.u8(top | 25), argument, 2);
  else if (argument < TWO_32) writeBig(to.u8(top | 26), argument, 4);
  else {
    writeBig(to.u8(top | 27), Math.floor(argument / TWO_32), 4);
    writeBig(to, argument % TWO_32, 4);
  }
}

function writeBig(to: ByteWriter, value: number, bytes: number): void {
  for (let shift = 8 * (bytes - 1); shift >= 0; shift -= 8) to.u8((value >>> shift) & 0xff);
}

function readValue(from: ByteReader, depth: number): CborValue {
  if (depth > LIMITS.cborDepth) from.fail("cbor-depth", `nested deeper than ${LIMITS.cborDepth}`);
  const { major, argument } = readHead(from);
  switch (major) {
    case MAJOR.unsigned:
      return argument;
    case MAJOR.bytes:
      return from.bytes(argument);
    case MAJOR.text:
      return readText(from, argument);
    case MAJOR.array:
      return Array.from({ length: readCount(from, argument, 1) }, () => readValue(from, depth + 1));
    case MAJOR.map:
      return readMap(from, readCount(from, argument, 2), depth);
    default:
      return from.fail("cbor-type", `major type ${major} has no place here`);
  }
}

function readMap(from: ByteReader, count: number, depth: number): CborMap {
  const map = new Map<number, CborValue>();
  let last = -1;
  for (let i = 0; i < count; i++) {
    const { major, argument: key } = readHead(from);
    if (major !== MAJOR.unsigned) from.fail("cbor-key", "a key that is no unsigned integer");
    if (key <= last) from.fail("cbor-order", `key ${key} after key ${last}`);
    last = key;
    map.set(key, readValue(from, depth + 1));
  }
  return map;
}

/** Compared with the bytes that are left before anything is made of that size. */
function readCount(from: ByteReader, count: number, bytesEach: number): number {
  if (count > LIMITS.cborItems) {
    from.fail("cbor-items", `${count} items, at most ${LIMITS.cborItems}`);
  }
  if (count * bytesEach > from.left) from.fail("truncated", `${count} items announced`);
  return count;
}

function readText(from: ByteReader, length: number): string {
  let text = "";
  for (const code of from.bytes(length)) {
    if (code < 0x20 || code > 0x7e) from.fail("not-ascii", `byte ${code} in a text`);
    text += String.fromCharCode(code);
  }
  return text;
}

function readHead(from: ByteReader): { readonly major: number; readonly argument: number } {
  const first = from.u8();
  const major = first >> 5;
  const info = first & 31;
  if (info < 24) return { major, argument: info };
  if (info > 27) from.fail("cbor-form", "an indefinite length or a reserved form");
  const bytes = 1 << (info - 24);
  let argument = 0;
  for (let i = 0; i < bytes; i++) argument = argument * 256 + from.u8();
  const smallest = [24, 0x100, 0x1_0000, TWO_32][info - 24] as number;
  if (argument < smallest) from.fail("cbor-form", `${argument} in a longer form than it needs`);
  if (argument > Number.MAX_SAFE_INTEGER) from.fail("cbor-form", "a number above 2^53-1");
  return { major, argument };
}
