/**
 * Our messages as LoRaWAN payloads: 51 bytes at the slowest data rate, LoRaWAN's own 13 not counted.
 *
 * The first byte says which form follows:
 *
 *     0x01   a wire frame as it is (`frames.ts`)
 *     0x11   a report, run-length coded (`lora-report.ts`)
 *     0x12   one window's codes (`lora-features.ts`)
 *     0x13   a report of a node at an operating point (`lora-report.ts`)
 *     0x1f   a piece of any of them:
 *            0 0x1f   1 CRC-16 of the whole u16   3 number of the piece (bits 0-3), of the last
 *            piece (bits 4-7)   4 …
 *
 * Pieces may come in any order and twice. One that is lost is lost with the rest: the node's outbox
 * sends the whole again. Down go wire frames as they are, those that fit one payload; offers and
 * chunks do not, so that a release cannot come over LoRaWAN. So that none waits for such a node, its
 * hello is read as that of a node with no room for any.
 */

import { EdgeError } from "../assert.ts";
import { ByteReader, ByteWriter } from "../bytes.ts";
import { decodeUp, encodeUp, FRAME_TYPES, FRAME_VERSION } from "./frames.ts";
import { decodeLoraFeatures, encodeLoraFeatures, LORA_FEATURES } from "./lora-features.ts";
import {
  decodeLoraReport,
  encodeLoraReport,
  LORA_POINT_REPORT,
  LORA_REPORT,
} from "./lora-report.ts";
import type { DownKind, UpKind, UpMessage } from "./messages.ts";
import { isFeaturesFrame } from "./offload-frame.ts";
import { DOWN_KINDS, UP_KINDS } from "./topics.ts";

export const LORA_PIECE = 0x1f;
export const LORA_PIECES_MAX = 16;
const PIECE_HEADER_BYTES = 4;
/** Messages of one node that may be half here, and for how long: a day of LoRaWAN's duty cycle. */
const PARTIAL_MAX = 4;
const PARTIAL_MS = 24 * 3600 * 1000;
/** The least that a hello can say; no container is as small. */
const NO_SLOT_BYTES = 1;
/** The largest payload of any data rate. */
const PAYLOAD_BYTES_MAX = 242;

/**
 * The payloads for one frame of the node plane, in the order in which to send them, or undefined
 * where it would take more than `piecesMax`.
 *
 * @param payloadBytes what the data rate allows
 */
export function toLoraPayloads(
  kind: UpKind,
  frame: Uint8Array,
  payloadBytes: number,
  piecesMax = LORA_PIECES_MAX,
): readonly Uint8Array[] | undefined {
  const whole = shortest(kind, frame);
  if (whole.length <= payloadBytes) return [whole];
  const pieceBytes = payloadBytes - PIECE_HEADER_BYTES;
  const count = Math.ceil(whole.length / pieceBytes);
  if (count > Math.min(piecesMax, LORA_PIECES_MAX)) return undefined;
  const checksum = crc16(whole);
  return Array.from({ length: count }, (_, i) =>
    new ByteWriter()
      .u8(LORA_PIECE)
      .u16(checksum)
      .u8(i | ((count - 1) << 4))
      .bytes(whole.subarray(i * pieceBytes, (i + 1) * pieceBytes))
      .finish(),
  );
}

/** Bytes of each payload that so many bytes are cut into. */
export function pieceLengths(bytes: number, payloadBytes: number): readonly number[] {
  if (bytes <= payloadBytes) return [bytes];
  const pieceBytes = payloadBytes - PIECE_HEADER_BYTES;
  const count = Math.ceil(bytes / pieceBytes);
  return Array.from({ length: count }, (_, i) => {
    return PIECE_HEADER_BYTES + Math.min(pieceBytes, bytes - i * pieceBytes);
  });
}

/** Bytes of the largest frame that goes as it is in so many pieces. */
export function loraFrameBytesMax(payloadBytes: number, piecesMax: number): number {
  return piecesMax === 1 ? payloadBytes : piecesMax * (payloadBytes - PIECE_HEADER_BYTES);
}

export type UpFrame = { readonly kind: UpKind; readonly frame: Uint8Array };

type Partial = { readonly sinceMs: number; readonly pieces: (Uint8Array | undefined)[] };
/** What is half here of one node's messages, by checksum and number of pieces. */
export type LoraAssembly = Map<string, Partial>;

/**
 * Takes a payload in. Undefined while pieces are missing.
 *
 * Throws `EdgeError` for what is no payload of ours; the assembly then holds what it held.
 */
