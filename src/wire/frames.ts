/**
 * The bytes of every message between a node and its gateway. Little-endian, no padding.
 *
 *      every frame   0 version=1   1 type   2 …
 *
 *      01 hello      2 epoch u32  6 model 8B  14 release u32  18 format u16  20 slot bytes u32
 *                    24 ram bytes u32  28 wake ms u32  32 cohort text  .. firmware text
 *      02 report     2 epoch u32  6 seq u32  10 model 8B  18 drift Q8 u32  22 flags u8 (bit 0 alarm,
 *                    bits 1-5 operating point)
 *                    23 battery % u8  24 dropped u32  28 entries u8  29 entry 13B each:
 *                        0 window index u32  4 time ms u48  10 class u8  11 confidence Q8 u8
 *                        12 exit u8 (bits 0-6; bit 7: offloaded)
 *      03 offload    2 epoch u32  6 seq u32  10 model 8B  18 window index u32  22 time ms u48
 *                    28 reason u8  29 class u8  30 confidence Q8 u8  31 exit u8  32 chance Q16 u16
 *                    34 samples u16  36 channels u8  37 encoding u8  38 micro-g/step u32
 *                    42 rate cHz u32  46 window: encoding 0 int8 [time][channel], 1 and 3 in 4
 *                    and 2 bits, `companded.ts`
 *                    or, with encoding 2, from byte 34: 34 code bytes u16  36 u8 0  37 encoding u8
 *                    38 encoder 4B  42 codes, `codes.ts`
 *      04 want       2 release u32  6 model 8B  14 first chunk u16  16 bytes u16  18 bitmap
 *      05 outcome    2 release u32  6 model 8B  14 outcome u8
 *      81 ack        2 epoch u32  6 count u16  8 seq u32 each
 *      82 verdict    2 epoch u32  6 seq u32  10 window index u32  14 class u8  15 flags u8
 *                    (bit 0 trusted)  16 classes u8  17 chance Q8 u8 each
 *      83 offer      2 signature 64B  66 length u16  68 manifest
 *      84 chunk      2 release u32  6 index u16  8 length u16  10 bytes
 *      85 setting    2 audit chance Q16 u16  4 burst windows u16
 *      86 point      2 share Q16 u16
 *
 * A text is one length byte and printable ASCII. Whatever a decoder returns is within `LIMITS`;
 * everything else is an `EdgeError` that names the byte. An encoder is given such values by our own
 * code and asserts. `docs/FORMATS.md` draws the same for those who write it in C.
 */

import { assert, EdgeError, unreachable } from "../assert.ts";
import { ByteReader, ByteWriter } from "../bytes.ts";
import {
  atLeast,
  readChoice,
  readClass,
  readFlag,
  readModelId,
  readText,
  within,
} from "./frame-fields.ts";
import { LIMITS } from "./limits.ts";
import type { DownKind, DownMessage, ReportEntry, UpKind, UpMessage } from "./messages.ts";
import { OUTCOMES } from "./messages.ts";
import { readOffload, writeOffload } from "./offload-frame.ts";
import { modelIdBytes } from "./topics.ts";

export const FRAME_VERSION = 1;

export const FRAME_TYPES = {
  hello: 0x01,
  report: 0x02,
  offload: 0x03,
  want: 0x04,
  outcome: 0x05,
  ack: 0x81,
  verdict: 0x82,
  offer: 0x83,
  chunk: 0x84,
  setting: 0x85,
  point: 0x86,
} as const;

/** Before a report's entries, and of each. */
const REPORT_HEADER_BYTES = 29;
const REPORT_ENTRY_BYTES = 13;
const OFFLOADED_BIT = 0x80;
const ALARM_BIT = 1;
const POINT_SHIFT = 1;

type Up<K extends UpKind> = Extract<UpMessage, { kind: K }>;
type Down<K extends DownKind> = Extract<DownMessage, { kind: K }>;

/** The bytes of a message from a node. */
export function encodeUp(message: UpMessage): Uint8Array {
  const to = new ByteWriter().u8(FRAME_VERSION).u8(FRAME_TYPES[message.kind]);
  switch (message.kind) {
    case "hello":
      to.u32(message.epoch).bytes(modelIdBytes(message.modelId)).u32(message.releaseSequence);
      to.u16(message.formatVersion).u32(message.slotBytes).u32(message.ramBytes);
      to.u32(message.wakeMs).ascii(message.cohort).ascii(message.firmware);
      break;
    case "report":
      writeReport(to, message);
      break;
    case "offload":
      writeOffload(to, message);
      break;
    case "want":
      to.u32(message.releaseSequence).bytes(modelIdBytes(message.modelId)).u16(message.firstChunk);
      to.u16(message.bitmap.length).bytes(message.bitmap);
      break;
    case "outcome":
      to.u32(message.releaseSequence).bytes(modelIdBytes(message.modelId));
      to.u8(OUTCOMES.indexOf(message.outcome));
      break;
    default:
      unreachable(message);
  }
  return finish(to);
}

