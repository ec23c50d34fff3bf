/**
 * What goes wrong with a sensor on an animal, as seeded transformations of its samples: the collar
 * turns, samples are lost, an axis sticks, noise rises, the chip samples at another rate, the clock
 * drifts. They work block by block, so that replay and emulator go through the same code, and the
 * result does not depend on how the stream was cut into blocks.
 */

import { assert } from "../assert.ts";
import { normal, type Prng, prng, uniform } from "../prng.ts";
import { AXES, type Recordings, type Segment, segmentSamples } from "./recordings.ts";
import { type Rotation, toInt16, turnSamples } from "./turn.ts";

export type Fault =
  /** From this sample on the sensor reads in a turned frame. */
  | { readonly kind: "turn"; readonly atSample: number; readonly rotation: Rotation }
  /** Gaps that begin by chance, with this mean number an hour and this mean length. */
  | {
      readonly kind: "dropouts";
      readonly perHour: number;
      readonly meanSamples: number;
      readonly rateHz: number;
    }
  /** One axis repeats its last value in `[fromSample, toSample)`. */
  | {
      readonly kind: "stuck-axis";
      readonly axis: 0 | 1 | 2;
      readonly fromSample: number;
      readonly toSample: number;
    }
  /** White noise on every axis, as a standard deviation. */
  | { readonly kind: "noise"; readonly milligDeviation: number; readonly fromSample: number }
  /** The chip samples `factor` times as fast as it says (0.5 to 2), by linear interpolation of what
   * it would have read: 1.02 is a chip two per cent fast. */
  | { readonly kind: "wrong-rate"; readonly factor: number };

/** A contiguous run of samples: a gap lies between one run and the next when `startSample` jumps. */
export type SampleRun = {
  /** Counted in samples that the sensor took, lost ones included. */
  readonly startSample: number;
  /** `[time][axis]`, milli-g */
  readonly samples: Int16Array;
};

export type FaultySensor = {
  /** The next samples of the healthy signal to what arrives of them, oldest first. May be empty. */
  next(samples: Int16Array): readonly SampleRun[];
};

/** Faults act in the order given; dropouts, wherever they stand, act last. */
export function faultySensor(faults: readonly Fault[], seed: number): FaultySensor {
  const steps = faults.filter((fault) => fault.kind !== "dropouts").map(sampleStep(seed));
  const gaps = faults.flatMap((fault, i) =>
    fault.kind === "dropouts" ? [dropoutStep(fault, prng(seed, `dropouts ${i}`))] : [],
  );
  let taken = 0;
  return {
    next(block) {
      let samples = block;
      for (const step of steps) samples = step(samples);
      const lost = new Uint8Array(samples.length / AXES);
      for (const gap of gaps) gap(lost);
      const runs = keptRuns(samples, lost, taken);
      taken += lost.length;
      return runs;
    },
  };
}

/**
 * The same recordings through a faulty sensor on every subject, throughout: its segments one after
 * another in their order are one stream, so that an axis sticks at one value for good. Segments
 * grow or shrink with a wrong rate; dropouts would cut them, and are refused.
 */
export function faultyRecordings(
  recordings: Recordings,
  faults: readonly Fault[],
  seed: number,
): Recordings {
  assert(!faults.some(({ kind }) => kind === "dropouts"), "segments stay whole");
  const sensors = new Map<string, FaultySensor>();
  const pieces: Int16Array[] = [];
  let start = 0;
  const segments = recordings.segments.map((segment, index): Segment => {
    const { subject } = segment;
    const sensor = sensors.get(subject) ?? faultySensor(faults, seed + index);
    sensors.set(subject, sensor);
    const runs = sensor.next(segmentSamples(recordings, segment));
    const before = start;
    for (const { samples } of runs) {
      pieces.push(samples);
      start += samples.length / AXES;
    }
    return { ...segment, start: before, length: start - before };
  });
  const samples = new Int16Array(start * AXES);
  let at = 0;
  for (const piece of pieces) {
    samples.set(piece, at);
    at += piece.length;
  }
  return { ...recordings, segments, samples };
}

/** What a node's clock shows at a true time. Positive drift runs fast. */
export function clockReading(
  trueMs: number,
  clock: { readonly offsetMs: number; readonly driftPartsPerMillion: number },
): number {
  return Math.round(trueMs * (1 + clock.driftPartsPerMillion * 1e-6) + clock.offsetMs);
}

