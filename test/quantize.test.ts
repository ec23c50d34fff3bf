/** Quantization: the float pass against ONNX Runtime, the integer student against the float one. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { metricsOf, predictedOf, softmaxRows } from "../src/learn/metrics.ts";
import { predictStudent } from "../src/learn/predict.ts";
import { trainStudent } from "../src/learn/train-student.ts";
import { floatForward } from "../src/model/float-forward.ts";
import { foldStudent } from "../src/model/float-student.ts";
import { quantizeStudent } from "../src/model/quantize.ts";
import type { QuantizeOptions } from "../src/model/quantize-trace.ts";
import type { FloatStudent, StudentSpec } from "../src/model/student-spec.ts";
import { normal, prng, uniform } from "../src/prng.ts";
import { NO_AUGMENTATION } from "../src/signal/augment.ts";
import { type WindowSet, windowAt } from "../src/signal/window-set.ts";
import {
  containerAround,
  noiseWindows,
  randomFloatStudent,
  SMALL_CNN_SPEC,
  SMALL_GRU_SPEC,
  SPECS,
} from "./student-samples.ts";

const MILLIG_PER_STEP = 31.25;

/** Logits per exit, `[exit] -> [window][class]`. */
function floatLogits(student: FloatStudent, windows: WindowSet): readonly Float32Array[] {
  const folded = foldStudent(student);
  return logitsOf(student.spec, windows, (window) => {
    const inG = Float64Array.from(window, (step) => (step * MILLIG_PER_STEP) / 1000);
    return floatForward(folded, inG).map((exit) => exit.logits);
  });
}

function integerLogits(
  student: FloatStudent,
  windows: WindowSet,
  calibration: WindowSet,
  options: Partial<QuantizeOptions> = {},
): readonly Float32Array[] {
  const quantized = quantizeStudent(student, calibration, MILLIG_PER_STEP, options);
  const loaded = referenceEngine.load(containerAround(quantized));
  return logitsOf(student.spec, windows, (window) => {
    loaded.begin(window);
    return student.spec.stages.map(() =>
      Float64Array.from(loaded.nextExit().logits, (q) => q / 256),
    );
  });
}

function logitsOf(
  spec: StudentSpec,
  windows: WindowSet,
  run: (window: Int8Array) => readonly ArrayLike<number>[],
): readonly Float32Array[] {
  const all = spec.stages.map(() => new Float32Array(windows.count * spec.classes));
  for (let w = 0; w < windows.count; w++) {
    run(windowAt(windows, w)).forEach((logits, exit) => {
      all[exit]?.set(logits, w * spec.classes);
    });
  }
  return all;
}

/** Signal over error, in decibels. */
function signalToError(wanted: Float32Array, got: Float32Array): number {
  let [signal, error] = [0, 1e-12];
  wanted.forEach((value, i) => {
    signal += value ** 2;
    error += (value - (got[i] as number)) ** 2;
  });
  return 10 * Math.log10(signal / error);
}

describe("the float pass", () => {
  it.each(Object.entries(SPECS))(
    "of %s is ONNX Runtime's, normalisation folded",
    async (_, spec) => {
      const student = randomFloatStudent(spec, 4);
      const windows = noiseWindows(spec, 6, 5);
      const theirs = await predictStudent(onnxRuntime(), student, windows, MILLIG_PER_STEP);
      floatLogits(student, windows).forEach((ours, exit) => {
        expect(signalToError(theirs[exit] as Float32Array, ours)).toBeGreaterThan(100);
      });
    },
  );
});

