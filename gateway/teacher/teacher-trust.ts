/**
 * Whether the teacher knows this kind of signal. Nothing is learned from answers that it guessed.
 *
 * A collar that turns about an axis which no training covered makes the teacher as wrong as the
 * student, and both may agree with each other. So the gateway looks at where a window falls in the
 * teacher's own pooled features: per class a Gaussian with one shared covariance, fitted on the
 * anchor set in all the views that the teacher was trained on; the squared Mahalanobis distance to
 * the nearest class is the novelty (Lee et al., arXiv 1807.03888). Its 99th percentile on held-out
 * anchor windows is the border. A network may also map what it never saw onto what it knows, so the
 * same is asked of the window's raw statistics, and it must be known in both. One window beyond a
 * border is not trusted; a node most of whose windows lie beyond it is not trusted as a whole, for
 * then the rest are known by accident.
 */

import { assert } from "../../src/assert.ts";
import { prng } from "../../src/prng.ts";
import { type Augmentation, augmentedSteps } from "../../src/signal/augment.ts";
import { type WindowSet, windowAt } from "../../src/signal/window-set.ts";
import type { AnchorSet } from "../distil/anchor.ts";
import type { Teacher, TeacherTrust } from "./teacher.ts";

/** One space in which novelty is measured: class means and one covariance, whitened. */
type TrustPart = {
  /** Which columns of a row of features it reads. */
  readonly start: number;
  readonly width: number;
  /** The covariance's Cholesky factor, row-major. */
  readonly factor: Float64Array;
  /** `[class][feature]`, already whitened. */
  readonly means: readonly Float64Array[];
  /** Squared distance above which a window is not of a known kind. */
  readonly border: number;
};

export type TrustModel = {
  /** The teacher's features and the raw statistics behind them: what `withStatistics` gives. */
  readonly width: number;
  readonly parts: readonly TrustPart[];
};

/** Anchor views that the covariance is estimated from, about. */
const VIEWS_WANTED = 4000;
const VIEWS_MOST = 4;
const KNOWN_SHARE = 0.99;
/** Share of the mean variance that is added on the diagonal: 64 features, some of them always 0. */
const SHRINKAGE = 0.05;
const BATCH_WINDOWS = 64;
/** Mean and spread. */
const STATISTICS_PER_CHANNEL = 2;

/** The teacher with the raw statistics of each window appended to its features, or alone where it
 * gives none. The gateway is to be given this one, since trust reads these rows. */
export function withStatistics(teacher: Teacher): Teacher {
  return {
    ...teacher,
    predict: async (windows, count, step) => {
      const answer = await teacher.predict(windows, count, step);
      const statistics = rawStatistics(windows, count, teacher.channels, step);
      return { ...answer, features: besideEachOther(answer.features, statistics, count) };
    },
  };
}

/**
 * Fits the novelty test on the anchor set. `augmentation` is what the teacher was trained with:
 * without turned copies a turned collar is news to it, with them it is not.
 */
export async function fitTeacherTrust(
  teacher: Teacher,
  anchor: AnchorSet,
  augmentation: Augmentation,
  seed: number,
): Promise<TrustModel> {
  const known = withStatistics(teacher);
  // A training that tilts by 20 degrees in the standard deviation knows tilts of 10 well and has met
  // those of 40: novelty begins long before the rarest view.
  const { tiltDegrees, scale } = augmentation;
  const views = { ...augmentation, tiltDegrees: tiltDegrees / 2, scale: scale / 2 };
  const replay = await viewFeatures(known, anchor, anchor.replay, views, seed);
  const heldOut = await viewFeatures(known, anchor, anchor.heldOut, views, seed + 1);
  const width = replay.features.length / replay.labels.length;
  const statistics = STATISTICS_PER_CHANNEL * teacher.channels;
  const spans = [
    { start: 0, width: width - statistics },
    { start: width - statistics, width: statistics },
  ].filter((span) => span.width > 0);
  const parts = spans.map((span) => {
    const part = fitGaussians(replay.features, width, replay.labels, span, anchor.classes.length);
    const distances = Array.from(heldOut.labels, (_, i) =>
      squaredDistance(part, heldOut.features, i * width),
    ).sort((a, b) => a - b);
    return { ...part, border: Number(distances[Math.floor(KNOWN_SHARE * (distances.length - 1))]) };
  });
  return { width, parts };
}

/** The test of one window, for the gateway's verdicts. */
export function trustOf(model: TrustModel): TeacherTrust {
  return (_probabilities, features) => features !== null && noveltyOf(model, features) <= 1;
}

/** How far a row of features is from the nearest class, as a multiple of the border: the larger of
 * the teacher's features and the raw statistics. Infinite for what is not a number. */
