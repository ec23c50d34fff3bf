/**
 * Rounding in the training graph: forward against arithmetic and against the integer engine, backward
 * against the straight-through estimator as TensorFlow.js computes it.
 */
import "@tensorflow/tfjs-backend-cpu";
import "@tensorflow/tfjs-core/dist/register_all_gradients.js";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { fakeQuantize } from "../src/learn/fake-quantize.ts";
import { weightSteps } from "../src/learn/fine-tune-quantized.ts";
import { Graph, type Value } from "../src/learn/graph.ts";
import { dense, multiply, relu, reshape } from "../src/learn/operations.ts";
import { flatten } from "../src/learn/parameters.ts";
import { windowsInG } from "../src/learn/predict.ts";
import { quantizedStep } from "../src/learn/quantized-step.ts";
import { studentNetwork } from "../src/learn/student-network.ts";
import { quantizeWithScales } from "../src/model/quantize.ts";
import type { Scheme } from "../src/model/requantize.ts";
import type { StudentSpec } from "../src/model/student-spec.ts";
import { normal, prng } from "../src/prng.ts";
import { windowAt } from "../src/signal/window-set.ts";
import {
  containerAround,
  noiseWindows,
  randomFloatStudent,
  SMALL_CNN_SPEC,
  SMALL_GRU_SPEC,
  SPECS,
} from "./student-samples.ts";

const runtime = onnxRuntime();
const MILLIG_PER_STEP = 31.25;
beforeAll(() => tf.setBackend("cpu"));

