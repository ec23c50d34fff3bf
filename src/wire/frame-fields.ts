/** Fields that several frames have, read with their ranges. Each throws an `EdgeError` that names the
 * byte. */

import type { ByteReader } from "../bytes.ts";
import { LIMITS } from "./limits.ts";
import type { ModelId } from "./messages.ts";
import { modelIdOf } from "./topics.ts";

export function readModelId(from: ByteReader): ModelId {
  return modelIdOf(from.bytes(8));
}

export function readClass(from: ByteReader): number {
  return within(from, "class", from.u8(), 0, LIMITS.classes - 1);
}

/** A byte of flags of which only bit 0 is in use: others would be lost on the way. */
export function readFlag(from: ByteReader): boolean {
  return within(from, "flags", from.u8(), 0, 1) === 1;
}

export function readChoice<T>(from: ByteReader, name: string, choices: readonly T[]): T {
  return choices[within(from, name, from.u8(), 0, choices.length - 1)] as T;
}

export function readText(from: ByteReader, name: string, maxLength: number): string {
  const text = from.ascii(maxLength);
  atLeast(from, `${name} bytes`, text.length, 1);
  return text;
}

export function within(
  from: ByteReader,
  name: string,
  value: number,
  low: number,
  high: number,
): number {
  if (value < low || value > high) {
    from.fail("out-of-range", `${name} is ${value}, possible is ${low} to ${high}`);
  }
  return value;
}

export function atLeast(from: ByteReader, name: string, value: number, low: number): number {
  return within(from, name, value, low, 0xffff_ffff);
}