/** What the frame of a report on so many windows takes. */
export function reportBytes(entries: number): number {
  return REPORT_HEADER_BYTES + REPORT_ENTRY_BYTES * entries;
}

/** The bytes of a message to a node. */
export function encodeDown(message: DownMessage): Uint8Array {
  const to = new ByteWriter().u8(FRAME_VERSION).u8(FRAME_TYPES[message.kind]);
  switch (message.kind) {
    case "ack":
      assert(message.seqs.length <= LIMITS.ackSeqs, "an ack within its limit");
      to.u32(message.epoch).u16(message.seqs.length);
      for (const seq of message.seqs) to.u32(seq);
      break;
    case "verdict":
      to.u32(message.epoch).u32(message.seq).u32(message.windowIndex).u8(message.classIndex);
      to.u8(message.trusted ? 1 : 0).u8(message.probabilitiesQ8.length);
      to.bytes(message.probabilitiesQ8);
      break;
    case "offer":
      assert(message.signature.length === LIMITS.signatureBytes, "an Ed25519 signature");
      to.bytes(message.signature).u16(message.manifest.length).bytes(message.manifest);
      break;
    case "chunk":
      assert(message.bytes.length <= LIMITS.chunkBytesMax, "a chunk within its limit");
      to.u32(message.releaseSequence).u16(message.index).u16(message.bytes.length);
      to.bytes(message.bytes);
      break;
    case "setting":
      to.u16(message.auditChanceQ16).u16(message.burstWindows);
      break;
    case "point":
      to.u16(message.shareQ16);
      break;
    default:
      unreachable(message);
  }
  return finish(to);
}

/** Reads what came on `…/up/<kind>`. Arrays of the answer are views of `bytes`. */
export function decodeUp<K extends UpKind>(kind: K, bytes: Uint8Array): Up<K> {
  const from = open(kind, bytes);
  const message = READ_UP[kind](from) as Up<K>;
  from.done();
  return message;
}

/** Reads what came on `…/down/<kind>`. Arrays of the answer are views of `bytes`. */
export function decodeDown<K extends DownKind>(kind: K, bytes: Uint8Array): Down<K> {
  const from = open(kind, bytes);
  const message = READ_DOWN[kind](from) as Down<K>;
  from.done();
  return message;
}

const READ_UP: { readonly [Kind in UpKind]: (from: ByteReader) => Up<Kind> } = {
  hello: readHello,
  report: readReport,
  offload: readOffload,
  want: readWant,
  outcome: readOutcome,
};

const READ_DOWN: { readonly [Kind in DownKind]: (from: ByteReader) => Down<Kind> } = {
  ack: readAck,
  verdict: readVerdict,
  offer: readOffer,
  chunk: readChunk,
  setting: readSetting,
  point: (from) => ({ kind: "point", shareQ16: from.u16() }),
};

function writeReport(to: ByteWriter, report: Up<"report">): void {
  assert(report.entries.length <= LIMITS.reportEntries, "a report within its limit");
  to.u32(report.epoch).u32(report.seq).bytes(modelIdBytes(report.modelId)).u32(report.driftQ8);
  to.u8((report.alarm ? ALARM_BIT : 0) | (report.operatingPoint << POINT_SHIFT))
    .u8(report.batteryPercent)
    .u32(report.dropped);
  to.u8(report.entries.length);
  for (const entry of report.entries) {
    to.u32(entry.windowIndex).u48(entry.timeMs).u8(entry.classIndex).u8(entry.confidenceQ8);
    to.u8(entry.exit | (entry.offloaded ? OFFLOADED_BIT : 0));
  }
}

function readHello(from: ByteReader): Up<"hello"> {
  const epoch = atLeast(from, "epoch", from.u32(), 1);
  const modelId = readModelId(from);
  const releaseSequence = from.u32();
  const formatVersion = atLeast(from, "format version", from.u16(), 1);
  const slotBytes = atLeast(from, "slot bytes", from.u32(), 1);
  const ramBytes = atLeast(from, "ram bytes", from.u32(), 1);
  const wakeMs = within(from, "wake ms", from.u32(), 1, LIMITS.wakeMs);
  const cohort = readText(from, "cohort", LIMITS.cohortBytes);
  const firmware = readText(from, "firmware", LIMITS.firmwareBytes);
  return {
    kind: "hello",
    epoch,
    firmware,
    cohort,
    modelId,
    releaseSequence,
    formatVersion,
    slotBytes,
    ramBytes,
    wakeMs,
  };
}

function readReport(from: ByteReader): Up<"report"> {
  const epoch = atLeast(from, "epoch", from.u32(), 1);
  const seq = from.u32();
  const modelId = readModelId(from);
  const driftQ8 = from.u32();
  const flags = within(from, "flags", from.u8(), 0, (LIMITS.operatingPoints << POINT_SHIFT) | 1);
  const alarm = (flags & ALARM_BIT) !== 0;
  const operatingPoint = flags >> POINT_SHIFT;
  const batteryPercent = within(from, "battery", from.u8(), 0, LIMITS.batteryPercent);
  const dropped = from.u32();
  const count = within(from, "entries", from.u8(), 0, LIMITS.reportEntries);
  if (from.left < count * REPORT_ENTRY_BYTES) from.fail("truncated", `${count} entries announced`);
  const entries = Array.from({ length: count }, () => readEntry(from));
  return {
    kind: "report",
    epoch,
    seq,
    modelId,
    driftQ8,
    alarm,
    operatingPoint,
    batteryPercent,
    dropped,
    entries,
  };
}