export function noveltyOf(model: TrustModel, features: Float32Array, offset = 0): number {
  const novelties = model.parts.map(
    (part) => squaredDistance(part, features, offset) / part.border,
  );
  return Math.max(...novelties);
}

export type TrustRule = {
  /** A node with a larger share of windows that are not trusted is not trusted as a whole. */
  readonly nodeShareMost: number;
  /** The same over all nodes: then nothing is distilled. */
  readonly herdShareMost: number;
  /** Windows of a node before its share means anything. */
  readonly windowsLeast: number;
};

/**
 * From five teachers of two cattle each, asked about three others. Diverse windows of collars that
 * are turned as in training: 19 to 26 % beyond a border, about half for the one animal that it knows
 * badly. Turned so that it fails: 59 to 64 % (x by 45 degrees), 74 to 81 % (x by -90), 98 to 100 %
 * (x and y by 90 and 180). Between them (x by 20, y by 45: 38 to 43 %) it is right on nine in ten.
 */
export const DEFAULT_TRUST_RULE: TrustRule = {
  nodeShareMost: 0.65,
  herdShareMost: 0.4,
  windowsLeast: 8,
};

export type TrustVerdict = {
  /** False: nothing may be distilled from these windows. */
  readonly trusted: boolean;
  /** Share of windows that are not trusted, all nodes together, 0..1. */
  readonly unknownShare: number;
  /** Nodes whose windows are left out. */
  readonly unknownNodes: readonly string[];
};

/** Decides over the answers that a distillation would learn from. */
export function judgeTrust(
  answers: readonly { readonly node: string; readonly trusted: boolean }[],
  rule: TrustRule = DEFAULT_TRUST_RULE,
): TrustVerdict {
  const tally = new Map<string, { windows: number; unknown: number }>();
  for (const { node, trusted } of answers) {
    const { windows, unknown } = tally.get(node) ?? { windows: 0, unknown: 0 };
    tally.set(node, { windows: windows + 1, unknown: unknown + (trusted ? 0 : 1) });
  }
  const unknown = answers.filter((answer) => !answer.trusted).length;
  const unknownShare = answers.length === 0 ? 0 : unknown / answers.length;
  const unknownNodes = [...tally]
    .filter(
      ([, node]) =>
        node.windows >= rule.windowsLeast && node.unknown > rule.nodeShareMost * node.windows,
    )
    .map(([name]) => name);
  return {
    trusted: answers.length < rule.windowsLeast || unknownShare <= rule.herdShareMost,
    unknownShare,
    unknownNodes,
  };
}

/** Features of augmented views of every window; the first view of each is the window as it is. */
async function viewFeatures(
  teacher: Teacher,
  anchor: AnchorSet,
  set: WindowSet,
  augmentation: Augmentation,
  seed: number,
): Promise<{ features: Float32Array; labels: Uint8Array }> {
  assert(set.count > 0, "an anchor set has windows in both parts");
  const views = Math.min(VIEWS_MOST, Math.max(1, Math.ceil(VIEWS_WANTED / set.count)));
  const length = set.windowSamples * set.channels;
  const step = anchor.inputMilligPerStep;
  const random = prng(seed, "teacher-trust");
  const shape = { channels: set.channels, milliGPerStep: step };
  const rows = set.count * views;
  let features = new Float32Array();
  for (let from = 0; from < rows; from += BATCH_WINDOWS) {
    const count = Math.min(BATCH_WINDOWS, rows - from);
    // A buffer of its own for each batch: what goes to a thread goes with all of its buffer.
    const batch = new Int8Array(count * length);
    for (let i = 0; i < count; i++) {
      const window = windowAt(set, Math.floor((from + i) / views));
      const isAsItIs = (from + i) % views === 0;
      batch.set(
        isAsItIs ? window : augmentedSteps(window, shape, augmentation, random),
        i * length,
      );
    }
    const { features: row } = await teacher.predict(batch, count, step);
    assert(row !== null, "withStatistics gives features");
    const width = row.length / count;
    if (from === 0) features = new Float32Array(rows * width);
    features.set(row, from * width);
  }
  const labels = Uint8Array.from({ length: rows }, (_, row) =>
    Number(set.labels[Math.floor(row / views)]),
  );
  return { features, labels };
}

