/**
 * Novelty statistics: per-class Gaussians from training windows, their scale from other windows.
 *
 * Means and variances come from windows that the student was trained on, the centre and the spread of
 * the log distance from windows that it was not: features of training windows lie closer to their
 * classes than any later window will.
 */

import type { ExitRecords } from "./exit-records.ts";
import { featuresAt } from "./exit-records.ts";
import type { NoveltyGate } from "./gate-parameters.ts";
import { noveltyOf } from "./novelty.ts";

/** Windows of the pooled variance that every class is given on top of its own. */
const SHRINK_WINDOWS = 20;
/** No feature is trusted to vary less than this, in squared int8 steps: rounding alone is 1/12, and
 * a feature that never woke in training may wake by a step for no reason. */
const VARIANCE_FLOOR = 1;
/** Nor less than this share of the median feature. */
const VARIANCE_FLOOR_SHARE = 0.05;
/** Below this many windows a class takes its standardisation from all classes together. */
const ENOUGH_WINDOWS = 20;

/** How a gate's novelty is made; what `calibrateGate` fills in later is the alarm threshold. */
export function fitNovelty(
  fit: { readonly records: ExitRecords; readonly labels: Uint8Array },
  calibration: ExitRecords,
  exit: number,
  clip: number,
): NoveltyGate {
  const { means, variances, features } = classGaussians(fit.records, fit.labels, exit);
  const raw: NoveltyGate = {
    exit,
    features,
    meansQ2: Int16Array.from(means, (mean) => Math.round(mean * 4)),
    precisionsQ12: Uint16Array.from(variances, (variance) =>
      Math.max(1, Math.min(16383, Math.round(4096 / variance))),
    ),
    centresQ8: Array.from({ length: fit.records.classes }, () => 0),
    inverseSpreadsQ8: Array.from({ length: fit.records.classes }, () => 256),
    clipQ8: Math.round(clip * 256),
    slackQ8: 256,
    thresholdQ8: 32767,
    novelQ8: 32767,
  };
  return standardise(raw, calibration);
}

/** Per class and feature `[class][feature]`: mean and shrunk, floored variance, in int8 steps. */
function classGaussians(
  records: ExitRecords,
  labels: Uint8Array,
  exit: number,
): { means: Float64Array; variances: Float64Array; features: number } {
  const features = records.exits[exit]?.featureCount ?? 0;
  const cells = records.classes * features;
  const means = new Float64Array(cells);
  const squares = new Float64Array(cells);
  const counts = new Float64Array(records.classes);
  for (let i = 0; i < records.count; i++) {
    const label = labels[i] as number;
    counts[label] = (counts[label] as number) + 1;
    featuresAt(records, exit, i).forEach((value, f) => {
      const cell = label * features + f;
      means[cell] = (means[cell] as number) + value;
      squares[cell] = (squares[cell] as number) + value * value;
    });
  }
  const pooled = new Float64Array(features);
  for (let cell = 0; cell < cells; cell++) {
    const count = Math.max(1, counts[Math.floor(cell / features)] as number);
    means[cell] = (means[cell] as number) / count;
    squares[cell] = Math.max(0, (squares[cell] as number) - count * (means[cell] as number) ** 2);
    pooled[cell % features] = (pooled[cell % features] as number) + (squares[cell] as number);
  }
  for (let f = 0; f < features; f++) pooled[f] = (pooled[f] as number) / Math.max(1, records.count);
  const median = [...pooled].sort((a, b) => a - b)[features >> 1] ?? 0;
  const floor = Math.max(VARIANCE_FLOOR, VARIANCE_FLOOR_SHARE * median);
  const variances = squares.map((sum, cell) => {
    const count = counts[Math.floor(cell / features)] as number;
    const shrunk = sum + SHRINK_WINDOWS * (pooled[cell % features] as number);
    return Math.max(floor, shrunk / (count + SHRINK_WINDOWS));
  });
  return { means, variances, features };
}

/** Centre and spread of the log distance over unshifted windows, by nearest class. Median and
 * interquartile range: a few odd windows of calibration must not widen what counts as usual. */
function standardise(gate: NoveltyGate, calibration: ExitRecords): NoveltyGate {
  const byClass: number[][] = gate.centresQ8.map(() => []);
  const all: number[] = [];
  for (let i = 0; i < calibration.count; i++) {
    const novelty = noveltyOf(gate, featuresAt(calibration, gate.exit, i));
    byClass[novelty.nearestClass]?.push(novelty.logDistanceQ8);
    all.push(novelty.logDistanceQ8);
  }
  const fitted = byClass.map((values) =>
    centreAndSpread(values.length < ENOUGH_WINDOWS ? all : values),
  );
  return {
    ...gate,
    centresQ8: fitted.map(({ centre }) => Math.round(centre)),
    inverseSpreadsQ8: fitted.map(({ spread }) =>
      Math.max(1, Math.min(16383, Math.round(65536 / spread))),
    ),
  };
}

/** Median, and the interquartile range as a standard deviation (of a normal: IQR / 1.349), not less
 * than a sixteenth of an octave, in Q8. */
function centreAndSpread(values: readonly number[]): { centre: number; spread: number } {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
  return { centre: at(0.5), spread: Math.max(16, (at(0.75) - at(0.25)) / 1.349) };
}
