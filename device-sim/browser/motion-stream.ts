/**
 * From readings of a phone's accelerometer, which come when they come, to samples at the rate of a
 * student. Pure.
 *
 * Readings are put on an even grid of some 60 to 120 Hz by cubic interpolation over their own times
 * (Catmull and Rom), which loses under 3 % of what is at 10 Hz where readings come 60 times a second;
 * from there the resampler that students are trained with makes the profile's rate. After a silence,
 * such as a screen that was off, the signal begins afresh and no window spans the two sides.
 *
 * Units are milli-g with gravity. Axes are those of the recordings that the profile `people` is
 * trained on, an iPhone's: x to the right of the screen, y to its top, z out of it, and at rest the
 * axis that points up reads -1000.
 */

import { AXES } from "../../src/signal/recordings.ts";
import { createResampleStream, type ResampleStream } from "../../src/signal/resample-stream.ts";
import { toInt16 } from "../../src/signal/turn.ts";

/** Standard gravity, m/s2, by definition. */
const GRAVITY = 9.80665;

export type Reading = {
  /** On any clock that runs evenly. */
  readonly timeMs: number;
  /** x, y, z in m/s2 with gravity, as the browser gives them. */
  readonly acceleration: readonly [number, number, number];
};

export type MotionRun = {
  /** Counts samples at the profile's rate; jumps where some are missing. */
  readonly startSample: number;
  /** `[time][axis]`, milli-g */
  readonly millig: Int16Array;
  /** When the last of them was, on the readings' clock. */
  readonly endMs: number;
};

/**
 * What the browser's values are multiplied with. By the standard the axis that points up reads +9.8
 * at rest (W3C Device Orientation and Motion, `accelerationIncludingGravity`, whose example lies on its
 * back); browsers of iPhones and iPads hand on what iOS says, which is the opposite.
 */
export function signOf(platform: "apple-mobile" | "other"): 1 | -1 {
  return platform === "apple-mobile" ? 1 : -1;
}

/** Readings further apart are two signals: a quarter of a second is some fifteen readings lost. */
const GAP_MS = 250;
const GRID_HZ_LEAST = 60;

export type MotionStream = {
  take(reading: Reading): MotionRun | undefined;
};

/** @param rateHz the profile's */
export function createMotionStream(rateHz: number, sign: 1 | -1): MotionStream {
  const gridHz = rateHz * Math.ceil(GRID_HZ_LEAST / rateHz);
  const stepMs = 1000 / gridHz;
  let stretch: Stretch | undefined;
  let nextSample = 0;
  return {
    take(reading) {
      if (!reading.acceleration.every(Number.isFinite)) return undefined;
      const last = stretch?.readings.at(-1);
      const sinceMs = last === undefined ? Number.NaN : reading.timeMs - last.timeMs;
      // Twice the same moment, or back in time: nothing new.
      if (sinceMs <= 0 && sinceMs > -GAP_MS) return undefined;
      if (stretch === undefined || Math.abs(sinceMs) > GAP_MS) {
        if (stretch !== undefined) nextSample += Math.max(1, Math.round((sinceMs * rateHz) / 1000));
        stretch = beginStretch(reading, gridHz, rateHz);
        return undefined;
      }
      const grid = advance(stretch, reading, stepMs, sign);
      const resampled = stretch.resampling.take(grid);
      if (resampled.length === 0) return undefined;
      const millig = Int16Array.from(resampled, toInt16);
      const startSample = nextSample;
      nextSample += millig.length / AXES;
      stretch.made += millig.length / AXES;
      const endMs = stretch.startMs + ((stretch.made - 1) * 1000) / rateHz;
      return { startSample, millig, endMs };
    },
  };
}

/** Readings without a silence between them. */
type Stretch = {
  readonly startMs: number;
  /** The last four, oldest first. */
  readings: readonly Reading[];
  /** Grid points so far, and samples made of them. */
  points: number;
  made: number;
  readonly resampling: ResampleStream;
};

function beginStretch(reading: Reading, gridHz: number, rateHz: number): Stretch {
  return {
    startMs: reading.timeMs,
    // As if it had been so before: the first step has nothing behind it.
    readings: [reading, reading],
    points: 0,
    made: 0,
    resampling: createResampleStream(AXES, gridHz, rateHz),
  };
}

/** The points of the grid that one more reading makes known: those between the two before it. */
function advance(stretch: Stretch, reading: Reading, stepMs: number, sign: number): Float32Array {
  stretch.readings = [...stretch.readings, reading].slice(-4);
  const [p0, p1, p2, p3] = stretch.readings;
  if (p0 === undefined || p1 === undefined || p2 === undefined || p3 === undefined) {
    return new Float32Array(0);
  }
  const points: number[] = [];
  for (;;) {
    const atMs = stretch.startMs + stretch.points * stepMs;
    if (atMs >= p2.timeMs) return Float32Array.from(points);
    const along = Math.max(0, (atMs - p1.timeMs) / (p2.timeMs - p1.timeMs));
    for (let axis = 0; axis < AXES; axis++) {
      const [a = 0, b = 0, c = 0, d = 0] = [p0, p1, p2, p3].map((p) => p.acceleration[axis] ?? 0);
      points.push((sign * 1000 * between(a, b, c, d, along)) / GRAVITY);
    }
    stretch.points += 1;
  }
}

/** From `b` to `c`, with the slopes that their neighbours give: Catmull and Rom, 1974. */
function between(a: number, b: number, c: number, d: number, along: number): number {
  const slope = c - a;
  const bend = 2 * a - 5 * b + 4 * c - d;
  const twist = 3 * (b - c) + d - a;
  return b + 0.5 * along * (slope + along * (bend + along * twist));
}
