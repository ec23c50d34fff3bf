/**
 * What a classifier is worth, said in the ways that matter here.
 *
 * Accuracy alone flatters a herd that mostly grazes, windows of one bout are nearly copies of each
 * other, and one odd animal hides in a mean. So: macro F1, the multiclass correlation of Gorodkin
 * (2004, R_K, the "MCC" of the animal literature), calibration, bouts, and the worst subject.
 */
import { assert } from "../assert.ts";

/** Class probabilities `[window][class]` beside the truth, flat in memory. */
export type Scored = {
  readonly classes: number;
  /** `[window][class]`, each row sums to 1. */
  readonly probabilities: Float32Array;
  readonly labels: ArrayLike<number>;
};

export type Metrics = {
  readonly accuracy: number;
  readonly macroF1: number;
  readonly mcc: number;
  /** Expected calibration error over 15 bins of equal width (Guo et al., 2017). */
  readonly ece: number;
};

export function metricsOf(scored: Scored): Metrics {
  const confusion = confusionOf(scored.classes, scored.labels, predictedOf(scored));
  return {
    accuracy: accuracyOf(confusion, scored.classes),
    macroF1: macroF1Of(confusion, scored.classes),
    mcc: mccOf(confusion, scored.classes),
    ece: calibrationErrorOf(scored),
  };
}

/** The class with the largest probability, per window; the first of equals. */
export function predictedOf(scored: Pick<Scored, "classes" | "probabilities">): Uint8Array {
  const { classes, probabilities } = scored;
  return Uint8Array.from({ length: probabilities.length / classes }, (_, row) =>
    largestIndex(probabilities.subarray(row * classes, (row + 1) * classes)),
  );
}

/** Index of the largest value; the first of equals. */
export function largestIndex(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) {
    if ((values[i] as number) > (values[best] as number)) best = i;
  }
  return best;
}

/** Probabilities from logits, row by row, at the given temperature. */
export function softmaxRows(
  logits: ArrayLike<number>,
  classes: number,
  temperature = 1,
): Float32Array {
  const out = new Float32Array(logits.length);
  for (let start = 0; start < logits.length; start += classes) {
    let largest = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < classes; c++) largest = Math.max(largest, logits[start + c] as number);
    let total = 0;
    for (let c = 0; c < classes; c++) {
      const e = Math.exp(((logits[start + c] as number) - largest) / temperature);
      out[start + c] = e;
      total += e;
    }
    for (let c = 0; c < classes; c++) out[start + c] = (out[start + c] as number) / total;
  }
  return out;
}

/** Counts, `[truth][predicted]`. */
export function confusionOf(
  classes: number,
  labels: ArrayLike<number>,
  predicted: ArrayLike<number>,
): Float64Array {
  assert(labels.length === predicted.length, "one prediction per label");
  const confusion = new Float64Array(classes * classes);
  for (let i = 0; i < labels.length; i++) {
    const cell = (labels[i] as number) * classes + (predicted[i] as number);
    confusion[cell] = (confusion[cell] as number) + 1;
  }
  return confusion;
}

/** Share of right answers; 0 where there is no window. */
export function accuracyOf(confusion: Float64Array, classes: number): number {
  let right = 0;
  let total = 0;
  for (let i = 0; i < confusion.length; i++) {
    total += confusion[i] as number;
    if (i % (classes + 1) === 0) right += confusion[i] as number;
  }
  return total === 0 ? 0 : right / total;
}

/** Mean F1 over the classes that occur in the truth or in the predictions. */
export function macroF1Of(confusion: Float64Array, classes: number): number {
  let sum = 0;
  let present = 0;
  for (let c = 0; c < classes; c++) {
    const truth = rowSum(confusion, classes, c);
    const predicted = columnSum(confusion, classes, c);
    if (truth + predicted === 0) continue;
    present++;
    sum += (2 * (confusion[c * classes + c] as number)) / (truth + predicted);
  }
  return present === 0 ? 0 : sum / present;
}

