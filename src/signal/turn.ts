/**
 * Turning a collar: rotations of the sensor's frame, written `x90`, `z180`, `x90+z45` or
 * `1,1,0:30` (an axis of one's own, then the angle in degrees).
 */

import { assert, EdgeError } from "../assert.ts";
import { AXES, type Recordings } from "./recordings.ts";

/** Row-major 3x3: `turned = matrix * reading`. */
export type Rotation = readonly number[];

export const NO_TURN: Rotation = [1, 0, 0, 0, 1, 0, 0, 0, 1];

const NAMED_AXES: Readonly<Record<string, readonly [number, number, number]>> = {
  x: [1, 0, 0],
  y: [0, 1, 0],
  z: [0, 0, 1],
};

const TURN_PART = /^(?:([xyz])|([-\d.]+),([-\d.]+),([-\d.]+):)(-?\d+(?:\.\d+)?)$/;

/**
 * Parses a turn; parts joined by `+` are done from left to right.
 *
 * @throws EdgeError `bad-turn`
 */
export function parseTurn(text: string): Rotation {
  let rotation = NO_TURN;
  for (const part of text.trim().toLowerCase().split("+")) {
    const match = TURN_PART.exec(part.trim());
    const [, name, ax, ay, az, degrees] = match ?? [];
    const axis = NAMED_AXES[name ?? ""] ?? [Number(ax), Number(ay), Number(az)];
    if (degrees === undefined || !axis.every(Number.isFinite) || Math.hypot(...axis) === 0) {
      throw new EdgeError({
        code: "bad-turn",
        message: `"${text}" is not a turn`,
        where: "turn",
        hint: "Write an axis and degrees, as in x90, z-180, x90+z45 or 1,1,0:30.",
      });
    }
    rotation = multiply(turnAbout(axis, Number(degrees)), rotation);
  }
  return rotation;
}

/** Rodrigues' formula: the rotation about an axis (any length but 0) by an angle in degrees. */
export function turnAbout(
  axis: readonly [number, number, number] | readonly number[],
  degrees: number,
): Rotation {
  const length = Math.hypot(...axis);
  assert(axis.length === AXES && length > 0, "an axis has three parts and a length");
  const [x = 0, y = 0, z = 0] = axis.map((part) => part / length);
  const sin = Math.sin((degrees * Math.PI) / 180);
  const cos = Math.cos((degrees * Math.PI) / 180);
  const rest = 1 - cos;
  return [
    cos + x * x * rest,
    x * y * rest - z * sin,
    x * z * rest + y * sin,
    y * x * rest + z * sin,
    cos + y * y * rest,
    y * z * rest - x * sin,
    z * x * rest - y * sin,
    z * y * rest + x * sin,
    cos + z * z * rest,
  ];
}

/** `second` after `first`. */
export function multiply(second: Rotation, first: Rotation): Rotation {
  return Array.from({ length: 9 }, (_, at) => {
    const row = Math.floor(at / 3) * 3;
    const column = at % 3;
    let sum = 0;
    for (let k = 0; k < 3; k++) sum += (second[row + k] ?? 0) * (first[k * 3 + column] ?? 0);
    return sum;
  });
}

/** The rotation that undoes this one. */
export function inverse(rotation: Rotation): Rotation {
  return Array.from({ length: 9 }, (_, at) => rotation[(at % 3) * 3 + Math.floor(at / 3)] ?? 0);
}

/** Samples `[time][axis]` in milli-g as the turned sensor reads them; int16 saturates. */
export function turnSamples(samples: Int16Array, rotation: Rotation): Int16Array {
  const turned = new Int16Array(samples.length);
  const [a = 1, b = 0, c = 0, d = 0, e = 1, f = 0, g = 0, h = 0, i = 1] = rotation;
  for (let at = 0; at + 2 < samples.length; at += AXES) {
    const x = samples[at] as number;
    const y = samples[at + 1] as number;
    const z = samples[at + 2] as number;
    turned[at] = toInt16(a * x + b * y + c * z);
    turned[at + 1] = toInt16(d * x + e * y + f * z);
    turned[at + 2] = toInt16(g * x + h * y + i * z);
  }
  return turned;
}

/** The same recordings with the collars of some subjects turned throughout; all when left out. */
export function turnRecordings(
  recordings: Recordings,
  rotation: Rotation,
  subjects: readonly string[] = recordings.subjects,
): Recordings {
  const wanted = new Set(subjects);
  const samples = recordings.samples.slice();
  for (const segment of recordings.segments) {
    if (!wanted.has(segment.subject)) continue;
    const from = segment.start * AXES;
    const to = from + segment.length * AXES;
    samples.set(turnSamples(samples.subarray(from, to), rotation), from);
  }
  return { ...recordings, samples };
}

/** Rounded and saturated. */
export function toInt16(value: number): number {
  return Math.max(-0x8000, Math.min(0x7fff, Math.round(value)));
}
