/** Fine-tuning under rounding as a whole: what it must win, what it must leave alone. */
import { beforeAll, describe, expect, it } from "vitest";
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import {
  type FineTuned,
  type FineTuneRequest,
  fineTuneOptions,
  fineTuneQuantized,
} from "../src/learn/fine-tune-quantized.ts";
import { withBiasesOf } from "../src/learn/fine-tune-start.ts";
import { metricsOf, softmaxRows } from "../src/learn/metrics.ts";
import { predictStudent } from "../src/learn/predict.ts";
import { trainStudent } from "../src/learn/train-student.ts";
import { foldStudent } from "../src/model/float-student.ts";
import { quantizeStudent, quantizeWithScales } from "../src/model/quantize.ts";
import { quantizeRows } from "../src/model/quantize-rows.ts";
import type { QuantizeOptions } from "../src/model/quantize-trace.ts";
import type { QuantizedStudent } from "../src/model/student.ts";
import type { FloatStudent, StudentSpec } from "../src/model/student-spec.ts";
import { weightScales } from "../src/model/weight-scales.ts";
import { normal, prng, uniform } from "../src/prng.ts";
import { NO_AUGMENTATION } from "../src/signal/augment.ts";
import { type WindowSet, windowAt } from "../src/signal/window-set.ts";
import {
  containerAround,
  noiseWindows,
  randomFloatStudent,
  SMALL_CNN_SPEC,
  SMALL_GRU_SPEC,
} from "./student-samples.ts";

const MILLIG_PER_STEP = 31.25;
const runtime = onnxRuntime();
const TRAIN = swings(900, 1);
const TEST = swings(900, 2);
const FINE_TUNE = {
  ...fineTuneOptions({ augmentation: NO_AUGMENTATION, batchSize: 32, balance: 1 }),
  epochs: 8,
};
const SPECS: readonly [string, StudentSpec][] = [
  ["CNN", SMALL_CNN_SPEC],
  ["GRU", { ...SMALL_GRU_SPEC, classes: 3 }],
];

const students = new Map<string, FloatStudent>();
beforeAll(async () => {
  for (const [name, spec] of SPECS) {
    const student = await trainStudent(runtime, {
      spec,
      windows: TRAIN,
      inputMilligPerStep: MILLIG_PER_STEP,
      seed: 1,
      objective: { hardWeight: 1, temperature: 1 },
      options: {
        augmentation: NO_AUGMENTATION,
        epochs: 25,
        batchSize: 32,
        learningRate: 1e-2,
        weightDecay: 1e-3,
        labelSmoothing: 0,
        balance: 1,
      },
    });
    students.set(name, student);
  }
});

describe("fine-tuning a student for its integers", () => {
  const low = (["int8", "dynamic-fixed-point"] as const).flatMap((scheme) =>
    SPECS.map(([name]) => ({ name, scheme })),
  );

  it.each(low)("brings $name with 3 bits, $scheme, nearer to the float one", async (one) => {
    const student = students.get(one.name) as FloatStudent;
    const quantization = { scheme: one.scheme, weightBits: 3, range: { kind: "mse" } } as const;
    const tuned = await fineTuned(student, { quantization });
    const before = await apart(student, student, { ...quantization, correctBias: true });
    const after = await apart(student, tuned.student, tuned.quantization);
    before.forEach(({ divergence }, exit) => {
      expect(divergence, "rounding is felt").toBeGreaterThan(4e-3);
      expect(after[exit]?.divergence).toBeLessThan(0.8 * divergence);
      expect(after[exit]?.macroF1Lost).toBeLessThan(0.015);
    });
  });

  it.each(low)("does no harm to $name with 8 bits, $scheme", async (one) => {
    const student = students.get(one.name) as FloatStudent;
    const quantization = { scheme: one.scheme, weightBits: 8, range: { kind: "mse" } } as const;
    const tuned = await fineTuned(student, { quantization });
    for (const { macroF1Lost } of await apart(student, tuned.student, tuned.quantization)) {
      expect(macroF1Lost).toBeLessThan(one.scheme === "int8" ? 0.005 : 0.01);
    }
  });

  it("gives the same for the same seed, keeps statistics, and stops when told", async () => {
    const student = students.get("CNN") as FloatStudent;
    let steps = 0;
    const changes: Partial<FineTuneRequest> = {
      options: { ...FINE_TUNE, epochs: 3 },
      onProgress: () => steps++,
      shouldStop: () => steps >= 40,
    };
    const once = await fineTuned(student, changes);
    expect(steps).toBe(40);
    steps = 0;
    const again = await fineTuned(student, changes);
    expect(again).toEqual(once);
    expect([...once.student.tensors.keys()].sort()).toEqual([...student.tensors.keys()].sort());
    const moved = [...student.tensors].filter(
      ([name, { data }]) => once.student.tensors.get(name)?.data.join() !== data.join(),
    );
    expect(moved.length).toBeGreaterThan(3);
    for (const [name] of moved) expect(name).not.toMatch(/\.(mean|variance)$/);
  });
});