export function takeLoraPayload(
  assembly: LoraAssembly,
  payload: Uint8Array,
  nowMs: number,
): UpFrame | undefined {
  if (payload.length > PAYLOAD_BYTES_MAX) {
    throw refusal("payload-oversized", `${payload.length} bytes, at most ${PAYLOAD_BYTES_MAX}`);
  }
  if (payload[0] !== LORA_PIECE) return toUpFrame(payload);
  const whole = takePiece(assembly, payload, nowMs);
  return whole === undefined ? undefined : toUpFrame(whole);
}

/** The kind of a frame that came down, by its type byte. */
export function downKindOf(frame: Uint8Array): DownKind | undefined {
  if (frame[0] !== FRAME_VERSION) return undefined;
  return DOWN_KINDS.find((kind) => FRAME_TYPES[kind] === frame[1]);
}

/** The form of LoRaWAN's own where there is one, it can carry the message, and is shorter. */
function shortest(kind: UpKind, frame: Uint8Array): Uint8Array {
  const coded = ownForm(kind, frame);
  return coded !== undefined && coded.length < frame.length ? coded : frame;
}

function ownForm(kind: UpKind, frame: Uint8Array): Uint8Array | undefined {
  if (kind === "report") return encodeLoraReport(decodeUp("report", frame));
  // Windows are not read for it: they have no such form, and are long.
  if (kind !== "offload" || !isFeaturesFrame(frame)) return undefined;
  const offload = decodeUp("offload", frame);
  return offload.encoding === "features" ? encodeLoraFeatures(offload) : undefined;
}

function toUpFrame(whole: Uint8Array): UpFrame {
  if (whole[0] === LORA_REPORT || whole[0] === LORA_POINT_REPORT) {
    return { kind: "report", frame: encodeUp(decodeLoraReport(whole)) };
  }
  if (whole[0] === LORA_FEATURES) {
    return { kind: "offload", frame: encodeUp(decodeLoraFeatures(whole)) };
  }
  const kind = UP_KINDS.find((name) => FRAME_TYPES[name] === whole[1]);
  if (whole[0] !== FRAME_VERSION || kind === undefined) {
    throw refusal("lora-form", `a payload that begins with ${whole[0] ?? "nothing"}`);
  }
  // Whole frames are read here as well, so that nothing is passed on that a gateway refuses.
  const message: UpMessage = decodeUp(kind, whole);
  if (message.kind !== "hello") return { kind, frame: whole };
  return { kind, frame: encodeUp({ ...message, slotBytes: NO_SLOT_BYTES }) };
}

function takePiece(
  assembly: LoraAssembly,
  payload: Uint8Array,
  nowMs: number,
): Uint8Array | undefined {
  const from = new ByteReader(payload, "LoRa piece");
  from.u8();
  const checksum = from.u16();
  const numbers = from.u8();
  const index = numbers & 0xf;
  const last = numbers >> 4;
  if (index > last) from.fail("out-of-range", `piece ${index} of ${last + 1}`);
  if (from.left === 0) from.fail("truncated", "a piece of nothing");
  for (const [key, { sinceMs }] of assembly) {
    if (nowMs - sinceMs > PARTIAL_MS) assembly.delete(key);
  }
  const key = `${checksum}/${last}`;
  const partial = assembly.get(key) ?? { sinceMs: nowMs, pieces: [] };
  partial.pieces[index] = from.bytes(from.left).slice();
  assembly.set(key, partial);
  while (assembly.size > PARTIAL_MAX) {
    const [oldest] = assembly.keys();
    assembly.delete(oldest as string);
  }
  const pieces = Array.from({ length: last + 1 }, (_, i) => partial.pieces[i]);
  if (!pieces.every((piece) => piece !== undefined)) return undefined;
  assembly.delete(key);
  const to = new ByteWriter();
  for (const piece of pieces) to.bytes(piece);
  const whole = to.finish();
  if (crc16(whole) !== checksum) throw refusal("checksum", "pieces that make no whole");
  return whole;
}

/** CRC-16/IBM-3740: polynomial 0x1021, start 0xffff, nothing reflected. */
function crc16(bytes: Uint8Array): number {
  let crc = 0xffff;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let i = 0; i < 8; i++) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
  }
  return crc;
}

function refusal(code: string, message: string): EdgeError {
  return new EdgeError({
    code,
    message,
    where: "LoRa payload",
    hint: "The device and docs/FORMATS.md disagree, or another application has this port.",
  });
}
