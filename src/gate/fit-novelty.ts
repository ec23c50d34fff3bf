/**
 * Novelty statistics: class prototypes and one covariance, whitened; then the scale of the
 * distance.
 *
 * Prototypes and covariance come from windows that the student was trained on, the centre and the
 * spread of the log distance from windows that it was not: training windows lie closer to their
 * classes than any later window will. One covariance for all classes, with its small eigenvalues
 * kept (only lifted by the floor), since it is the combinations of features that never vary in
 * training which give a turned collar away; a diagonal covariance saw a third of the turns, late.
 */

import { assert } from "../assert.ts";
import { cholesky } from "../signal/small-matrices.ts";
import type { ExitRecords } from "./exit-records.ts";
import { featuresAt } from "./exit-records.ts";
import type { NoveltyGate } from "./gate-parameters.ts";
import { noveltyOf } from "./novelty.ts";
import type { WindowStatistics } from "./window-statistics.ts";

/** Added to every variance, in squared int8 steps: a little over what rounding makes (1/12). */
const VARIANCE_FLOOR = 0.3;
/** Below this many windows a class takes its standardisation from all classes together. */
const ENOUGH_WINDOWS = 20;
/** Least spread of the log distance, in octaves. */
const LEAST_SPREAD = 1 / 16;

/** Windows as novelty sees them. */
export type NoveltySamples = {
  readonly records: ExitRecords;
  /** Raw statistics per window; empty lists where raw means are left out. */
  readonly statistics: readonly WindowStatistics[];
  readonly labels: Uint8Array;
};

export type NoveltyOptions = {
  readonly exit: number;
  /** Raw means to take in, one per axis. */
  readonly axes: number;
  /** Standardised log distances are clipped to this many standard deviations. */
  readonly clip: number;
  /** Windows without an alarm after which a doubled threshold is halved. */
  readonly recoveryWindows: number;
};

/** A novelty gate without an alarm: `fitAlarm` sets slack and threshold. */
export function fitNovelty(
  trained: NoveltySamples,
  held: NoveltySamples,
  options: NoveltyOptions,
): NoveltyGate {
  const { exit, axes, clip } = options;
  assert(trained.records.count > 0, "novelty is fitted on windows");
  const classes = trained.records.classes;
  const rows = Array.from({ length: trained.records.count }, (_, i) => [
    ...featuresAt(trained.records, exit, i),
    ...(trained.statistics[i] ?? []).slice(0, axes),
  ]);
  const means = classMeans(rows, trained.labels, classes);
  const size = means[0]?.length ?? 0;
  const covariance = pooledCovariance(rows, trained.labels, means);
  const whitening = inverseLower(cholesky(covariance, size), size);
  const prototypes = means.flatMap((mean) => whitening.map((row) => product(row, mean)));
  const raw: NoveltyGate = {
    exit,
    features: trained.records.exits[exit]?.featureCount ?? 0,
    axes,
    // The floor bounds every entry by 1 / sqrt(VARIANCE_FLOOR), which is under 2.
    whiteningQ12: Int16Array.from(whitening.flat(), (entry) => Math.round(entry * 4096)),
    prototypesQ4: Int16Array.from(prototypes, (entry) =>
      Math.max(-32768, Math.min(32767, Math.round(entry * 16))),
    ),
    centresQ8: Array.from({ length: classes }, () => 0),
    inverseSpreadsQ8: Array.from({ length: classes }, () => 256),
    clipQ8: Math.round(clip * 256),
    slackQ8: 256,
    thresholdQ8: 32767,
    recoveryWindows: options.recoveryWindows,
    novelQ8: 32767,
  };
  return standardise(raw, held);
}

/** Mean per class; a class without windows has the mean of all. */
function classMeans(
  rows: readonly (readonly number[])[],
  labels: Uint8Array,
  classes: number,
): number[][] {
  const meanOf = (chosen: readonly (readonly number[])[]): number[] =>
    (rows[0] ?? []).map(
      (_, f) => chosen.reduce((sum, row) => sum + (row[f] as number), 0) / chosen.length,
    );
  return Array.from({ length: classes }, (_, c) => {
    const own = rows.filter((_, i) => labels[i] === c);
    return meanOf(own.length > 0 ? own : rows);
  });
}

/** Covariance within classes `[size][size]`, with the floor on its diagonal. */
function pooledCovariance(
  rows: readonly (readonly number[])[],
  labels: Uint8Array,
  means: readonly (readonly number[])[],
): Float64Array {
  const size = means[0]?.length ?? 0;
  const sums = new Float64Array(size * size);
  rows.forEach((row, i) => {
    const mean = means[labels[i] as number] as readonly number[];
    const away = row.map((value, f) => value - (mean[f] as number));
    for (let a = 0; a < size; a++) {
      for (let b = 0; b < size; b++) {
        const cell = a * size + b;
        sums[cell] = (sums[cell] as number) + (away[a] as number) * (away[b] as number);
      }
    }
  });
  return sums.map(
    (sum, cell) =>
      sum / Math.max(1, rows.length) +
      (cell % size === Math.floor(cell / size) ? VARIANCE_FLOOR : 0),
  );
}

/** The inverse of a lower triangle `[size][size]`, as rows of growing length. */
function inverseLower(lower: Float64Array, size: number): number[][] {
  const inverse: number[][] = [];
  for (let i = 0; i < size; i++) {
    const diagonal = lower[i * size + i] as number;
    const row: number[] = [];
    for (let j = 0; j < i; j++) {
      let sum = 0;
      for (let k = j; k < i; k++) {
        sum += (lower[i * size + k] as number) * ((inverse[k] as number[])[j] as number);
      }
      row.push(-sum / diagonal);
    }
    row.push(1 / diagonal);
    inverse.push(row);
  }
  return inverse;
}

function product(row: readonly number[], vector: readonly number[]): number {
  return row.reduce((sum, entry, i) => sum + entry * (vector[i] as number), 0);
}

/** Centre and spread of the log distance over unshifted windows, by nearest class. Mean and
 * standard deviation: the long tail of calm recordings shall widen what counts as usual. */
function standardise(gate: NoveltyGate, held: NoveltySamples): NoveltyGate {
  const byClass: number[][] = gate.centresQ8.map(() => []);
  const all: number[] = [];
  for (let i = 0; i < held.records.count; i++) {
    const features = featuresAt(held.records, gate.exit, i);
    const novelty = noveltyOf(gate, features, held.statistics[i] ?? []);
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

function centreAndSpread(values: readonly number[]): { centre: number; spread: number } {
  const count = Math.max(1, values.length);
  const centre = values.reduce((sum, value) => sum + value, 0) / count;
  const variance = values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / count;
  return { centre, spread: Math.max(256 * LEAST_SPREAD, Math.sqrt(variance)) };
}
