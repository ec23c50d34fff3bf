/**
 * As much of Protocol Buffers as ONNX files and Sparkplug's payloads need: varints, length-delimited
 * fields, floats.
 *
 * Not a general library: no groups, and integers beyond 2^53 are refused.
 * Wire format: https://protobuf.dev/programming-guides/encoding/
 */
import { assert, EdgeError } from "./assert.ts";

/** An encoded message under construction: a list of byte runs, joined once at the end. */
export type Message = Uint8Array[];

/** An integer field; negative numbers take ten bytes, as int64 does. */
export function integerField(message: Message, field: number, value: number): void {
  message.push(varint(field * 8), varint(value));
}

export function floatField(message: Message, field: number, value: number): void {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  message.push(varint(field * 8 + 5), bytes);
}

export function doubleField(message: Message, field: number, value: number): void {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value, true);
  message.push(varint(field * 8 + 1), bytes);
}

export function bytesField(message: Message, field: number, bytes: Uint8Array): void {
  message.push(varint(field * 8 + 2), varint(bytes.length), bytes);
}

export function textField(message: Message, field: number, value: string): void {
  bytesField(message, field, encodeUtf8(value));
}

export function messageField(message: Message, field: number, inner: Message): void {
  bytesField(message, field, join(inner));
}

export function join(message: Message): Uint8Array {
  const out = new Uint8Array(message.reduce((sum, run) => sum + run.length, 0));
  let offset = 0;
  for (const run of message) {
    out.set(run, offset);
    offset += run.length;
  }
  return out;
}

/** One field of a decoded message: the number of a varint, or the bytes of anything else. */
export type Field = {
  readonly field: number;
  readonly integer: number;
  readonly bytes: Uint8Array;
};

/** Walks over the fields of a message from outside. Throws what `broken` makes on broken bytes: of an
 * ONNX file, `onnx-truncated`. */
export function* fieldsOf(
  message: Uint8Array,
  where = "ONNX model",
  broken: (where: string, at: number) => EdgeError = truncated,
): Generator<Field> {
  const empty = new Uint8Array(0);
  let at = 0;
  const readVarint = (): number => {
    let value = 0n;
    for (let i = 0; i < 10; i++) {
      const byte = message[at++];
      if (byte === undefined) break;
      value |= BigInt(byte & 0x7f) << BigInt(7 * i);
      if (byte < 0x80) return Number(BigInt.asIntN(64, value));
    }
    throw broken(where, at);
  };
  const readBytes = (length: number): Uint8Array => {
    if (length < 0 || at + length > message.length) throw broken(where, at);
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const key = readVarint();
    const field = Math.floor(key / 8);
    const wire = key % 8;
    if (wire === 0) yield { field, integer: readVarint(), bytes: empty };
    else if (wire === 1) yield { field, integer: 0, bytes: readBytes(8) };
    else if (wire === 2) yield { field, integer: 0, bytes: readBytes(readVarint()) };
    else if (wire === 5) yield { field, integer: 0, bytes: readBytes(4) };
    else throw broken(where, at);
  }
}

function truncated(where: string, at: number): EdgeError {
  return new EdgeError({
    code: "onnx-truncated",
    message: `not a whole ONNX file (byte ${at})`,
    where,
    hint: "Copy or export the file again.",
  });
}

function varint(value: number): Uint8Array {
  assert(Number.isSafeInteger(value), "a varint is a safe integer");
  const out: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest >= 0x80n) {
    out.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  out.push(Number(rest));
  return Uint8Array.from(out);
}

/** `TextEncoder` is no part of the language itself, and this code has only the language. */
function encodeUtf8(value: string): Uint8Array {
  const escaped = encodeURIComponent(value);
  const out: number[] = [];
  for (let i = 0; i < escaped.length; i++) {
    if (escaped[i] === "%") {
      out.push(Number.parseInt(escaped.slice(i + 1, i + 3), 16));
      i += 2;
    } else out.push(escaped.charCodeAt(i));
  }
  return Uint8Array.from(out);
}

/** The text of a field's bytes. */
export function textOf(bytes: Uint8Array): string {
  let escaped = "";
  for (const byte of bytes) escaped += `%${byte.toString(16).padStart(2, "0")}`;
  try {
    return decodeURIComponent(escaped);
  } catch {
    // Names in foreign files may be anything; they are only shown.
    return String.fromCharCode(...bytes.subarray(0, 1024));
  }
}
