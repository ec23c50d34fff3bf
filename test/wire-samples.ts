/**
 * Generators of well-formed messages for property tests, and one fixed message of every kind whose
 * bytes are kept in `test/golden/frames.json`.
 */

import fc from "fast-check";
import { LIMITS } from "../src/wire/limits.ts";
import {
  type DownMessage,
  type EncoderId,
  type FeaturesOffload,
  type ModelId,
  OFFLOAD_REASONS,
  OUTCOMES,
  type UpMessage,
  type WindowOffload,
} from "../src/wire/messages.ts";

/** For a message that is to be an offload with its window. */
export function asWindow(message: UpMessage | undefined): WindowOffload {
  if (message?.kind !== "offload" || message.encoding === "features") {
    throw new Error(`${message?.kind ?? "nothing"} has no window`);
  }
  return message;
}

const u8 = fc.integer({ min: 0, max: 0xff });
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const positive16 = fc.integer({ min: 1, max: 0xffff });
const positive32 = fc.integer({ min: 1, max: 0xffff_ffff });
const timeMs = fc.integer({ min: 0, max: 0xffff_ffff_ffff });
const classIndex = fc.integer({ min: 0, max: LIMITS.classes - 1 });
const exit = fc.integer({ min: 0, max: LIMITS.exits - 1 });
const modelId = fc
  .uint8Array({ minLength: 8, maxLength: 8 })
  .map((bytes) => Buffer.from(bytes).toString("hex") as ModelId);

function ascii(maxLength: number): fc.Arbitrary<string> {
  const unit = fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code));
  return fc.string({ unit, minLength: 1, maxLength });
}

const offloadShape = fc
  .tuple(
    fc.integer({ min: 1, max: LIMITS.windowSamples }),
    fc.integer({ min: 1, max: LIMITS.channels }),
    u32,
  )
  .map(([windowSamples, channels, seed]) => ({
    windowSamples,
    channels,
    window: Int8Array.from({ length: windowSamples * channels }, (_, i) => (i * seed) >> 3),
  }));

const entry = fc.record({
  windowIndex: u32,
  timeMs,
  classIndex,
  confidenceQ8: u8,
  exit,
  offloaded: fc.boolean(),
});

export const anyUp: fc.Arbitrary<UpMessage> = fc.oneof(
  fc.record({
    kind: fc.constant("hello" as const),
    epoch: positive32,
    firmware: ascii(LIMITS.firmwareBytes),
    cohort: ascii(LIMITS.cohortBytes),
    modelId,
    releaseSequence: u32,
    formatVersion: positive16,
    slotBytes: positive32,
    ramBytes: positive32,
    wakeMs: fc.integer({ min: 1, max: LIMITS.wakeMs }),
  }),
  fc.record({
    kind: fc.constant("report" as const),
    epoch: positive32,
    seq: u32,
    modelId,
    driftQ8: u32,
    alarm: fc.boolean(),
    operatingPoint: fc.integer({ min: 0, max: LIMITS.operatingPoints }),
    batteryPercent: fc.integer({ min: 0, max: 100 }),
    dropped: u32,
    entries: fc.array(entry, { maxLength: LIMITS.reportEntries }),
  }),
  fc
    .tuple(
      fc.record({
        kind: fc.constant("offload" as const),
        epoch: positive32,
        seq: u32,
        modelId,
        windowIndex: u32,
        timeMs,
        reason: fc.constantFrom(...OFFLOAD_REASONS),
        chanceQ16: positive16,
        classIndex,
        confidenceQ8: u8,
        exit,
        inputMilligPerStep: positive32.map((microg) => microg / 1000),
        rateCentihertz: fc.integer({ min: 1, max: LIMITS.rateCentihertz }),
        encoding: fc.constant("int8" as const),
      }),
      offloadShape,
    )
    .map(([head, shape]) => ({ ...head, ...shape })),
  fc.record({
    kind: fc.constant("want" as const),
    releaseSequence: positive32,
    modelId,
    firstChunk: fc.integer({ min: 0, max: LIMITS.chunks - 1 }),
    bitmap: fc
      .uint8Array({ minLength: 1, maxLength: LIMITS.bitmapBytes })
      .filter((bitmap) => bitmap.some((byte) => byte > 0)),
  }),
  fc.record({
    kind: fc.constant("outcome" as const),
    releaseSequence: positive32,
    modelId,
    outcome: fc.constantFrom(...OUTCOMES),
  }),
);

/** Not among `anyUp`: of codes nobody can tell what window they were. */
export const anyFeatures: fc.Arbitrary<FeaturesOffload> = fc.record({
  kind: fc.constant("offload" as const),
  epoch: positive32,
  seq: u32,
  modelId,
  windowIndex: u32,
  timeMs,
  reason: fc.constantFrom(...OFFLOAD_REASONS),
  chanceQ16: fc.oneof(fc.constant(0xffff), positive16),
  classIndex,
  confidenceQ8: u8,
  exit,
  encoding: fc.constant("features" as const),
  encoder: modelId.map((id) => id.slice(0, 8) as EncoderId),
  codes: fc.uint8Array({ minLength: 1, maxLength: LIMITS.codeBytes }),
});

