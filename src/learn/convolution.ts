/**
 * One-dimensional convolution, in the two forms that measured fastest in ONNX Runtime.
 *
 * For training, where ONNX has no gradient operators: `[batch][time][channel]`, the windows under the
 * kernel gathered into rows and one matrix product ("im2col"). Both gradients have the same form: a
 * product with the gathered rows by the weights, a gather and a product by the input. This is two to
 * three times faster than ConvTranspose, and Conv with batch and channels swapped, and does depthwise
 * convolutions as products with a diagonal: at tens of channels that beats grouped operators.
 *
 * For inference: the Conv operator on `[batch][channel][time]`, which every ONNX engine is best at.
 */
import { assert } from "../assert.ts";
import type { Graph, Value } from "./graph.ts";
import { multiply, reshape } from "./operations.ts";

/** Zeros before and after so that `outTime = ceil(inTime / stride)`; the odd one goes to the end. */
export type Padding = { readonly outTime: number; readonly before: number; readonly after: number };

export function paddingOf(inTime: number, kernel: number, stride: number): Padding {
  const outTime = Math.ceil(inTime / stride);
  const zeros = Math.max(0, (outTime - 1) * stride + kernel - inTime);
  const before = Math.floor(zeros / 2);
  return { outTime, before, after: zeros - before };
}

/** x `[batch][time][in]`, weight `[out][in][kernel]` to `[batch][outTime][out]`; differentiable. */
export function convolve(graph: Graph, x: Value, weight: Value, stride: number): Value {
  const [batch, time, inputs] = x.shape as [number, number, number];
  const [outputs, weightInputs, kernel] = weight.shape as [number, number, number];
  assert(weightInputs === inputs, `convolve: ${inputs} channels meet ${weightInputs}`);
  const { outTime, before } = paddingOf(time, kernel, stride);
  const rows = gatherRows(graph, x, readTimes({ time, outTime, before, kernel, stride }), kernel);
  const matrix = permuted(graph, weight, [0, 2, 1], [outputs, kernel * inputs]);
  const flat = graph.emit("Gemm", [rows, matrix], [batch * outTime, outputs], {
    transB: { integer: 1 },
  });
  const shape = [batch, outTime, outputs];
  const y = graph.emit("Reshape", [flat, graph.integers(shape)], shape);
  return graph.differentiable([x, weight], [y], ([g]) => {
    if (g === undefined) return [];
    const gradient = graph.emit("Reshape", [g, graph.integers(flat.shape)], flat.shape);
    const products = graph.emit("Gemm", [gradient, rows], matrix.shape, {
      transA: { integer: 1 },
    });
    const square = [outputs, kernel, inputs];
    const cube = graph.emit("Reshape", [products, graph.integers(square)], square);
    const byWeight = permuted(graph, cube, [0, 2, 1], weight.shape);
    if (!x.trains) return [undefined, byWeight];

    const times = writtenTimes({ time, outTime, before, kernel, stride });
    const readers = gatherRows(graph, g, times, kernel);
    const back = permuted(graph, weight, [2, 0, 1], [kernel * outputs, inputs]);
    const byX = graph.emit("Gemm", [readers, back], [batch * time, inputs]);
    return [graph.emit("Reshape", [byX, graph.integers(x.shape)], x.shape), byWeight];
  })[0] as Value;
}

/** x `[batch][time][channel]`, weight `[channel][kernel]`; differentiable. */
export function convolveDepthwise(graph: Graph, x: Value, weight: Value, stride: number): Value {
  const [channels, kernel] = weight.shape as [number, number];
  const ones = new Float32Array(channels * channels * kernel);
  for (let c = 0; c < channels; c++) {
    ones.fill(1, (c * channels + c) * kernel, (c * channels + c + 1) * kernel);
  }
  const diagonal = graph.constant([channels, channels, kernel], ones);
  const filters = multiply(graph, diagonal, reshape(graph, weight, [channels, 1, kernel]));
  return convolve(graph, x, filters, stride);
}

/** x `[batch][in][time]`, weight `[out][in / groups][kernel]` to `[batch][out][outTime]`; for
 * inference only. */
export function convolveFixed(
  graph: Graph,
  x: Value,
  weight: Value,
  stride: number,
  groups: number,
): Value {
  const [batch, , time] = x.shape as [number, number, number];
  const [outputs, , kernel] = weight.shape as [number, number, number];
  const { outTime, before, after } = paddingOf(time, kernel, stride);
  return graph.emit("Conv", [x, weight], [batch, outputs, outTime], {
    kernel_shape: { integers: [kernel] },
    strides: { integers: [stride] },
    pads: { integers: [before, after] },
    group: { integer: groups },
  });
}

type Geometry = {
  readonly time: number;
  readonly outTime: number;
  readonly before: number;
  readonly kernel: number;
  readonly stride: number;
};

/** For each output time and tap the input time that it reads; -1 where that is padding. */
function readTimes({ time, outTime, before, kernel, stride }: Geometry): number[] {
  return Array.from({ length: outTime * kernel }, (_, i) => {
    const t = Math.floor(i / kernel) * stride + (i % kernel) - before;
    return t >= 0 && t < time ? t : -1;
  });
}

/** For each input time and tap the output time that reads it with this tap; -1 where there is none. */
function writtenTimes({ time, outTime, before, kernel, stride }: Geometry): number[] {
  return Array.from({ length: time * kernel }, (_, i) => {
    const t = (Math.floor(i / kernel) + before - (i % kernel)) / stride;
    return Number.isInteger(t) && t >= 0 && t < outTime ? t : -1;
  });
}

/** Rows `[batch * times / kernel][kernel * channel]` of x `[batch][time][channel]`; zeros for -1. */
function gatherRows(graph: Graph, x: Value, times: readonly number[], kernel: number): Value {
  const [batch, time, channels] = x.shape as [number, number, number];
  const shape = [(batch * times.length) / kernel, kernel * channels];
  let gathered = x;
  if (times.length !== time || times.some((from, to) => from !== to)) {
    // A row of zeros behind the last sample stands for everything outside.
    const padded = times.includes(-1)
      ? graph.emit("Pad", [x, graph.integers([0, 0, 0, 0, 1, 0])], [batch, time + 1, channels])
      : x;
    const indices = graph.integers(times.map((t) => (t < 0 ? time : t)));
    gathered = graph.emit("Gather", [padded, indices], [batch, times.length, channels], {
      axis: { integer: 1 },
    });
  }
  return graph.emit("Reshape", [gathered, graph.integers(shape)], shape);
}

/** Transposed, then reshaped; no derivative of its own. */
function permuted(
  graph: Graph,
  x: Value,
  order: readonly number[],
  shape: readonly number[],
): Value {
  const moved = order.map((from) => x.shape[from] as number);
  const turned = graph.emit("Transpose", [x], moved, { perm: { integers: order } });
  return graph.emit("Reshape", [turned, graph.integers(shape)], shape);
}