type SampleStep = (samples: Int16Array) => Int16Array;

function sampleStep(seed: number): (fault: Fault, index: number) => SampleStep {
  return (fault, index) => {
    switch (fault.kind) {
      case "turn":
        return turnStep(fault.atSample, fault.rotation);
      case "stuck-axis":
        return stuckStep(fault);
      case "noise":
        return noiseStep(fault.milligDeviation, fault.fromSample, prng(seed, `noise ${index}`));
      case "wrong-rate":
        return rateStep(fault.factor);
      case "dropouts":
        return (samples) => samples;
    }
  };
}

function turnStep(atSample: number, rotation: Rotation): SampleStep {
  let seen = 0;
  return (samples) => {
    const healthy = Math.max(0, Math.min(samples.length / AXES, atSample - seen)) * AXES;
    seen += samples.length / AXES;
    const out = samples.slice();
    out.set(turnSamples(samples.subarray(healthy), rotation), healthy);
    return out;
  };
}

function stuckStep(fault: Extract<Fault, { kind: "stuck-axis" }>): SampleStep {
  let seen = 0;
  let held = 0;
  return (samples) => {
    const out = samples.slice();
    for (let at = fault.axis; at < out.length; at += AXES, seen++) {
      if (seen >= fault.fromSample && seen < fault.toSample) out[at] = held;
      else held = out[at] as number;
    }
    return out;
  };
}

function noiseStep(milligDeviation: number, fromSample: number, random: Prng): SampleStep {
  let seen = 0;
  return (samples) => {
    const out = samples.slice();
    for (let at = 0; at < out.length; at++) {
      if (seen + Math.floor(at / AXES) < fromSample) continue;
      out[at] = toInt16((out[at] as number) + milligDeviation * normal(random));
    }
    seen += samples.length / AXES;
    return out;
  };
}

/** Reads the healthy signal at `i / factor`; keeps the last sample for the seam between blocks. */
function rateStep(factor: number): SampleStep {
  assert(factor >= 0.5 && factor <= 2, "a rate between half and twice the nominal one");
  let before: readonly number[] | null = null;
  /** Samples of the signal before the present block, and samples made so far. */
  let seen = 0;
  let made = 0;
  return (samples) => {
    const count = samples.length / AXES;
    const value = (index: number, axis: number): number =>
      index < seen ? (before?.[axis] ?? 0) : (samples[(index - seen) * AXES + axis] as number);
    const out: number[] = [];
    for (; made / factor <= seen + count - 1; made++) {
      const moment = made / factor;
      const low = Math.floor(moment);
      const part = moment - low;
      for (let axis = 0; axis < AXES; axis++) {
        const here = value(low, axis);
        const next = part === 0 ? here : value(low + 1, axis);
        out.push(toInt16(here + (next - here) * part));
      }
    }
    if (count > 0) before = [...samples.subarray(samples.length - AXES)];
    seen += count;
    return Int16Array.from(out);
  };
}

/** Marks lost samples. Both the wait and the gap are geometric, so the process has no memory. */
function dropoutStep(
  fault: Extract<Fault, { kind: "dropouts" }>,
  random: Prng,
): (lost: Uint8Array) => void {
  const waitSamples = (3600 * fault.rateHz) / fault.perHour;
  let losing = false;
  let left = geometric(random, waitSamples);
  return (lost) => {
    for (let i = 0; i < lost.length; i++) {
      while (left === 0) {
        losing = !losing;
        left = geometric(random, losing ? fault.meanSamples : waitSamples);
      }
      left--;
      if (losing) lost[i] = 1;
    }
  };
}

/** At least 1, with the given mean. */
function geometric(random: Prng, mean: number): number {
  if (!(mean > 1)) return 1;
  if (mean === Number.POSITIVE_INFINITY) return mean;
  return Math.ceil(Math.log(1 - uniform(random)) / Math.log(1 - 1 / mean)) || 1;
}

function keptRuns(samples: Int16Array, lost: Uint8Array, taken: number): readonly SampleRun[] {
  const runs: SampleRun[] = [];
  let start = 0;
  for (let i = 0; i <= lost.length; i++) {
    if (i < lost.length && lost[i] === 0) continue;
    if (i > start) {
      const kept = samples.subarray(start * AXES, i * AXES);
      runs.push({ startSample: taken + start, samples: kept });
    }
    start = i + 1;
  }
  return runs;
}