describe("a quantized student", () => {
  const random = (spec: StudentSpec, options: Partial<QuantizeOptions>) => {
    const student = randomFloatStudent(spec, 3);
    const windows = noiseWindows(spec, 100, 8);
    const got = integerLogits(student, windows, noiseWindows(spec, 64, 9), options);
    return floatLogits(student, windows).map((wanted, exit) =>
      signalToError(wanted, got[exit] as Float32Array),
    );
  };

  it.each(["int8", "dynamic-fixed-point"] as const)("follows the float one, %s", (scheme) => {
    // Random students on noise are harder than trained ones: their logits hang on small differences.
    for (const decibels of random(SMALL_CNN_SPEC, { scheme })) expect(decibels).toBeGreaterThan(18);
    for (const decibels of random(SMALL_GRU_SPEC, { scheme })) expect(decibels).toBeGreaterThan(28);
  });

  it("loses with every bit of its weights", () => {
    const last = (weightBits: number) => random(SMALL_GRU_SPEC, { weightBits }).at(-1) as number;
    expect(last(8)).toBeGreaterThan(last(6) + 3);
    expect(last(6)).toBeGreaterThan(last(4) + 3);
  });

  it("has only powers of two as dynamic fixed point", () => {
    for (const spec of Object.values(SPECS)) {
      const quantized = quantizeStudent(
        randomFloatStudent(spec, 1),
        noiseWindows(spec, 4, 1),
        MILLIG_PER_STEP,
        { scheme: "dynamic-fixed-point" },
      );
      const multipliers = new Set<number>();
      JSON.stringify(quantized, (key, value: unknown) => {
        if (key === "multipliers") for (const m of value as Int16Array) multipliers.add(m);
        return value;
      });
      expect([...multipliers]).toEqual([16_384]);
    }
  });

  it("comes out of any weights at all: dead, tiny and huge", () => {
    const magnitudes = fc.constantFrom(0, 1e-30, 1e-9, 1e-3, 1, 1e3, 1e6);
    fc.assert(
      fc.property(
        fc.constantFrom(SMALL_CNN_SPEC, SMALL_GRU_SPEC),
        fc.constantFrom("int8" as const, "dynamic-fixed-point" as const),
        fc.array(magnitudes, { minLength: 30, maxLength: 30 }),
        (spec, scheme, factors) => {
          const student = randomFloatStudent(spec, 1);
          let tensor = 0;
          for (const [name, { data }] of student.tensors) {
            const factor = factors[tensor++ % factors.length] as number;
            if (!name.endsWith("variance")) data.set(data.map((value) => value * factor));
          }
          const calibration = noiseWindows(spec, 3, 1);
          quantizeStudent(student, calibration, MILLIG_PER_STEP, { scheme });
        },
      ),
      { numRuns: 150 },
    );
  });

  it("is not made from weights that are not numbers", () => {
    const student = randomFloatStudent(SMALL_CNN_SPEC, 1);
    student.tensors.get("stage1.layer0.pointwise.weight")?.data.set([Number.NaN], 5);
    expect(() => quantizeStudent(student, noiseWindows(SMALL_CNN_SPEC, 2, 1), 16)).toThrow(
      /pointwise.weight: value 5 is NaN \(student-not-finite\)/,
    );
  });

  it("asserts that the calibration windows have its shape", () => {
    const student = randomFloatStudent(SMALL_CNN_SPEC, 1);
    const none = noiseWindows(SMALL_CNN_SPEC, 0, 1);
    expect(() => quantizeStudent(student, none, MILLIG_PER_STEP)).toThrow("calibration windows");
    const other = noiseWindows(SPECS.cnn, 2, 1);
    expect(() => quantizeStudent(student, other, MILLIG_PER_STEP)).toThrow("student's shape");
  });
});

/** Three behaviours that overlap: the rate and the size of a swing about gravity, in noise. */
function behaviourWindows(count: number, seed: number): WindowSet {
  const random = prng(seed, "behaviours");
  const windows = noiseWindows(SMALL_CNN_SPEC, count, seed);
  for (let w = 0, i = 0; w < count; w++) {
    const label = w % 3;
    windows.labels[w] = label;
    const turnsPerSample = 0.05 + 0.04 * label + 0.025 * normal(random);
    const swing = 10 + 4 * label + 8 * uniform(random);
    const phase = uniform(random, 0, 2 * Math.PI);
    for (let t = 0; t < windows.windowSamples; t++) {
      const wave = Math.sin(2 * Math.PI * turnsPerSample * t + phase);
      for (let c = 0; c < windows.channels; c++, i++) {
        const value = 12 * (c - 1) + swing * wave * (c === 1 ? 1 : 0.5) + 5 * normal(random);
        windows.samples[i] = Math.max(-127, Math.min(127, Math.round(value)));
      }
    }
  }
  return windows;
}

function judged(logits: Float32Array, { labels }: WindowSet) {
  const scored = { classes: 3, labels, probabilities: softmaxRows(logits, 3) };
  return { macroF1: metricsOf(scored).macroF1, predicted: predictedOf(scored) };
}

describe("a trained student", () => {
  const gru: StudentSpec = { ...SMALL_GRU_SPEC, classes: 3 };
  it.each([
    ["CNN", SMALL_CNN_SPEC],
    ["GRU", gru],
  ] as const)("%s loses next to no macro F1", async (_, spec) => {
    const train = behaviourWindows(900, 1);
    const student = await trainStudent(onnxRuntime(), {
      spec,
      windows: train,
      inputMilligPerStep: MILLIG_PER_STEP,
      seed: 1,
      objective: { hardWeight: 1, temperature: 1 },
      options: {
        augmentation: NO_AUGMENTATION,
        epochs: 12,
        batchSize: 32,
        learningRate: 5e-3,
        weightDecay: 1e-3,
        labelSmoothing: 0,
        balance: 0,
      },
    });
    const test = behaviourWindows(3000, 2);
    const wanted = floatLogits(student, test);
    for (const [scheme, pointsLost] of [
      ["int8", 0.5],
      ["dynamic-fixed-point", 1],
    ] as const) {
      const got = integerLogits(student, test, train, { scheme });
      wanted.forEach((logits, exit) => {
        const float = judged(logits, test);
        const integer = judged(got[exit] as Float32Array, test);
        expect(float.macroF1, "learned something, and not everything").toBeGreaterThan(0.6);
        expect(float.macroF1).toBeLessThan(0.995);
        expect(100 * (float.macroF1 - integer.macroF1)).toBeLessThan(pointsLost);
        const same = float.predicted.filter((c, w) => c === integer.predicted[w]).length;
        expect(same / test.count).toBeGreaterThan(0.985);
      });
    }
  });
});
