/**
 * A gate's parameters as bytes: the `gate` section of a model container.
 *
 * ```
 *  version u8 = 1 | exits u8 | classes u8 | novelty u8 (0 or 1)
 *  per exit      inverseTemperatureQ8 u16 | fusionWeight u8 | sureMarginQ8 u16
 *                | confidenceQ8 33 x u8
 *  filter        changeQ15 u16 | adaptQ8 u16
 *  offload       unsureMarginQ8 classes x u16 | targetShareQ16 u16 | rateStepQ16 u16
 *                | rateLimitQ8 u16
 *  bucket        capacityTokens u16 | windowsPerTokenQ8 u32 | reserveTokens u16
 *  audit         auditChanceQ16 u16
 *  burst         windows u16 | delay u16 | expiry u16 | perBout u8 | gap u16 | diversity u16
 *                | boutChange u16
 *  novelty       exit u8 | features u8 | axes u8 | whiteningQ12 n (n + 1) / 2 x i16
 *                | prototypesQ4 classes x n x i16 | centresQ8 classes x i16
 *                | inverseSpreadsQ8 classes x u16 | clipQ8 u16 | slackQ8 u16 | thresholdQ8 u16
 *                | recoveryWindows u32 | novelQ8 u16, where n = features + axes
 * ```
 *
 * Operating points are in a section of their own, `operating-points.ts`, which nodes from before
 * there were any do not know.
 *
 * Everything is little-endian and there is one encoding only: a decoder refuses bytes left over and
 * every value outside the range that `gate-parameters.ts` states.
 */

import { EdgeError } from "../assert.ts";
import { ByteReader, ByteWriter } from "../bytes.ts";
import type { Container } from "../model/container.ts";
import {
  CONFIDENCE_NODES,
  GATE_LIMITS,
  MARGIN_TOP_Q8,
  NEVER_Q8,
  ONE_Q15,
} from "./gate-parameters.ts";
import { within } from "./gate-range.ts";
import { decodePoints, windowsPerTokenMostQ8 } from "./operating-points.ts";
import type {
  BucketGate,
  BurstGate,
  ExitGate,
  GateParameters,
  NoveltyGate,
  OffloadGate,
  OperatingPoint,
} from "./gate-parameters.ts";

const GATE_VERSION = 1;

export function encodeGate(gate: GateParameters): Uint8Array {
  const out = new ByteWriter();
  out.u8(GATE_VERSION).u8(gate.exits.length).u8(gate.classes);
  out.u8(gate.novelty === null ? 0 : 1);
  for (const exit of gate.exits) {
    out.u16(exit.inverseTemperatureQ8).u8(exit.fusionWeight).u16(exit.sureMarginQ8);
    out.bytes(Uint8Array.from(exit.confidenceQ8));
  }
  out.u16(gate.filter.changeQ15).u16(gate.filter.adaptQ8);
  for (const margin of gate.offload.unsureMarginQ8) out.u16(margin);
  out.u16(gate.offload.targetShareQ16).u16(gate.offload.rateStepQ16).u16(gate.offload.rateLimitQ8);
  const { bucket, burst, novelty } = gate;
  out.u16(bucket.capacityTokens).u32(bucket.windowsPerTokenQ8).u16(bucket.reserveTokens);
  out.u16(gate.auditChanceQ16);
  out.u16(burst.windows).u16(burst.delayWindows).u16(burst.expiryWindows).u8(burst.perBout);
  out.u16(burst.gapWindows).u16(burst.diversity).u16(burst.boutChange);
  if (novelty !== null) encodeNovelty(out, novelty);
  return out.finish();
}

/** The gate of a container, without points. Throws `EdgeError` on anything that `encodeGate` would not
 * have written for a valid gate. */
export function decodeGate(bytes: Uint8Array): GateParameters {
  const input = new ByteReader(bytes, "gate parameters");
  const version = input.u8();
  if (version !== GATE_VERSION) input.fail("gate-version", `version ${version}, knows 1`);
  const exitCount = within(input, input.u8(), 1, GATE_LIMITS.exits, "exits");
  const classes = within(input, input.u8(), 2, GATE_LIMITS.classes, "classes");
  const hasNovelty = within(input, input.u8(), 0, 1, "novelty flag") === 1;
  const exits = Array.from({ length: exitCount }, () => decodeExit(input));
  const filter = {
    changeQ15: within(input, input.u16(), 1, ONE_Q15, "chance of change"),
    adaptQ8: within(input, input.u16(), 0, 1024, "adaptation"),
  };
  const offload = decodeOffload(input, classes);
  const bucket = decodeBucket(input);
  const auditChanceQ16 = input.u16();
  const burst = decodeBurst(input);
  const novelty = hasNovelty ? decodeNovelty(input, exitCount, classes) : null;
  input.done();
  const memory = { filter, offload, bucket, auditChanceQ16 };
  return { classes, exits, ...memory, novelty, burst, operatingPoints: [] };
}