export const GOLDEN_FEATURES: FeaturesOffload = {
  kind: "offload",
  epoch: 7,
  seq: 9,
  modelId: "0102030405060708" as ModelId,
  windowIndex: 42,
  timeMs: 1_760_000_000_000,
  reason: "unsure",
  chanceQ16: 0xffff,
  classIndex: 2,
  confidenceQ8: 100,
  exit: 1,
  encoding: "features",
  encoder: "a1b2c3d4" as EncoderId,
  codes: Uint8Array.of(1, 2, 3, 4, 5),
};

export const anyDown: fc.Arbitrary<DownMessage> = fc.oneof(
  fc.record({
    kind: fc.constant("ack" as const),
    epoch: positive32,
    seqs: fc.array(u32, { minLength: 1, maxLength: LIMITS.ackSeqs }),
  }),
  fc
    .record({
      kind: fc.constant("verdict" as const),
      epoch: positive32,
      seq: u32,
      windowIndex: u32,
      trusted: fc.boolean(),
      probabilitiesQ8: fc.uint8Array({ minLength: 2, maxLength: LIMITS.classes }),
    })
    .chain((verdict) =>
      fc
        .integer({ min: 0, max: verdict.probabilitiesQ8.length - 1 })
        .map((index) => ({ ...verdict, classIndex: index })),
    ),
  fc.record({
    kind: fc.constant("offer" as const),
    manifest: fc.uint8Array({ minLength: 1, maxLength: 2_000 }),
    signature: fc.uint8Array({ minLength: 64, maxLength: 64 }),
  }),
  fc.record({
    kind: fc.constant("chunk" as const),
    releaseSequence: positive32,
    index: fc.integer({ min: 0, max: LIMITS.chunks - 1 }),
    bytes: fc.uint8Array({ minLength: 1, maxLength: LIMITS.chunkBytesMax }),
  }),
  fc.record({
    kind: fc.constant("setting" as const),
    auditChanceQ16: u16,
    burstWindows: fc.integer({ min: 0, max: LIMITS.burstWindows }),
  }),
  fc.record({ kind: fc.constant("point" as const), shareQ16: u16 }),
);

const MODEL = "0123456789abcdef" as ModelId;
const TIME_MS = 1_767_225_600_000;

export const GOLDEN_UP: readonly UpMessage[] = [
  {
    kind: "hello",
    epoch: 0xc0ffee01,
    firmware: "sim 1.0",
    cohort: "cattle",
    modelId: MODEL,
    releaseSequence: 7,
    formatVersion: 1,
    slotBytes: 131_072,
    ramBytes: 16_384,
    wakeMs: 60_000,
  },
  {
    kind: "report",
    epoch: 0xc0ffee01,
    seq: 41,
    modelId: MODEL,
    driftQ8: 640,
    alarm: true,
    operatingPoint: 0,
    batteryPercent: 87,
    dropped: 3,
    entries: [
      {
        windowIndex: 1000,
        timeMs: TIME_MS,
        classIndex: 2,
        confidenceQ8: 250,
        exit: 0,
        offloaded: false,
      },
      {
        windowIndex: 1001,
        timeMs: TIME_MS + 2_500,
        classIndex: 0,
        confidenceQ8: 120,
        exit: 1,
        offloaded: true,
      },
    ],
  },
  {
    kind: "offload",
    epoch: 0xc0ffee01,
    seq: 42,
    modelId: MODEL,
    windowIndex: 1001,
    timeMs: TIME_MS + 2_500,
    reason: "audit",
    chanceQ16: 1311,
    classIndex: 0,
    confidenceQ8: 120,
    exit: 1,
    windowSamples: 4,
    channels: 3,
    inputMilligPerStep: 15.625,
    rateCentihertz: 1000,
    encoding: "int8",
    window: Int8Array.of(0, 1, -1, 2, -2, 127, -127, -128, 64, -64, 32, -32),
  },
  {
    kind: "want",
    releaseSequence: 8,
    modelId: MODEL,
    firstChunk: 3,
    bitmap: Uint8Array.of(0b1000_0101, 1),
  },
  { kind: "outcome", releaseSequence: 8, modelId: MODEL, outcome: "confirmed" },
];

export const GOLDEN_DOWN: readonly DownMessage[] = [
  { kind: "ack", epoch: 0xc0ffee01, seqs: [41, 42, 0xffff_ffff] },
  {
    kind: "verdict",
    epoch: 0xc0ffee01,
    seq: 42,
    windowIndex: 1001,
    classIndex: 1,
    trusted: true,
    probabilitiesQ8: Uint8Array.of(10, 240, 5),
  },
  {
    kind: "offer",
    manifest: Uint8Array.of(0xa1, 0x01, 0x02),
    signature: Uint8Array.from({ length: 64 }, (_, i) => i),
  },
  { kind: "chunk", releaseSequence: 8, index: 5, bytes: Uint8Array.of(1, 2, 3, 4, 5) },
  { kind: "setting", auditChanceQ16: 1311, burstWindows: 60 },
  { kind: "point", shareQ16: 1311 },
];
