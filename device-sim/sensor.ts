/**
 * What a node's sensor gives, and what was true meanwhile.
 *
 * A source (`replay-sensor.ts`, `emulator-sensor.ts`) yields a healthy signal with the behaviour of
 * each sample; `faultySource` breaks it as `src/signal/faults.ts` says. The truth never goes to the
 * node: whoever measures asks for it by the sensor's own count of samples.
 */

import { type Fault, faultySensor, type SampleRun } from "../src/signal/faults.ts";
import { AXES } from "../src/signal/recordings.ts";

/** Class index of samples whose behaviour nobody knows. */
export const UNKNOWN_CLASS = 255;

export type SourcePiece = {
  /** The signal jumps between the piece before and this one. */
  readonly seam: boolean;
  /** `[time][axis]`, milli-g */
  readonly samples: Int16Array;
  /** Class index per sample, or `UNKNOWN_CLASS`. */
  readonly classes: Uint8Array;
};

export type SensorSource = {
  readonly rateHz: number;
  /** The next samples, exactly so many over all pieces. */
  next(count: number): readonly SourcePiece[];
};

export type Sensor = {
  readonly rateHz: number;
  /** The next samples of the signal to what arrives of them. May be empty. */
  next(count: number): readonly SampleRun[];
  /** Behaviour of the samples `[start, end)` in the sensor's count: a class if most of them show
   * it, undefined where it is not known or lies too far back. */
  truth(start: number, end: number): number | undefined;
};

/** How far back the truth is known: eight of the longest windows. */
const TRUTH_SAMPLES = 8192;
/** No piece that yields a window is shorter. */
const LEAST_PIECE_SAMPLES = 16;

/** A sensor over a source; a seam between two pieces counts as one lost sample. */
export function sensorOver(source: SensorSource, faults: readonly Fault[], seed: number): Sensor {
  const faulty = faultySensor(faults, seed);
  const factor = faults.reduce(
    (product, fault) => (fault.kind === "wrong-rate" ? product * fault.factor : product),
    1,
  );
  const truth = new Uint8Array(TRUTH_SAMPLES).fill(UNKNOWN_CLASS);
  /** Samples of the healthy signal so far. */
  let taken = 0;
  /** Seams so far, and where the last ones were in the sensor's count. */
  let seams = 0;
  const seamCounts: number[] = [];
  let counted = 0;
  return {
    rateHz: source.rateHz,
    next(count) {
      const runs: SampleRun[] = [];
      for (const piece of source.next(count)) {
        if (piece.seam && taken > 0) {
          seams += 1;
          seamCounts.push(counted);
          if (seamCounts.length * LEAST_PIECE_SAMPLES > TRUTH_SAMPLES) seamCounts.shift();
          counted += 1;
        }
        for (const label of piece.classes) {
          truth[taken % TRUTH_SAMPLES] = label;
          taken += 1;
        }
        for (const run of faulty.next(piece.samples)) {
          const startSample = run.startSample + seams;
          runs.push({ startSample, samples: run.samples });
          counted = Math.max(counted, startSample + run.samples.length / AXES);
        }
      }
      return runs;
    },
    truth(start, end) {
      const later = seamCounts.filter((seam) => seam >= end).length;
      const before = seams - later;
      const from = Math.max(0, Math.floor((start - before) / factor));
      const to = Math.min(taken, Math.ceil((end - before) / factor));
      if (taken - from > TRUTH_SAMPLES || to <= from) return undefined;
      return majority(truth, from, to);
    },
  };
}

function majority(truth: Uint8Array, from: number, to: number): number | undefined {
  const counts = new Map<number, number>();
  for (let i = from; i < to; i++) {
    const class_ = truth[i % TRUTH_SAMPLES] as number;
    counts.set(class_, (counts.get(class_) ?? 0) + 1);
  }
  for (const [class_, count] of counts) {
    if (class_ !== UNKNOWN_CLASS && count * 2 > to - from) return class_;
  }
  return undefined;
}