/** The gate of a container with its operating points, which must fit the container's student. */
export function gateOf(container: Container): GateParameters {
  const operatingPoints = container.points === undefined ? [] : decodePoints(container.points);
  const gate = withPoints(decodeGate(container.gate), operatingPoints);
  const { student } = container;
  const novelty = gate.novelty;
  const fits =
    gate.exits.length === student.stages.length &&
    gate.classes === student.classes &&
    (novelty === null ||
      (student.stages[novelty.exit]?.exit.features === novelty.features &&
        (novelty.axes === 0 || novelty.axes === student.channels)));
  if (!fits) mismatch("the gate was made for another student");
  return gate;
}

/** The gate with points that were made for it. Throws `EdgeError` `gate-mismatch` for others. */
export function withPoints(
  gate: GateParameters,
  operatingPoints: readonly OperatingPoint[],
): GateParameters {
  if (!operatingPoints.every((point) => pointFits(gate, point))) {
    mismatch("the operating points were made for another gate");
  }
  return { ...gate, operatingPoints };
}

function mismatch(message: string): never {
  throw new EdgeError({
    code: "gate-mismatch",
    message,
    where: "model container",
    hint: "Calibrate the gate with this student and pack the container again.",
  });
}

/** Together with the bucket's capacity a level stays in its 32 bits. */
function pointFits({ exits, bucket }: GateParameters, point: OperatingPoint): boolean {
  const { sureMarginsQ8, windowsPerTokenQ8 } = point;
  return (
    sureMarginsQ8.length === exits.length && windowsPerTokenQ8 <= windowsPerTokenMostQ8(bucket)
  );
}

function decodeExit(input: ByteReader): ExitGate {
  return {
    inverseTemperatureQ8: within(input, input.u16(), 1, 65535, "inverse temperature"),
    fusionWeight: within(input, input.u8(), 1, 255, "fusion weight"),
    sureMarginQ8: within(input, input.u16(), 0, NEVER_Q8, "sure margin"),
    confidenceQ8: Array.from(input.bytes(CONFIDENCE_NODES)),
  };
}

function decodeOffload(input: ByteReader, classes: number): OffloadGate {
  return {
    unsureMarginQ8: Array.from({ length: classes }, () =>
      within(input, input.u16(), 0, MARGIN_TOP_Q8, "unsure margin"),
    ),
    targetShareQ16: input.u16(),
    rateStepQ16: within(input, input.u16(), 0, 1 << 14, "rate step"),
    rateLimitQ8: within(input, input.u16(), 0, MARGIN_TOP_Q8, "rate limit"),
  };
}

function decodeBucket(input: ByteReader): BucketGate {
  const capacityTokens = within(input, input.u16(), 1, 1024, "bucket capacity");
  return {
    capacityTokens,
    // 1024 tokens of 2^20 windows in Q8 are 2^38: a level is kept below 2^31 by their product.
    windowsPerTokenQ8: within(
      input,
      input.u32(),
      256,
      windowsPerTokenMostQ8({ capacityTokens }),
      "windows per token",
    ),
    reserveTokens: within(input, input.u16(), 0, capacityTokens, "reserved tokens"),
  };
}

function decodeBurst(input: ByteReader): BurstGate {
  return {
    windows: input.u16(),
    delayWindows: input.u16(),
    expiryWindows: input.u16(),
    perBout: input.u8(),
    gapWindows: input.u16(),
    diversity: input.u16(),
    boutChange: input.u16(),
  };
}

function encodeNovelty(out: ByteWriter, novelty: NoveltyGate): void {
  out.u8(novelty.exit).u8(novelty.features).u8(novelty.axes);
  for (const entry of novelty.whiteningQ12) out.i16(entry);
  for (const entry of novelty.prototypesQ4) out.i16(entry);
  for (const centre of novelty.centresQ8) out.i16(centre);
  for (const inverse of novelty.inverseSpreadsQ8) out.u16(inverse);
  out.u16(novelty.clipQ8).u16(novelty.slackQ8).u16(novelty.thresholdQ8);
  out.u32(novelty.recoveryWindows).u16(novelty.novelQ8);
}

function decodeNovelty(input: ByteReader, exits: number, classes: number): NoveltyGate {
  const exit = within(input, input.u8(), 0, exits - 1, "novelty exit");
  const features = within(input, input.u8(), 1, GATE_LIMITS.features, "novelty features");
  const axes = within(input, input.u8(), 0, GATE_LIMITS.axes, "novelty axes");
  const inputs = features + axes;
  return {
    exit,
    features,
    axes,
    whiteningQ12: signed16(input, (inputs * (inputs + 1)) / 2),
    prototypesQ4: signed16(input, classes * inputs),
    centresQ8: Array.from({ length: classes }, () => input.i16()),
    inverseSpreadsQ8: Array.from({ length: classes }, () =>
      within(input, input.u16(), 1, 16383, "inverse spread"),
    ),
    clipQ8: within(input, input.u16(), 1, 32767, "clip"),
    slackQ8: within(input, input.u16(), 0, 32767, "slack"),
    thresholdQ8: within(input, input.u16(), 1, 32767, "alarm threshold"),
    recoveryWindows: within(input, input.u32(), 1, 0x7fffffff, "recovery"),
    novelQ8: within(input, input.u16(), 0, 32767, "novel threshold"),
  };
}

function signed16(input: ByteReader, length: number): Int16Array {
  return Int16Array.from({ length }, () => input.i16());
}