/** Gorodkin's R_K; 0 where either side has a single class. */
export function mccOf(confusion: Float64Array, classes: number): number {
  let total = 0;
  let right = 0;
  let cross = 0;
  let truthSquares = 0;
  let predictedSquares = 0;
  for (let c = 0; c < classes; c++) {
    const truth = rowSum(confusion, classes, c);
    const predicted = columnSum(confusion, classes, c);
    total += truth;
    right += confusion[c * classes + c] as number;
    cross += truth * predicted;
    truthSquares += truth * truth;
    predictedSquares += predicted * predicted;
  }
  const scale = Math.sqrt((total * total - predictedSquares) * (total * total - truthSquares));
  return scale === 0 ? 0 : (right * total - cross) / scale;
}

/** Mean distance between confidence and accuracy over bins of confidence, weighted by their size. */
export function calibrationErrorOf(scored: Scored, bins = 15): number {
  const { classes, probabilities, labels } = scored;
  const confidenceSum = new Float64Array(bins);
  const rightSum = new Float64Array(bins);
  const predicted = predictedOf(scored);
  for (let i = 0; i < predicted.length; i++) {
    const answer = predicted[i] as number;
    const confidence = probabilities[i * classes + answer] as number;
    const bin = Math.min(bins - 1, Math.floor(confidence * bins));
    confidenceSum[bin] = (confidenceSum[bin] as number) + confidence;
    rightSum[bin] = (rightSum[bin] as number) + (labels[i] === answer ? 1 : 0);
  }
  let error = 0;
  for (let b = 0; b < bins; b++) {
    error += Math.abs((confidenceSum[b] as number) - (rightSum[b] as number));
  }
  return predicted.length === 0 ? 0 : error / predicted.length;
}

/** Accuracy per subject, in the order of first appearance. */
export function accuracyBySubject(
  subjects: readonly string[],
  labels: ArrayLike<number>,
  predicted: ArrayLike<number>,
): Map<string, number> {
  const counts = new Map<string, { right: number; total: number }>();
  subjects.forEach((subject, i) => {
    const count = counts.get(subject) ?? { right: 0, total: 0 };
    count.total++;
    if (labels[i] === predicted[i]) count.right++;
    counts.set(subject, count);
  });
  return new Map([...counts].map(([subject, { right, total }]) => [subject, right / total]));
}

/** Mean and worst of the subjects' accuracies: one person walks as others climb stairs. */
export function subjectAccuracy(
  subjects: readonly string[],
  labels: ArrayLike<number>,
  predicted: ArrayLike<number>,
): { readonly mean: number; readonly worst: number } {
  const each = [...accuracyBySubject(subjects, labels, predicted).values()];
  if (each.length === 0) return { mean: 0, worst: 0 };
  return { mean: each.reduce((a, b) => a + b, 0) / each.length, worst: Math.min(...each) };
}

/** Share of bouts whose mean probability names the right class: one long rest counts once. */
export function boutAccuracyOf(scored: Scored, bouts: ArrayLike<number>): number {
  const { classes, probabilities, labels } = scored;
  const sums = new Map<number, { label: number; total: Float64Array }>();
  for (let i = 0; i < labels.length; i++) {
    const bout = bouts[i] as number;
    const sum = sums.get(bout) ?? {
      label: labels[i] as number,
      total: new Float64Array(classes),
    };
    for (let c = 0; c < classes; c++) {
      sum.total[c] = (sum.total[c] as number) + (probabilities[i * classes + c] as number);
    }
    sums.set(bout, sum);
  }
  let right = 0;
  for (const { label, total } of sums.values()) if (largestIndex(total) === label) right++;
  return sums.size === 0 ? 0 : right / sums.size;
}

function rowSum(confusion: Float64Array, classes: number, row: number): number {
  let sum = 0;
  for (let c = 0; c < classes; c++) sum += confusion[row * classes + c] as number;
  return sum;
}

function columnSum(confusion: Float64Array, classes: number, column: number): number {
  let sum = 0;
  for (let c = 0; c < classes; c++) sum += confusion[c * classes + column] as number;
  return sum;
}
