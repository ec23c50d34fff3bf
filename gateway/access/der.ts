/**
 * Writes ASN.1 in its distinguished encoding (X.690), as much of it as three kinds of certificate need.
 *
 * It reads nothing: what comes from outside is read by OpenSSL, inside Node.
 */

import { isIPv4, isIPv6 } from "node:net";

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

function value(tag: number, content: Uint8Array): Buffer {
  const { length } = content;
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest >>>= 8) bytes.unshift(rest & 0xff);
  const header = length < 128 ? [tag, length] : [tag, 0x80 | bytes.length, ...bytes];
  return Buffer.concat([Buffer.from(header), content]);
}

export function sequence(...parts: readonly Uint8Array[]): Buffer {
  return value(TAG.sequence, Buffer.concat(parts));
}

export function set(...parts: readonly Uint8Array[]): Buffer {
  return value(TAG.set, Buffer.concat(parts));
}

export function boolean(yes: boolean): Buffer {
  return value(TAG.boolean, Uint8Array.of(yes ? 0xff : 0));
}

/** A positive integer from its bytes, the most significant first. */
export function integer(bytes: Uint8Array): Buffer {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const least = bytes.subarray(start);
  const negative = ((least[0] ?? 0) & 0x80) !== 0;
  return value(TAG.integer, negative ? Buffer.concat([Uint8Array.of(0), least]) : least);
}

export function bitString(bytes: Uint8Array, unusedBits = 0): Buffer {
  return value(TAG.bitString, Buffer.concat([Uint8Array.of(unusedBits), bytes]));
}

export function octetString(bytes: Uint8Array): Buffer {
  return value(TAG.octetString, bytes);
}

export function utf8(text: string): Buffer {
  return value(TAG.utf8, Buffer.from(text));
}

/** `2.5.4.3` */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes: number[] = [];
  for (const arc of [40 * first + second, ...rest]) {
    const groups = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) groups.unshift(0x80 | (left & 0x7f));
    bytes.push(...groups);
  }
  return value(TAG.oid, Uint8Array.from(bytes));
}

/** To the second; two digits of the year until 2049 (RFC 5280, 4.1.2.5). */
export function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, "");
  return new Date(ms).getUTCFullYear() < 2050
    ? value(TAG.utcTime, Buffer.from(text.slice(2)))
    : value(TAG.generalizedTime, Buffer.from(text));
}

/** `[n]`, constructed around a whole value, or primitive in its place. */
export function tagged(n: number, content: Uint8Array, how: "around" | "in place"): Buffer {
  return value((how === "around" ? 0xa0 : 0x80) | n, content);
}

/** The 4 or 16 bytes of an address; undefined for anything else. */
export function addressBytes(text: string): Buffer | undefined {
  if (isIPv4(text)) return Buffer.from(text.split(".").map(Number));
  if (!isIPv6(text) || text.includes(".") || text.includes("%")) return undefined;
  const [head = "", tail] = text.split("::");
  const groupsOf = (part: string): string[] => (part === "" ? [] : part.split(":"));
  const before = groupsOf(head);
  const after = tail === undefined ? [] : groupsOf(tail);
  const zeros = Array<string>(8 - before.length - after.length).fill("0");
  return Buffer.from(
    [...before, ...zeros, ...after].map((group) => group.padStart(4, "0")).join(""),
    "hex",
  );
}
