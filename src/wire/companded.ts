/**
 * Raw windows in 4 or 2 bits a value: each channel's mean, its peak, and companded residuals.
 *
 *      0 per channel   mean i8   peak u8 (the largest distance of a sample from the mean)
 *      2 * channels    codes, 4 or 2 bits each, `[time][channel]`, the first in the lowest bits
 *
 * A code stands for the value `saturate8(mean + ((LEVELS[code] * peak + 128) >> 8))`. The levels
 * follow the mu-law curve `((1 + mu)^y - 1) / mu` (ITU-T G.711 has the idea) at y = 1/15, 3/15 … 1
 * with mu = 4: fine about the mean, where most samples are, and the peak itself exact. Over windows
 * of both shipped emulators the mean square error is lowest for mu of 2 to 4; the upper one leaves
 * more room for knocks, which emulated animals do not have. Mean and peak are the window's own, so
 * nothing saturates, whatever a collar weighs.
 *
 * In 2 bits the same curve is read at 1/3 and 1. What is left of a window then is coarse: a teacher
 * that was trained on whole windows makes little of it, one that was trained on such windows nearly
 * all (`bench -- split`).
 *
 * Integers only, one pass over a channel for the mean, one for the peak, one for the codes. It does
 * not code times or differences: a lost frame harms no other.
 */

import { assert } from "../assert.ts";
import { ByteReader, ByteWriter } from "../bytes.ts";
import { hasSpareBits, packCodes, packedCodeBytes, unpackCodes } from "./codes.ts";

export type CompandedBits = 4 | 2;

const CHANNEL_BYTES = 2;
/** Q8 parts of the peak, by the bits of a code. */
const LEVELS: Readonly<Record<CompandedBits, readonly number[]>> = {
  4: [-256, -194, -144, -104, -72, -45, -24, -7, 7, 24, 45, 72, 104, 144, 194, 256],
  2: [-256, -45, 45, 256],
};

/** What a window of this shape takes. */
export function compandedBytes(
  windowSamples: number,
  channels: number,
  bits: CompandedBits = 4,
): number {
  return CHANNEL_BYTES * channels + packedCodeBytes(windowSamples * channels, bits);
}

/** @param window int8 `[time][channel]`, at least one sample */
export function encodeCompanded(
  window: Int8Array,
  channels: number,
  bits: CompandedBits = 4,
): Uint8Array {
  const samples = window.length / channels;
  assert(Number.isInteger(samples) && samples > 0, "whole rows, at least one");
  const to = new ByteWriter();
  const codes = new Uint8Array(window.length);
  for (let channel = 0; channel < channels; channel++) {
    const mean = meanOf(window, channel, channels);
    let peak = 0;
    for (let i = channel; i < window.length; i += channels) {
      peak = Math.max(peak, Math.abs((window[i] as number) - mean));
    }
    to.i8(mean).u8(peak);
    const values = valuesOf(mean, peak, bits);
    for (let i = channel; i < window.length; i += channels) {
      codes[i] = nearestCode(values, window[i] as number);
    }
  }
  return to.bytes(packCodes(codes, bits)).finish();
}

/**
 * The window as a gateway sees it, int8 `[time][channel]`.
 *
 * @throws EdgeError `truncated`, and `out-of-range` for bits behind the last code that are in use
 */
export function readCompanded(
  from: ByteReader,
  windowSamples: number,
  channels: number,
  bits: CompandedBits = 4,
): Int8Array {
  const values = Array.from({ length: channels }, () => valuesOf(from.i8(), from.u8(), bits));
  const count = windowSamples * channels;
  const packed = from.bytes(packedCodeBytes(count, bits));
  if (hasSpareBits(packed, count, bits)) {
    from.fail("out-of-range", "a code behind the last sample");
  }
  return Int8Array.from(
    unpackCodes(packed, count, bits),
    (code, i) => values[i % channels]?.[code] as number,
  );
}

/** The same for bytes that are nothing else. Throws also `trailing-bytes`. */
export function decodeCompanded(
  bytes: Uint8Array,
  windowSamples: number,
  channels: number,
  bits: CompandedBits = 4,
): Int8Array {
  const from = new ByteReader(bytes, "companded window");
  const window = readCompanded(from, windowSamples, channels, bits);
  from.done();
  return window;
}

/** Rounded to the nearest, halves up, in unsigned integers: division of negative numbers differs
 * between languages. */
function meanOf(window: Int8Array, channel: number, channels: number): number {
  const samples = window.length / channels;
  let sum = 0;
  for (let i = channel; i < window.length; i += channels) sum += (window[i] as number) + 128;
  return Math.floor((sum + (samples >> 1)) / samples) - 128;
}

/** What each code stands for, rising. */
function valuesOf(mean: number, peak: number, bits: CompandedBits): Int8Array {
  return Int8Array.from(LEVELS[bits], (level) =>
    Math.max(-128, Math.min(127, mean + ((level * peak + 128) >> 8))),
  );
}

/** Of two that are as near, the lower code. */
function nearestCode(values: Int8Array, sample: number): number {
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let code = 0; code < values.length; code++) {
    const distance = Math.abs((values[code] as number) - sample);
    if (distance < least) {
      least = distance;
      best = code;
    }
  }
  return best;
}
