/**
 * Every differentiable operation, against central differences of its own forward pass and against
 * TensorFlow.js, which knows nothing of our code.
 */
import "@tensorflow/tfjs-backend-cpu";
import "@tensorflow/tfjs-core/dist/register_all_gradients.js";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { convolve, convolveDepthwise, paddingOf } from "../src/learn/convolution.ts";
import { Graph, type Value } from "../src/learn/graph.ts";
import { gruOver } from "../src/learn/gru.ts";
import { crossEntropy } from "../src/learn/losses.ts";
import type { Layers } from "../src/learn/network.ts";
import { NORMALISE_EPSILON, normaliseBatch } from "../src/learn/normalise.ts";
import * as operations from "../src/learn/operations.ts";
import { normal, prng } from "../src/prng.ts";

type Case = {
  readonly name: string;
  /** Shapes of the inputs to differentiate by. */
  readonly shapes: readonly (readonly number[])[];
  readonly ours: (graph: Graph, inputs: readonly Value[]) => Value;
  readonly theirs: (inputs: readonly tf.Tensor[]) => tf.Tensor;
};

const runtime = onnxRuntime();
beforeAll(() => tf.setBackend("cpu"));

const CASES: readonly Case[] = [
  binary("add, broadcast", operations.add, tf.add, [4, 3, 2], [3, 1]),
  binary("subtract", operations.subtract, tf.sub, [4, 3], [4, 3]),
  binary("multiply", operations.multiply, tf.mul, [4, 3], [4, 3]),
  binary("multiply, broadcast", operations.multiply, tf.mul, [4, 3, 2], [1, 2]),
  unary("relu", operations.relu, tf.relu, [5, 4]),
  unary("sigmoid", operations.sigmoid, tf.sigmoid, [5, 4]),
  unary("tanh", operations.tanh, tf.tanh, [5, 4]),
  unary(
    "scale",
    (g, x) => operations.scale(g, x, 1.7),
    (x) => tf.mul(x, 1.7),
    [5, 4],
  ),
  unary(
    "mean over time",
    (g, x) => operations.meanOver(g, x, 1),
    (x) => tf.mean(x, 1),
    [2, 5, 3],
  ),
  unary(
    "reshape",
    (g, x) => operations.reshape(g, x, [6, 2]),
    (x) => tf.reshape(x, [6, 2]),
    [4, 3],
  ),
  unary(
    "transpose",
    (g, x) => operations.transpose(g, x, [2, 0, 1]),
    (x) => tf.transpose(x, [2, 0, 1]),
    [2, 3, 4],
  ),
  unary(
    "split, one part unused",
    (g, x) => {
      const [a, , c] = operations.split(g, x, 1, [2, 1, 2]) as [Value, Value, Value];
      return operations.multiply(g, a, c);
    },
    (x) => tf.mul(tf.slice(x, [0, 0], [3, 2]), tf.slice(x, [0, 3], [3, 2])),
    [3, 5],
  ),
  {
    name: "sum of three, one of them twice",
    shapes: [
      [3, 2],
      [3, 2],
    ],
    ours: (g, [a, b]) => operations.sumOf(g, [a as Value, b as Value, a as Value]),
    theirs: ([a, b]) => tf.add(tf.add(a as tf.Tensor, b as tf.Tensor), a as tf.Tensor),
  },
  {
    name: "dense",
    shapes: [[4, 3], [5, 3], [5]],
    ours: (g, [x, w, b]) => operations.dense(g, x as Value, w as Value, b),
    theirs: ([x, w, b]) =>
      tf.add(tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D, false, true), b as tf.Tensor),
  },
  convolution("of kernel 5", 11, 5, 1),
  convolution("of kernel 4, odd padding", 11, 4, 1),
  convolution("of kernel 5, stride 2", 12, 5, 2),
  convolution("of kernel 3, stride 3, last samples unread", 10, 3, 3),
  convolution("of kernel 1", 7, 1, 1),
  convolution("of kernel 1, stride 2", 7, 1, 2),
  depthwise("of kernel 5", 9, 5, 1),
  depthwise("of kernel 3, stride 2", 10, 3, 2),
  {
    name: "batch normalisation",
    shapes: [[3, 5, 4], [4], [4]],
    ours: (g, [x, scale, shift]) => normaliseBatch(g, x as Value, scale as Value, shift as Value).y,
    theirs: ([x, scale, shift]) => {
      const { mean, variance } = tf.moments(x as tf.Tensor, [0, 1]);
      const root = tf.sqrt(tf.add(variance, NORMALISE_EPSILON));
      const hat = tf.div(tf.sub(x as tf.Tensor, mean), root);
      return tf.add(tf.mul(hat, scale as tf.Tensor), shift as tf.Tensor);
    },
  },
  entropy(1),
  entropy(3),
  {
    name: "gru, two stages with shared weights",
    shapes: [[12, 6], [12], [12, 4], [12]],
    ours: (g, inputs) => oursGru(g, inputs),
    theirs: (inputs) => theirGru(inputs),
  },
];

