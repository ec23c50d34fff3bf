/**
 * Operating points: the same gate at other shares of offloads, carried in one release.
 *
 * A gateway moves a node by the share that it wants of it: when its battery is low, or when its
 * animal matters today. What changes with the share is few numbers; tables, temperatures and memory
 * do not. The share is what a node keeps, not a number of a point, so that it means the same in the
 * next model.
 *
 * The `points` section of a model container, little-endian, one encoding only:
 *
 * ```
 *  points u8, 1 to 16 | exits u8
 *  per point, least share first, no share twice
 *                targetShareQ16 u16 | overTeacherCentipoints i16 | unsureMarginQ8 u16
 *                | windowsPerTokenQ8 u32 | sureMarginQ8 exits x u16
 * ```
 */

import { assert } from "../assert.ts";
import { ByteReader, ByteWriter } from "../bytes.ts";
import {
  type BucketGate,
  GATE_LIMITS,
  type GateParameters,
  MARGIN_TOP_Q8,
  NEVER_Q8,
  type OperatingPoint,
} from "./gate-parameters.ts";
import { within } from "./gate-range.ts";

/** A level of tokens in windows, Q8, is kept below this. */
const LEVEL_LIMIT_Q8 = 0x3fff_ffff;

/**
 * The number of the point at which a node offloads what is wanted of it: the one with the largest
 * share that is not above, or the first where all are. 0 is the gate as it was released: where
 * nothing is wanted, and where there are no points.
 */
export function pointAt(points: readonly OperatingPoint[], shareQ16: number): number {
  if (shareQ16 === 0 || points.length === 0) return 0;
  return Math.max(1, points.filter((point) => point.targetShareQ16 <= shareQ16).length);
}

/** The point at which a node is; undefined for the gate as it was released. */
export function pointOf(
  { operatingPoints }: GateParameters,
  { operatingShareQ16 }: { readonly operatingShareQ16: number },
): OperatingPoint | undefined {
  return operatingPoints[pointAt(operatingPoints, operatingShareQ16) - 1];
}

/** A full bucket at this point, in windows, Q8. */
export function fullBucketQ8(
  { bucket }: GateParameters,
  point: OperatingPoint | undefined,
): number {
  return bucket.capacityTokens * (point ?? bucket).windowsPerTokenQ8;
}

/** The most windows for one token that a bucket of this capacity can have, Q8. */
export function windowsPerTokenMostQ8({ capacityTokens }: Pick<BucketGate, "capacityTokens">) {
  return Math.trunc(LEVEL_LIMIT_Q8 / capacityTokens);
}

/** The section, or nothing for a gate without points. */
export function encodePoints(gate: GateParameters): Uint8Array | undefined {
  const { operatingPoints, exits } = gate;
  if (operatingPoints.length === 0) return undefined;
  const out = new ByteWriter().u8(operatingPoints.length).u8(exits.length);
  for (const point of operatingPoints) {
    assert(point.sureMarginsQ8.length === exits.length, "a margin for each exit");
    out.u16(point.targetShareQ16).i16(point.overTeacherCentipoints).u16(point.unsureMarginQ8);
    out.u32(point.windowsPerTokenQ8);
    for (const margin of point.sureMarginsQ8) out.u16(margin);
  }
  return out.finish();
}

/** Throws `EdgeError` on anything that `encodePoints` would not have written. Whether the points are
 * of a gate is for `gateOf` to say. */
export function decodePoints(bytes: Uint8Array): readonly OperatingPoint[] {
  const input = new ByteReader(bytes, "operating points");
  const count = within(input, input.u8(), 1, GATE_LIMITS.operatingPoints, "points");
  const exits = within(input, input.u8(), 1, GATE_LIMITS.exits, "exits");
  let least = 1;
  const points = Array.from({ length: count }, () => {
    const targetShareQ16 = within(input, input.u16(), least, 65535, "target share");
    least = targetShareQ16 + 1;
    return {
      targetShareQ16,
      overTeacherCentipoints: input.i16(),
      unsureMarginQ8: within(input, input.u16(), 0, MARGIN_TOP_Q8, "unsure margin"),
      windowsPerTokenQ8: within(input, input.u32(), 256, LEVEL_LIMIT_Q8, "windows per token"),
      sureMarginsQ8: Array.from({ length: exits }, () =>
        within(input, input.u16(), 0, NEVER_Q8, "sure margin"),
      ),
    };
  });
  input.done();
  return points;
}