function readEntry(from: ByteReader): ReportEntry {
  const windowIndex = from.u32();
  const timeMs = from.u48();
  const classIndex = readClass(from);
  const confidenceQ8 = from.u8();
  const packed = from.u8();
  const exit = within(from, "exit", packed & ~OFFLOADED_BIT, 0, LIMITS.exits - 1);
  return {
    windowIndex,
    timeMs,
    classIndex,
    confidenceQ8,
    exit,
    offloaded: packed >= OFFLOADED_BIT,
  };
}

function readWant(from: ByteReader): Up<"want"> {
  const releaseSequence = atLeast(from, "release", from.u32(), 1);
  const modelId = readModelId(from);
  const firstChunk = within(from, "first chunk", from.u16(), 0, LIMITS.chunks - 1);
  const length = within(from, "bitmap bytes", from.u16(), 1, LIMITS.bitmapBytes);
  const bitmap = from.bytes(length);
  if (bitmap.every((byte) => byte === 0)) from.fail("out-of-range", "a want that wants nothing");
  return { kind: "want", releaseSequence, modelId, firstChunk, bitmap };
}

function readOutcome(from: ByteReader): Up<"outcome"> {
  const releaseSequence = atLeast(from, "release", from.u32(), 1);
  const modelId = readModelId(from);
  const outcome = readChoice(from, "outcome", OUTCOMES);
  return { kind: "outcome", releaseSequence, modelId, outcome };
}

function readAck(from: ByteReader): Down<"ack"> {
  const epoch = atLeast(from, "epoch", from.u32(), 1);
  const count = within(from, "count", from.u16(), 1, LIMITS.ackSeqs);
  if (from.left < 4 * count) from.fail("truncated", `${count} sequence numbers announced`);
  return { kind: "ack", epoch, seqs: Array.from({ length: count }, () => from.u32()) };
}

function readVerdict(from: ByteReader): Down<"verdict"> {
  const epoch = atLeast(from, "epoch", from.u32(), 1);
  const seq = from.u32();
  const windowIndex = from.u32();
  const classIndex = readClass(from);
  const trusted = readFlag(from);
  const classes = within(from, "classes", from.u8(), 2, LIMITS.classes);
  if (classIndex >= classes) from.fail("out-of-range", `class ${classIndex} of ${classes}`);
  const probabilitiesQ8 = from.bytes(classes);
  return { kind: "verdict", epoch, seq, windowIndex, classIndex, trusted, probabilitiesQ8 };
}

function readOffer(from: ByteReader): Down<"offer"> {
  const signature = from.bytes(LIMITS.signatureBytes);
  const length = within(from, "manifest bytes", from.u16(), 1, LIMITS.manifestBytes);
  return { kind: "offer", manifest: from.bytes(length), signature };
}

function readChunk(from: ByteReader): Down<"chunk"> {
  const releaseSequence = atLeast(from, "release", from.u32(), 1);
  const index = within(from, "chunk", from.u16(), 0, LIMITS.chunks - 1);
  const length = within(from, "chunk bytes", from.u16(), 1, LIMITS.chunkBytesMax);
  return { kind: "chunk", releaseSequence, index, bytes: from.bytes(length) };
}

function readSetting(from: ByteReader): Down<"setting"> {
  const auditChanceQ16 = from.u16();
  const burstWindows = within(from, "burst windows", from.u16(), 0, LIMITS.burstWindows);
  return { kind: "setting", auditChanceQ16, burstWindows };
}

/** Version and type; a version that we do not know says nothing about what follows it. */
function open(kind: UpKind | DownKind, bytes: Uint8Array): ByteReader {
  if (bytes.length > LIMITS.frameBytes) {
    throw new EdgeError({
      code: "frame-oversized",
      message: `${bytes.length} bytes, at most ${LIMITS.frameBytes}`,
      where: `${kind} frame`,
      hint: "No message of this format is that long; the sender speaks something else.",
    });
  }
  const from = new ByteReader(bytes, `${kind} frame`);
  const version = from.u8();
  if (version !== FRAME_VERSION) {
    from.fail("frame-version", `version ${version}, this side speaks ${FRAME_VERSION}`);
  }
  const type = from.u8();
  if (type !== FRAME_TYPES[kind]) from.fail("frame-type", `type ${type} on the topic of ${kind}`);
  return from;
}

function finish(to: ByteWriter): Uint8Array {
  assert(to.length <= LIMITS.frameBytes, `a frame of ${to.length} bytes within its limit`);
  return to.finish();
}
