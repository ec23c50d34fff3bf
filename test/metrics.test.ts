import { describe, expect, it } from "vitest";
import {
  boutAccuracyOf,
  calibrationErrorOf,
  metricsOf,
  softmaxRows,
  subjectAccuracy,
} from "../src/learn/metrics.ts";

/** Rows of probabilities with this confidence in the predicted class of three. */
function scored(labels: number[], predicted: number[], confidence = 0.8) {
  const probabilities = new Float32Array(labels.length * 3).fill((1 - confidence) / 2);
  predicted.forEach((c, i) => {
    probabilities[3 * i + c] = confidence;
  });
  return { classes: 3, probabilities, labels };
}

describe("metrics", () => {
  // The example of scikit-learn's documentation of `f1_score`, and its `matthews_corrcoef`.
  const sample = scored([0, 1, 2, 0, 1, 2], [0, 2, 1, 0, 0, 1]);

  it("agree with scikit-learn on its own example", () => {
    const { accuracy, macroF1, mcc } = metricsOf(sample);
    expect(accuracy).toBeCloseTo(2 / 6, 12);
    expect(macroF1).toBeCloseTo(0.8 / 3, 12);
    // R_K from the confusion [[2,0,0],[1,0,1],[0,2,0]]: (2*6 - 12) / ... = 0
    expect(mcc).toBeCloseTo(0, 12);
  });

  it("are those of a perfect answer", () => {
    const perfect = scored([0, 1, 2, 2], [0, 1, 2, 2], 1);
    expect(metricsOf(perfect)).toEqual({ accuracy: 1, macroF1: 1, mcc: 1, ece: 0 });
  });

  it("give the binary Matthews correlation where there are two classes", () => {
    // tp 6, tn 3, fp 1, fn 2 (Wikipedia's example of 12 pictures): 16 / sqrt(7*8*4*5) = 0.478
    const labels = [...Array.from({ length: 8 }, () => 1), 0, 0, 0, 0];
    const predicted = [1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1];
    expect(metricsOf(scored(labels, predicted)).mcc).toBeCloseTo(16 / Math.sqrt(1120), 6);
  });

  it("leave classes out of the mean that nobody has and nobody names", () => {
    expect(metricsOf(scored([0, 1], [0, 1])).macroF1).toBe(1);
  });

  it("measure calibration: eight in ten right at .8 is none lost", () => {
    const labels = [0, 0, 0, 0, 0, 0, 0, 0, 1, 2];
    const predicted = labels.map(() => 0);
    expect(calibrationErrorOf(scored(labels, predicted, 0.8))).toBeCloseTo(0, 6);
    expect(calibrationErrorOf(scored(labels, predicted, 0.95))).toBeCloseTo(0.15, 6);
  });

  it("count each subject once", () => {
    const subjects = ["a", "a", "a", "b"];
    expect(subjectAccuracy(subjects, [0, 0, 0, 0], [0, 0, 0, 1])).toEqual({ mean: 0.5, worst: 0 });
  });

  it("decide a bout by its mean probability", () => {
    const probabilities = Float32Array.of(0.1, 0.9, 0.6, 0.4, 0.6, 0.4, 0.2, 0.8);
    const bouts = { classes: 2, probabilities, labels: [1, 1, 1, 0] };
    expect(boutAccuracyOf(bouts, [7, 7, 7, 9])).toBe(0.5);
  });

  it("soften at a temperature and survive large logits", () => {
    expect([...softmaxRows([1000, 0], 2)]).toEqual([1, 0]);
    const [a, b] = softmaxRows([2, 0], 2, 2);
    expect(a).toBeCloseTo(1 / (1 + Math.exp(-1)), 6);
    expect((a as number) + (b as number)).toBeCloseTo(1, 6);
  });
});
