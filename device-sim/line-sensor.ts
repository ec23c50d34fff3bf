/**
 * From a device's samples, which come at its own rate, to runs of samples at the rate of a student.
 * Pure.
 *
 * They are resampled as recordings are before training. Where samples are missing, or the device's
 * clock went back because it was started again, the signal begins afresh, and no window spans the two
 * sides.
 */

import { MissingSamples } from "../recordings/missing-samples.ts";
import { rateOfSteps } from "../recordings/csv-time.ts";
import { EdgeError } from "../src/assert.ts";
import type { SampleRun } from "../src/signal/faults.ts";
import { AXES } from "../src/signal/recordings.ts";
import { createResampleStream, type ResampleStream } from "../src/signal/resample-stream.ts";
import { toInt16 } from "../src/signal/turn.ts";
import type { LineSample } from "./sample-lines.ts";

export type LineSensorOptions = {
  /** Samples a second of the device. */
  readonly fromHz: number;
  /** Of the student. */
  readonly rateHz: number;
  readonly milligPerUnit: number;
  /** Names the source in errors. */
  readonly where: string;
};

export type LineSensor = {
  /** Throws `EdgeError` `recording-rate` where the times tell another rate, `recording-unit` where
   * the values tell other units. */
  take(samples: readonly LineSample[]): SampleRun[];
  /** How often samples were missing so far. */
  readonly gaps: number;
};

/** So much of a gap is counted at most: no window spans it however long it is, and the count of samples
 * must stay exact. */
const GAP_MS_MAX = 24 * 3600 * 1000;
/** After so many steps rate and units are looked at, once. */
const RATE_STEPS = 200;
const RATE_TOLERANCE = 0.05;
/** Gravity is in every sample and units are a factor of 9.8 and more apart: this far about 1 g somebody
 * who runs stays, and other units do not. */
const LEAST_MEDIAN_MILLIG = 320;
const MOST_MEDIAN_MILLIG = 3_200;

export function createLineSensor(options: LineSensorOptions): LineSensor {
  const { fromHz, rateHz, milligPerUnit, where } = options;
  const missing = new MissingSamples(fromHz);
  const steps: number[] = [];
  const magnitudes: number[] = [];
  let stream: ResampleStream | undefined;
  let lastMs = Number.NaN;
  let startSample = 0;
  let gaps = 0;
  let rows: number[] = [];
  const runs: SampleRun[] = [];

  const flush = (): void => {
    if (rows.length === 0 || stream === undefined) return;
    const samples = Int16Array.from(stream.take(Float32Array.from(rows)), toInt16);
    rows = [];
    if (samples.length === 0) return;
    runs.push({ startSample, samples });
    startSample += samples.length / AXES;
  };
  const begin = (timeMs: number, lostMs: number): void => {
    flush();
    if (stream !== undefined) {
      gaps += 1;
      startSample += Math.max(1, Math.round((Math.min(lostMs, GAP_MS_MAX) * rateHz) / 1000));
    }
    stream = createResampleStream(AXES, fromHz, rateHz);
    missing.begin(timeMs / 1000);
  };
  return {
    take(samples) {
      for (const { timeMs, acceleration } of samples) {
        const stepMs = timeMs - lastMs;
        lastMs = timeMs;
        if (stream === undefined || stepMs < 0) begin(timeMs, 0);
        else {
          if (steps.length < RATE_STEPS) {
            magnitudes.push(milligPerUnit * Math.hypot(...acceleration));
            if (steps.push(stepMs / 1000) === RATE_STEPS) {
              checkRate(steps, fromHz, where);
              checkUnits(magnitudes, where);
            }
          }
          if (missing.before(timeMs / 1000)) begin(timeMs, stepMs);
        }
        for (const value of acceleration) rows.push(value * milligPerUnit);
      }
      flush();
      return runs.splice(0);
    },
    get gaps() {
      return gaps;
    },
  };
}

function checkRate(steps: readonly number[], fromHz: number, where: string): void {
  const measuredHz = rateOfSteps(steps);
  if (measuredHz !== null && Math.abs(measuredHz / fromHz - 1) <= RATE_TOLERANCE) return;
  const told = measuredHz === null ? "no rate" : `${measuredHz.toPrecision(4)} Hz`;
  throw new EdgeError({
    code: "recording-rate",
    message: `its times tell ${told}, not ${fromHz} Hz`,
    where,
    hint: "Give its samples a second with --rate, and t in milliseconds.",
  });
}

/** A sensor that says nothing but zeros is broken and no matter of units: the gateway tells of it. */
function checkUnits(magnitudesMillig: readonly number[], where: string): void {
  const sorted = [...magnitudesMillig].sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] as number;
  if (median === 0 || (median >= LEAST_MEDIAN_MILLIG && median <= MOST_MEDIAN_MILLIG)) return;
  throw new EdgeError({
    code: "recording-unit",
    message: `its median acceleration is ${(median / 1000).toPrecision(3)} g, where gravity alone makes about 1 g`,
    where,
    hint: "Say what x, y and z are in with --units: mg, g or m/s2, with gravity.",
  });
}