describe("gradients", () => {
  it.each(CASES)("$name", async ({ name, shapes, ours, theirs }) => {
    const values = shapes.map((shape, i) => randomValues(shape, `${name} ${i}`));
    const graph = new Graph();
    const inputs = shapes.map((shape, i) => graph.input(`x${i}`, shape, true));
    const output = ours(graph, inputs);
    // A scalar that depends on every output in its own way.
    const mixing = randomValues(output.shape, "mixing");
    const loss = sumAll(
      graph,
      operations.multiply(graph, output, graph.constant(output.shape, mixing)),
    );
    const gradients = graph.gradients(loss, inputs);
    graph.output("loss", operations.reshape(graph, loss, [1]));
    gradients.forEach((gradient, i) => {
      graph.output(`g${i}`, gradient);
    });
    const program = await runtime.compile(graph.toOnnx());
    const run = async (given: readonly Float32Array[]) =>
      program.run(
        Object.fromEntries(
          given.map((data, i) => [`x${i}`, { shape: shapes[i] as number[], data }]),
        ),
      );

    const result = await run(values);
    const oracle = tf.grads((...tensors: tf.Tensor[]) =>
      tf.sum(tf.mul(theirs(tensors), tf.tensor(mixing, [...output.shape]))),
    )(values.map((data, i) => tf.tensor(data, [...(shapes[i] as number[])])));
    for (const [i, shape] of shapes.entries()) {
      const mine = result[`g${i}`]?.data as Float32Array;
      expect(mine.length).toBe(shape.reduce((a, b) => a * b, 1));
      expectClose(mine, (await oracle[i]?.data()) as Float32Array, 2e-4);
      const numeric = await centralDifferences(values, i, async (given) => {
        const { loss: at } = await run(given);
        return at?.data[0] as number;
      });
      expectClose(mine, numeric, 2e-2);
    }
    await program.release();
  });
});

function unary(
  name: string,
  ours: (graph: Graph, x: Value) => Value,
  theirs: (x: tf.Tensor) => tf.Tensor,
  shape: readonly number[],
): Case {
  return {
    name,
    shapes: [shape],
    ours: (g, [x]) => ours(g, x as Value),
    theirs: ([x]) => theirs(x as tf.Tensor),
  };
}

function binary(
  name: string,
  ours: (graph: Graph, a: Value, b: Value) => Value,
  theirs: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor,
  a: readonly number[],
  b: readonly number[],
): Case {
  return {
    name,
    shapes: [a, b],
    ours: (g, [x, y]) => ours(g, x as Value, y as Value),
    theirs: ([x, y]) => theirs(x as tf.Tensor, y as tf.Tensor),
  };
}

function convolution(name: string, time: number, kernel: number, stride: number): Case {
  const { before, after } = paddingOf(time, kernel, stride);
  return {
    name: `convolution ${name}`,
    shapes: [
      [2, time, 3],
      [4, 3, kernel],
    ],
    ours: (g, [x, w]) => convolve(g, x as Value, w as Value, stride),
    theirs: ([x, w]) =>
      tf.conv1d(
        tf.pad(x as tf.Tensor3D, [
          [0, 0],
          [before, after],
          [0, 0],
        ]),
        tf.transpose(w as tf.Tensor3D, [2, 1, 0]),
        stride,
        "valid",
      ),
  };
}

function depthwise(name: string, time: number, kernel: number, stride: number): Case {
  const { before, after } = paddingOf(time, kernel, stride);
  return {
    name: `depthwise convolution ${name}`,
    shapes: [
      [2, time, 4],
      [4, kernel],
    ],
    ours: (g, [x, w]) => convolveDepthwise(g, x as Value, w as Value, stride),
    // Tap by tap, since TensorFlow.js has depthwise convolutions in two dimensions only.
    theirs: ([x, w]) => {
      const padded = tf.pad(x as tf.Tensor3D, [
        [0, 0],
        [before, after],
        [0, 0],
      ]);
      const outTime = Math.ceil(time / stride);
      const taps = Array.from({ length: kernel }, (_, k) => {
        const every = Array.from({ length: outTime }, (_, t) => {
          return tf.slice(padded, [0, t * stride + k, 0], [2, 1, 4]);
        });
        const filter = tf.reshape(tf.slice(w as tf.Tensor2D, [0, k], [4, 1]), [1, 1, 4]);
        return tf.mul(tf.concat(every, 1), filter);
      });
      return tf.addN(taps);
    },
  };
}

