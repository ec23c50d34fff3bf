/** A number of a gate's bytes, read with its range. Throws an `EdgeError` that names it. */

import type { ByteReader } from "../bytes.ts";

export function within(
  input: ByteReader,
  value: number,
  low: number,
  high: number,
  what: string,
): number {
  if (value < low || value > high) {
    input.fail("gate-range", `${what} of ${value}, allowed are ${low} to ${high}`);
  }
  return value;
}