/** Gaussians over the columns of `span`; `stride` is the length of a row. */
function fitGaussians(
  features: Float32Array,
  stride: number,
  labels: Uint8Array,
  span: { readonly start: number; readonly width: number },
  classes: number,
): Omit<TrustPart, "border"> {
  const { start, width } = span;
  const means = Array.from({ length: classes }, () => new Float64Array(width));
  const counts = new Float64Array(classes);
  const at = (row: number, column: number): number =>
    Number(features[row * stride + start + column]);
  labels.forEach((label, row) => {
    counts[label] = Number(counts[label]) + 1;
    const mean = means[label] as Float64Array;
    for (let k = 0; k < width; k++) mean[k] = Number(mean[k]) + at(row, k);
  });
  means.forEach((mean, c) => {
    for (let k = 0; k < width; k++) mean[k] = Number(mean[k]) / Math.max(1, Number(counts[c]));
  });
  const covariance = new Float64Array(width * width);
  const centred = new Float64Array(width);
  labels.forEach((label, row) => {
    const mean = means[label] as Float64Array;
    for (let k = 0; k < width; k++) centred[k] = at(row, k) - Number(mean[k]);
    for (let a = 0; a < width; a++) {
      const scaled = Number(centred[a]) / labels.length;
      for (let b = 0; b <= a; b++) {
        covariance[a * width + b] = Number(covariance[a * width + b]) + scaled * Number(centred[b]);
      }
    }
  });
  const factor = cholesky(shrunk(covariance, width), width);
  const present = means.filter((_, c) => Number(counts[c]) > 0);
  return { start, width, factor, means: present.map((mean) => whitened(factor, width, mean, 0)) };
}

/** Pulled towards a multiple of the identity, so that it can be inverted. */
function shrunk(covariance: Float64Array, width: number): Float64Array {
  let trace = 0;
  for (let k = 0; k < width; k++) trace += Number(covariance[k * width + k]);
  const added = (SHRINKAGE * trace) / width + 1e-9;
  return covariance.map(
    (value, i) => (1 - SHRINKAGE) * value + (i % (width + 1) === 0 ? added : 0),
  );
}

/** Lower triangle of the factor; reads the lower triangle only. */
function cholesky(matrix: Float64Array, width: number): Float64Array {
  const factor = new Float64Array(width * width);
  for (let a = 0; a < width; a++) {
    for (let b = 0; b <= a; b++) {
      let sum = Number(matrix[a * width + b]);
      for (let k = 0; k < b; k++)
        sum -= Number(factor[a * width + k]) * Number(factor[b * width + k]);
      factor[a * width + b] = a === b ? Math.sqrt(sum) : sum / Number(factor[b * width + b]);
    }
  }
  return factor;
}

/** Solves `factor * y = row` by substitution: distances of y are Mahalanobis distances. */
function whitened(
  factor: Float64Array,
  width: number,
  row: Float32Array | Float64Array,
  offset: number,
): Float64Array {
  const y = new Float64Array(width);
  for (let a = 0; a < width; a++) {
    let sum = Number(row[offset + a]);
    for (let k = 0; k < a; k++) sum -= Number(factor[a * width + k]) * Number(y[k]);
    y[a] = sum / Number(factor[a * width + a]);
  }
  return y;
}

function squaredDistance(
  part: Omit<TrustPart, "border">,
  features: Float32Array,
  offset: number,
): number {
  const y = whitened(part.factor, part.width, features, offset + part.start);
  let nearest = Number.POSITIVE_INFINITY;
  for (const mean of part.means) {
    let sum = 0;
    for (let k = 0; k < part.width; k++) sum += (Number(y[k]) - Number(mean[k])) ** 2;
    nearest = Math.min(nearest, sum);
  }
  // Not a number means not known.
  return Number.isNaN(nearest) ? Number.POSITIVE_INFINITY : nearest;
}

/** Row by row, the second behind the first. */
function besideEachOther(
  first: Float32Array | null,
  second: Float32Array,
  count: number,
): Float32Array {
  if (first === null || count === 0) return second;
  const [a, b] = [first.length / count, second.length / count];
  const rows = new Float32Array(first.length + second.length);
  for (let row = 0; row < count; row++) {
    rows.set(first.subarray(row * a, (row + 1) * a), row * (a + b));
    rows.set(second.subarray(row * b, (row + 1) * b), row * (a + b) + a);
  }
  return rows;
}

/** `[window][channel][mean in g, log of the spread]`. */
function rawStatistics(
  windows: Int8Array,
  count: number,
  channels: number,
  milligPerStep: number,
): Float32Array {
  const time = windows.length / count / channels;
  const rows = new Float32Array(count * channels * STATISTICS_PER_CHANNEL);
  for (let w = 0; w < count; w++) {
    for (let c = 0; c < channels; c++) {
      let sum = 0;
      let squares = 0;
      for (let t = 0; t < time; t++) {
        const g = (Number(windows[(w * time + t) * channels + c]) * milligPerStep) / 1000;
        sum += g;
        squares += g * g;
      }
      const mean = sum / time;
      const spread = Math.sqrt(Math.max(0, squares / time - mean * mean));
      const to = (w * channels + c) * STATISTICS_PER_CHANNEL;
      rows[to] = mean;
      rows[to + 1] = Math.log(spread + 0.01);
    }
  }
  return rows;
}
