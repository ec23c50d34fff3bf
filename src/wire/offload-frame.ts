/**
 * The fields of an offload, frame 03: of a window, or of the codes that an encoder made of it.
 *
 * `frames.ts` draws both. They share everything up to the window's chance and the byte that says the
 * encoding; a reader of before codes existed refuses that byte, and nothing else has moved.
 */

import { assert } from "../assert.ts";
import { type ByteReader, type ByteWriter, bytesOfHex, hexOf } from "../bytes.ts";
import { type CompandedBits, compandedBytes, encodeCompanded, readCompanded } from "./companded.ts";
import { atLeast, readChoice, readClass, readModelId, within } from "./frame-fields.ts";
import { LIMITS } from "./limits.ts";
import {
  type EncoderId,
  OFFLOAD_ENCODINGS,
  OFFLOAD_REASONS,
  type OffloadMessage,
  type WindowEncoding,
} from "./messages.ts";
import { modelIdBytes } from "./topics.ts";

/** Before the window, and before the codes. */
const WINDOW_HEADER_BYTES = 46;
const FEATURES_HEADER_BYTES = 42;
const ENCODING_AT = 37;
const ENCODER_ID_BYTES = 4;

/** What the frame of an offloaded window takes. */
export function offloadBytes(
  encoding: WindowEncoding,
  shape: { readonly windowSamples: number; readonly channels: number },
): number {
  const { windowSamples, channels } = shape;
  const bits = bitsOf(encoding);
  const values = windowSamples * channels;
  const window = bits === 8 ? values : compandedBytes(windowSamples, channels, bits);
  return WINDOW_HEADER_BYTES + window;
}

/** What the frame of so many bytes of codes takes. */
export function featuresBytes(codeBytes: number): number {
  return FEATURES_HEADER_BYTES + codeBytes;
}

/** Of the bytes of an offload, whole or not. */
export function isFeaturesFrame(frame: Uint8Array): boolean {
  return frame[ENCODING_AT] === OFFLOAD_ENCODINGS.indexOf("features");
}

export function writeOffload(to: ByteWriter, offload: OffloadMessage): void {
  to.u32(offload.epoch).u32(offload.seq).bytes(modelIdBytes(offload.modelId));
  to.u32(offload.windowIndex).u48(offload.timeMs).u8(OFFLOAD_REASONS.indexOf(offload.reason));
  to.u8(offload.classIndex).u8(offload.confidenceQ8).u8(offload.exit).u16(offload.chanceQ16);
  const encoding = OFFLOAD_ENCODINGS.indexOf(offload.encoding);
  if (offload.encoding === "features") {
    const { codes } = offload;
    assert(codes.length >= 1 && codes.length <= LIMITS.codeBytes, "codes within their limit");
    to.u16(codes.length).u8(0).u8(encoding).bytes(encoderIdBytes(offload.encoder)).bytes(codes);
    return;
  }
  const { windowSamples, channels, window } = offload;
  assert(window.length === windowSamples * channels, "a window of its shape");
  assert(window.length <= LIMITS.windowBytes, "a window within its limit");
  to.u16(windowSamples).u8(channels).u8(encoding);
  const bits = bitsOf(offload.encoding);
  to.u32(Math.round(offload.inputMilligPerStep * 1000))
    .u32(offload.rateCentihertz)
    .bytes(bits === 8 ? window : encodeCompanded(window, channels, bits));
}

export function readOffload(from: ByteReader): OffloadMessage {
  const head = {
    kind: "offload",
    epoch: atLeast(from, "epoch", from.u32(), 1),
    seq: from.u32(),
    modelId: readModelId(from),
    windowIndex: from.u32(),
    timeMs: from.u48(),
    reason: readChoice(from, "reason", OFFLOAD_REASONS),
    classIndex: readClass(from),
    confidenceQ8: from.u8(),
    exit: within(from, "exit", from.u8(), 0, LIMITS.exits - 1),
    chanceQ16: atLeast(from, "chance", from.u16(), 1),
  } as const;
  const [size, channels] = [from.u16(), from.u8()];
  const encoding = readChoice(from, "encoding", OFFLOAD_ENCODINGS);
  if (encoding === "features") {
    within(from, "code bytes", size, 1, LIMITS.codeBytes);
    within(from, "channels", channels, 0, 0);
    const encoder = readEncoderId(from);
    return { ...head, encoding, encoder, codes: from.bytes(size) };
  }
  const windowSamples = within(from, "samples", size, 1, LIMITS.windowSamples);
  within(from, "channels", channels, 1, LIMITS.channels);
  const inputMilligPerStep = atLeast(from, "micro-g per step", from.u32(), 1) / 1000;
  const rateCentihertz = within(from, "rate", from.u32(), 1, LIMITS.rateCentihertz);
  const length = windowSamples * channels;
  within(from, "window bytes", length, 1, LIMITS.windowBytes);
  const bits = bitsOf(encoding);
  const window =
    bits === 8 ? signed(from.bytes(length)) : readCompanded(from, windowSamples, channels, bits);
  const shape = { windowSamples, channels, inputMilligPerStep, rateCentihertz };
  return { ...head, ...shape, encoding, window };
}

export function readEncoderId(from: ByteReader): EncoderId {
  return encoderIdOf(from.bytes(ENCODER_ID_BYTES));
}

/** Of the SHA-256 of an encoder's bytes, whole or its first 4. */
export function encoderIdOf(hash: Uint8Array): EncoderId {
  return hexOf(hash.subarray(0, ENCODER_ID_BYTES)) as EncoderId;
}

export function encoderIdBytes(id: EncoderId): Uint8Array {
  return bytesOfHex(id);
}

function bitsOf(encoding: WindowEncoding): 8 | CompandedBits {
  if (encoding === "int8") return 8;
  return encoding === "companded4" ? 4 : 2;
}

function signed(raw: Uint8Array): Int8Array {
  return new Int8Array(raw.buffer, raw.byteOffset, raw.length);
}