function entropy(temperature: number): Case {
  const target = Float32Array.from([0.2, 0.5, 0.3, 0, 2, 0, 1, 0.5, 0.5]);
  return {
    name: `cross-entropy at temperature ${temperature}`,
    shapes: [[3, 3]],
    ours: (g, [x]) => crossEntropy(g, x as Value, g.constant([3, 3], target), temperature),
    theirs: ([x]) =>
      tf.mul(
        tf.sum(
          tf.mul(tf.logSoftmax(tf.div(x as tf.Tensor2D, temperature)), tf.tensor2d(target, [3, 3])),
        ),
        -1 / 3,
      ),
  };
}

const GRU_WINDOW = randomValues([2, 7, 2], "gru window");

/** Two patches of three samples, one in each stage; the last sample is not read. */
function oursGru(graph: Graph, inputs: readonly Value[]): Value {
  const named = new Map(
    ["input.weight", "input.bias", "state.weight", "state.bias"].map((part, i) => [
      `gru.${part}`,
      inputs[i] as Value,
    ]),
  );
  const layers = { tensor: (name: string) => named.get(name) as Value } as Layers;
  const window = graph.constant([2, 7, 2], GRU_WINDOW);
  const size = { patchSamples: 3, hidden: 4, patches: 1 };
  const first = gruOver(graph, window, size, undefined, "gru", layers);
  const second = gruOver(graph, window, size, first, "other", layers);
  return operations.add(graph, second.state, operations.scale(graph, first.state, 0.5));
}

function theirGru(inputs: readonly tf.Tensor[]): tf.Tensor {
  const [wx, bx, wh, bh] = inputs as [tf.Tensor2D, tf.Tensor1D, tf.Tensor2D, tf.Tensor1D];
  const window = tf.tensor3d(GRU_WINDOW, [2, 7, 2]);
  let state: tf.Tensor2D = tf.zeros([2, 4]);
  const states: tf.Tensor2D[] = [];
  for (const patch of [0, 1]) {
    const x = tf.reshape(tf.slice(window, [0, 3 * patch, 0], [2, 3, 2]), [2, 6]) as tf.Tensor2D;
    const fromX = tf.add(tf.matMul(x, wx, false, true), bx);
    const fromH = tf.add(tf.matMul(state, wh, false, true), bh);
    const gate = (of: tf.Tensor, i: number) => tf.slice(of, [0, 4 * i], [2, 4]);
    const reset = tf.sigmoid(tf.add(gate(fromX, 0), gate(fromH, 0)));
    const update = tf.sigmoid(tf.add(gate(fromX, 1), gate(fromH, 1)));
    const fresh = tf.tanh(tf.add(gate(fromX, 2), tf.mul(reset, gate(fromH, 2))));
    state = tf.add(tf.mul(tf.sub(1, update), fresh), tf.mul(update, state)) as tf.Tensor2D;
    states.push(state);
  }
  return tf.add(states[1] as tf.Tensor, tf.mul(states[0] as tf.Tensor, 0.5));
}

function sumAll(graph: Graph, x: Value): Value {
  if (x.shape.length === 0) return x;
  const count = x.shape.reduce((a, b) => a * b, 1);
  const row = operations.reshape(graph, x, [1, count]);
  const ones = graph.constant([1, count], new Float32Array(count).fill(1));
  return operations.reshape(graph, operations.dense(graph, row, ones), []);
}

/** Away from 0, where ReLU has no derivative. */
function randomValues(shape: readonly number[], stream: string): Float32Array {
  const random = prng(7, stream);
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
    const value = normal(random);
    return value + Math.sign(value) * 0.05;
  });
}

async function centralDifferences(
  values: readonly Float32Array[],
  which: number,
  lossAt: (values: readonly Float32Array[]) => Promise<number>,
): Promise<Float32Array> {
  const step = 1e-2;
  const at = values[which] as Float32Array;
  const numeric = new Float32Array(at.length);
  for (let i = 0; i < at.length; i++) {
    const moved = async (by: number) => {
      const other = at.slice();
      other[i] = (other[i] as number) + by;
      return lossAt(values.map((value, j) => (j === which ? other : value)));
    };
    numeric[i] = ((await moved(step)) - (await moved(-step))) / (2 * step);
  }
  return numeric;
}

/** Largest difference, relative to the largest value. */
function expectClose(mine: Float32Array, other: Float32Array, tolerance: number): void {
  expect(mine.length).toBe(other.length);
  let largest = 1e-3;
  let worst = 0;
  for (let i = 0; i < mine.length; i++) {
    largest = Math.max(largest, Math.abs(other[i] as number));
    worst = Math.max(worst, Math.abs((mine[i] as number) - (other[i] as number)));
  }
  expect(worst / largest).toBeLessThan(tolerance);
}