describe("the start of fine-tuning", () => {
  it.each(SPECS)("of a %s has the biases that correction gave its integers", (_, spec) => {
    const student = randomFloatStudent(spec, 2);
    const calibration = noiseWindows(spec, 40, 3);
    for (const scheme of ["int8", "dynamic-fixed-point"] as const) {
      const options = { scheme, weightBits: 4 };
      const corrected = quantizeWithScales(student, calibration, MILLIG_PER_STEP, options);
      const { student: integers, scales } = corrected;
      const start = withBiasesOf(student, integers, MILLIG_PER_STEP / 1000, scales, options);
      const plain = { ...options, correctBias: false };
      const again = quantizeStudent(start, calibration, MILLIG_PER_STEP, { ...plain, scales });
      const before = quantizeStudent(student, calibration, MILLIG_PER_STEP, { ...plain, scales });
      expect(biasesApart(before, integers)).toBeGreaterThan(3);
      expect(biasesApart(again, integers)).toBeLessThanOrEqual(1);
    }
  });
});

/** Largest difference of two students' biases, in steps. */
function biasesApart(a: QuantizedStudent, b: QuantizedStudent): number {
  const biases = ({ stages }: QuantizedStudent): number[] =>
    stages.flatMap(({ layers, exit }) =>
      [...layers, ...exit.layers].flatMap((layer) => (layer.kind === "gru" ? [] : [...layer.bias])),
    );
  const others = biases(b);
  return Math.max(...biases(a).map((bias, i) => Math.abs(bias - (others[i] as number))));
}

describe("the scales of weights", () => {
  it.each(SPECS)("of a %s are those that quantization uses", (_, spec) => {
    const folded = foldStudent(randomFloatStudent(spec, 2));
    const scales = new Map<string, number>();
    const names = ["stage0.layer0", "stage1.layer0.depthwise", "stage1.layer0.pointwise"];
    const more = ["stage1.layer1.depthwise", "stage1.layer1.pointwise", "stage1.exit.hidden"];
    [...names, ...more, "stage0.exit.pool", "stage1.exit.pool"].forEach((name, i) => {
      scales.set(name, 0.02 + 0.01 * i);
    });
    for (const scheme of ["int8", "dynamic-fixed-point"] as const) {
      const found = weightScales(folded, 0.03125, scales, { scheme, weightBits: 6 });
      const head = folded.stages[1]?.head.at(-1);
      if (head === undefined) throw new Error("an exit has a head");
      const rows = quantizeRows(
        {
          weights: head.weights,
          bias: head.bias,
          inputScale: scales.get("stage1.exit.hidden") as number,
          outputScale: 2 ** -8,
        },
        scheme,
        6,
      );
      expect(found.get(head.name)?.bias).toEqual(rows.sumScales);
    }
  });
});

function fineTuned(
  student: FloatStudent,
  changes: Partial<FineTuneRequest> = {},
): Promise<FineTuned> {
  return fineTuneQuantized(runtime, {
    student,
    windows: TRAIN,
    inputMilligPerStep: MILLIG_PER_STEP,
    seed: 1,
    quantization: { scheme: "int8", weightBits: 4, range: { kind: "mse" } },
    options: FINE_TUNE,
    ...changes,
  });
}

/** How far the integers of `tuned` are from the answers of `float`, per exit, on windows that neither
 * has seen: mean Kullback-Leibler divergence, and macro-F1 lost. */
async function apart(float: FloatStudent, tuned: FloatStudent, options: Partial<QuantizeOptions>) {
  const integers = quantizeStudent(tuned, TRAIN, MILLIG_PER_STEP, options);
  const loaded = referenceEngine.load(containerAround(integers));
  const got = float.spec.stages.map(() => new Float32Array(TEST.count * 3));
  for (let w = 0; w < TEST.count; w++) {
    loaded.begin(windowAt(TEST, w));
    for (const exit of got)
      exit.set(
        Array.from(loaded.nextExit().logits, (q) => q / 256),
        w * 3,
      );
  }
  const wanted = await predictStudent(runtime, float, TEST, MILLIG_PER_STEP);
  return wanted.map((logits, exit) => {
    const p = softmaxRows(logits, 3);
    const q = softmaxRows(got[exit] ?? [], 3);
    const macroF1 = (probabilities: Float32Array): number =>
      metricsOf({ classes: 3, labels: TEST.labels, probabilities }).macroF1;
    const sum = p.reduce((all, share, i) => {
      return all + (share > 0 ? share * Math.log(share / Math.max(q[i] as number, 1e-9)) : 0);
    }, 0);
    return { divergence: sum / TEST.count, macroF1Lost: macroF1(p) - macroF1(q) };
  });
}

/** Three behaviours that overlap: the rate and the size of a swing about gravity, in noise. */
function swings(count: number, seed: number): WindowSet {
  const random = prng(seed, "swings");
  const windows = noiseWindows(SMALL_CNN_SPEC, count, seed);
  for (let w = 0, i = 0; w < count; w++) {
    const label = windows.labels[w] as number;
    const turns = 0.05 + 0.04 * label + 0.02 * normal(random);
    const swing = 10 + 4 * label + 8 * uniform(random);
    const phase = uniform(random, 0, 2 * Math.PI);
    for (let t = 0; t < windows.windowSamples; t++) {
      const wave = Math.sin(2 * Math.PI * turns * t + phase);
      for (let c = 0; c < windows.channels; c++, i++) {
        const value = 12 * (c - 1) + swing * wave * (c === 1 ? 1 : 0.5) + 5 * normal(random);
        windows.samples[i] = Math.max(-127, Math.min(127, Math.round(value)));
      }
    }
  }
  return windows;
}