describe("fake quantization", () => {
  it("rounds half up, saturates, and lets the gradient straight through but there", async () => {
    const graph = new Graph();
    const x = graph.input("x", [2, 5], true);
    const scale = graph.constant([2, 1], Float32Array.of(0.5, 2));
    const y = fakeQuantize(graph, x, scale, -3, 3);
    const weights = Float32Array.from({ length: 10 }, (_, i) => i + 1);
    const loss = sumAll(graph, multiply(graph, y, graph.constant([2, 5], weights)));
    const [gradient] = graph.gradients(loss, [x]);
    graph.output("y", y);
    graph.output("g", gradient as Value);
    const program = await runtime.compile(graph.toOnnx());
    const data = Float32Array.of(0.25, -0.25, 0.24, 1.74, 1.75, -7, -6.9, -7.1, 3, 100);
    const out = await program.run({ x: { shape: [2, 5], data } });
    await program.release();
    expect([...(out.y?.data ?? [])]).toEqual([0.5, 0, 0, 1.5, 1.5, -6, -6, -6, 4, 6]);
    // 1.75 / 0.5 = 3.5 rounds to 4, which is too many; -7.1 / 2 to -4; -7 / 2 = -3.5 to -3.
    expect([...(out.g?.data ?? [])]).toEqual([1, 2, 3, 4, 0, 6, 7, 0, 9, 0]);
  });

  it("has the gradients of a straight-through estimator inside of a network", async () => {
    const shapes = [
      [6, 4],
      [5, 4],
      [3, 5],
    ] as const;
    const [x, first, second] = shapes.map((shape, i) => randomValues(shape, `${i}`)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const graph = new Graph();
    const input = graph.constant(shapes[0], x);
    const weights = [graph.input("a", shapes[1], true), graph.input("b", shapes[2], true)];
    const [a, b] = weights.map((w) => fakeQuantize(graph, w, graph.scalar(0.25), -3, 3));
    const hidden = relu(graph, dense(graph, input, a as Value));
    const rounded = fakeQuantize(graph, hidden, graph.scalar(0.125), 0, 15);
    const answer = dense(graph, rounded, b as Value);
    const loss = sumAll(graph, multiply(graph, answer, answer));
    const gradients = graph.gradients(loss, weights);
    gradients.forEach((gradient, i) => {
      graph.output(`g${i}`, gradient);
    });
    const program = await runtime.compile(graph.toOnnx());
    const out = await program.run({
      a: { shape: shapes[1], data: first },
      b: { shape: shapes[2], data: second },
    });
    await program.release();

    const theirs = tf.grads((p: tf.Tensor, q: tf.Tensor) => {
      const rows = tf.matMul(tf.tensor2d(x, [6, 4]), straight(p, 0.25, -3, 3), false, true);
      const steps = straight(tf.relu(rows), 0.125, 0, 15);
      return tf.sum(tf.square(tf.matMul(steps, straight(q, 0.25, -3, 3), false, true)));
    })([tf.tensor2d(first, [5, 4]), tf.tensor2d(second, [3, 5])]);
    for (const [i, theirGradient] of theirs.entries()) {
      const wanted = await theirGradient.data();
      const got = out[`g${i}`]?.data ?? [];
      expect(Math.max(...wanted.map(Math.abs))).toBeGreaterThan(1);
      wanted.forEach((value, j) => {
        expect(got[j]).toBeCloseTo(value, 3);
      });
    }
  });
});

describe("a student in training with rounding", () => {
  const cases = (["int8", "dynamic-fixed-point"] as const).flatMap((scheme) =>
    [8, 6, 4].flatMap((weightBits) =>
      [
        { name: "cnn", spec: SMALL_CNN_SPEC },
        { name: "gru", spec: SMALL_GRU_SPEC },
      ].map((one) => ({ ...one, scheme, weightBits })),
    ),
  );

  it.each(cases)("answers as its integers: $name, $scheme, $weightBits bits", async (one) => {
    const { differences, unlike } = await differencesFrom(one.spec, one.scheme, one.weightBits);
    // The engine's logits are in steps of 1/256. A sum that lies within 2^-15 of half a step may fall
    // to the other side, which is one step of one activation, and seldom happens.
    if (one.name === "cnn") {
      expect(Math.max(...differences)).toBeLessThanOrEqual(0.15);
      expect(unlike).toBeLessThan(0.02);
    } else {
      // The GRU's state is rounded to 2^-15 and its gates come from tables, which the graph leaves
      // out; that seldom moves a feature by its step of 2^-7.
      expect(Math.max(...differences)).toBeLessThanOrEqual(0.25);
      expect(unlike).toBeLessThan(0.15);
    }
  });

  it("finds the scales that it was given again", () => {
    for (const spec of Object.values(SPECS)) {
      for (const scheme of ["int8", "dynamic-fixed-point"] as const) {
        const student = randomFloatStudent(spec, 1);
        const [calibration, other] = [noiseWindows(spec, 6, 1), noiseWindows(spec, 3, 2)];
        const options = { scheme, correctBias: false };
        const once = quantizeWithScales(student, calibration, MILLIG_PER_STEP, options);
        const again = quantizeWithScales(student, other, MILLIG_PER_STEP, {
          ...options,
          scales: once.scales,
        });
        expect(again).toEqual(once);
      }
    }
  });

  it("names a scale for every activation", () => {
    const scalesOf = (spec: StudentSpec): string[] => {
      const student = randomFloatStudent(spec, 1);
      return [
        ...quantizeWithScales(student, noiseWindows(spec, 3, 1), MILLIG_PER_STEP).scales.keys(),
      ];
    };
    expect(scalesOf(SMALL_CNN_SPEC)).toEqual([
      "stage0.layer0",
      "stage0.exit.pool",
      "stage1.layer0.depthwise",
      "stage1.layer0.pointwise",
      "stage1.layer1.depthwise",
      "stage1.layer1.pointwise",
      "stage1.exit.pool",
      "stage1.exit.hidden",
    ]);
    expect(scalesOf(SMALL_GRU_SPEC)).toEqual(["stage1.exit.hidden"]);
  });
});

/** Logits of the graph against those of the engine: all differences, and the share of more than one
 * step. */
async function differencesFrom(spec: StudentSpec, scheme: Scheme, weightBits: number) {
  const student = randomFloatStudent(spec, 3);
  const calibration = noiseWindows(spec, 64, 9);
  const windows = noiseWindows(spec, 100, 8);
  const options = { scheme, weightBits, range: { kind: "mse" }, correctBias: false } as const;
  const { student: integers, scales } = quantizeWithScales(
    student,
    calibration,
    MILLIG_PER_STEP,
    options,
  );
  const request = { inputMilligPerStep: MILLIG_PER_STEP, quantization: options };
  const steps = weightSteps(request, student, scales);
  const { parameters } = studentNetwork(spec);
  const program = await runtime.compile(
    quantizedStep({
      student,
      steps: steps.parameters,
      batchSize: windows.count,
      temperature: undefined,
      scales,
      inputScale: MILLIG_PER_STEP / 1000,
      weightBits,
    }),
  );
  const flat = flatten(parameters, student.tensors);
  const classes = [windows.count, spec.classes];
  const out = await program.run({
    parameters: { shape: [flat.length], data: flat },
    steps: steps.values,
    window: {
      shape: [windows.count, spec.windowSamples, spec.channels],
      data: windowsInG(windows, MILLIG_PER_STEP),
    },
    hard: { shape: classes, data: new Float32Array(windows.count * spec.classes) },
  });
  await program.release();
  const loaded = referenceEngine.load(containerAround(integers));
  const differences: number[] = [];
  for (let w = 0; w < windows.count; w++) {
    loaded.begin(windowAt(windows, w));
    spec.stages.forEach((_, s) => {
      loaded.nextExit().logits.forEach((logit, c) => {
        const float = out[`exit${s}`]?.data[w * spec.classes + c] as number;
        differences.push(Math.abs(float - logit / 256));
      });
    });
  }
  const unlike = differences.filter((d) => d > 1 / 256).length / differences.length;
  return { differences, unlike };
}

/** Rounding with an identity for a gradient where nothing saturates. */
function straight(x: tf.Tensor, scale: number, low: number, high: number): tf.Tensor2D {
  const rounded = tf.customGrad((value, save) => {
    const nearest = tf.floor(tf.add(tf.div(value as tf.Tensor, scale), 0.5));
    const kept = tf.clipByValue(nearest, low, high);
    (save as tf.GradSaveFunc)([tf.equal(nearest, kept)]);
    return {
      value: tf.mul(kept, scale),
      gradFunc: (g: tf.Tensor, [passes]: tf.Tensor[]) =>
        tf.mul(g, tf.cast(passes as tf.Tensor, "float32")),
    };
  });
  return rounded(x) as tf.Tensor2D;
}

function sumAll(graph: Graph, x: Value): Value {
  const count = x.shape.reduce((a, b) => a * b, 1);
  const row = reshape(graph, x, [1, count]);
  const ones = graph.constant([1, count], new Float32Array(count).fill(1));
  return reshape(graph, dense(graph, row, ones), []);
}

function randomValues(shape: readonly number[], stream: string): Float32Array {
  const random = prng(7, stream);
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => normal(random));
}
