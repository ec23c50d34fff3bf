/**
 * One-dimensional convolution and its gradients, dense and depthwise, on `[batch][channel][time]`.
 *
 * ONNX has no gradient operators. The gradient by the input is a transposed convolution of the
 * output's gradient with the same weights; the gradient by the weights is a convolution of the input
 * with the output's gradient as the kernel, batch and channels trading places (Dumoulin & Visin,
 * arXiv 1603.07285). Of the equivalent forms, those are used that measured fastest in ONNX Runtime.
 */
import { assert } from "../assert.ts";
import type { Graph, Value } from "./graph.ts";
import type { Attribute } from "./onnx-model.ts";

/** Zeros before and after so that `outTime = ceil(inTime / stride)`; the odd one goes to the end. */
export type Padding = { readonly outTime: number; readonly before: number; readonly after: number };

export function paddingOf(inTime: number, kernel: number, stride: number): Padding {
  const outTime = Math.ceil(inTime / stride);
  const zeros = Math.max(0, (outTime - 1) * stride + kernel - inTime);
  const before = Math.floor(zeros / 2);
  return { outTime, before, after: zeros - before };
}

/** x `[batch][in][time]`, weight `[out][in][kernel]` to `[batch][out][outTime]`. */
export function convolve(graph: Graph, x: Value, weight: Value, stride: number): Value {
  const [batch, inputs, time] = x.shape as [number, number, number];
  const [outputs, weightInputs, kernel] = weight.shape as [number, number, number];
  assert(weightInputs === inputs, `convolve: [${x.shape}] does not fit [${weight.shape}]`);
  const padding = paddingOf(time, kernel, stride);
  const y = graph.emit(
    "Conv",
    [x, weight],
    [batch, outputs, padding.outTime],
    convolutionAttributes(kernel, stride, padding, 1),
  );
  return graph.differentiable([x, weight], [y], ([g]) => [
    g && x.trains ? inputGradient(graph, g, weight, x, stride, padding, 1) : undefined,
    g && denseWeightGradient(graph, g, x, weight, stride, padding),
  ])[0] as Value;
}

/** x `[batch][channel][time]`, weight `[channel][kernel]` to `[batch][channel][outTime]`. */
export function convolveDepthwise(graph: Graph, x: Value, weight: Value, stride: number): Value {
  const [batch, channels, time] = x.shape as [number, number, number];
  const kernel = weight.shape[1] as number;
  assert(weight.shape[0] === channels, `depthwise: [${x.shape}] does not fit [${weight.shape}]`);
  const padding = paddingOf(time, kernel, stride);
  const shape = graph.integers([channels, 1, kernel]);
  const filters = graph.emit("Reshape", [weight, shape], [channels, 1, kernel]);
  const y = graph.emit(
    "Conv",
    [x, filters],
    [batch, channels, padding.outTime],
    convolutionAttributes(kernel, stride, padding, channels),
  );
  return graph.differentiable([x, weight], [y], ([g]) => [
    g && x.trains ? inputGradient(graph, g, filters, x, stride, padding, channels) : undefined,
    g && depthwiseWeightGradient(graph, g, x, weight, stride, padding),
  ])[0] as Value;
}

function inputGradient(
  graph: Graph,
  g: Value,
  weight: Value,
  x: Value,
  stride: number,
  padding: Padding,
  groups: number,
): Value {
  const kernel = weight.shape[2] as number;
  const time = x.shape[2] as number;
  // Samples at the end which no window of the kernel reached: their gradient is zero.
  const reached = (padding.outTime - 1) * stride + kernel - padding.before - padding.after;
  return graph.emit("ConvTranspose", [g, weight], x.shape, {
    ...convolutionAttributes(kernel, stride, padding, groups),
    output_padding: { integers: [time - reached] },
  });
}

function denseWeightGradient(
  graph: Graph,
  g: Value,
  x: Value,
  weight: Value,
  stride: number,
  padding: Padding,
): Value {
  const [batch, inputs] = x.shape as [number, number];
  const [outputs, , kernel] = weight.shape as [number, number, number];
  const swap = { perm: { integers: [1, 0, 2] } };
  const lags = lagsOf(graph, x, kernel, stride, padding);
  const image = graph.emit("Transpose", [lags.x], [inputs, batch, lags.time], swap);
  const kernelImage = graph.emit("Transpose", [g], [outputs, batch, padding.outTime], swap);
  const correlation = graph.emit("Conv", [image, kernelImage], [inputs, outputs, kernel], {
    kernel_shape: { integers: [padding.outTime] },
    dilations: { integers: [stride] },
    pads: { integers: [padding.before, lags.end] },
  });
  return graph.emit("Transpose", [correlation], weight.shape, swap);
}

function depthwiseWeightGradient(
  graph: Graph,
  g: Value,
  x: Value,
  weight: Value,
  stride: number,
  padding: Padding,
): Value {
  const [batch, channels] = x.shape as [number, number];
  const kernel = weight.shape[1] as number;
  const swap = { perm: { integers: [1, 0, 2] } };
  const lags = lagsOf(graph, x, kernel, stride, padding);
  const row = [1, channels * batch, lags.time];
  const turned = graph.emit("Transpose", [lags.x], [channels, batch, lags.time], swap);
  const image = graph.emit("Reshape", [turned, graph.integers(row)], row);
  const kernelImage = graph.emit("Transpose", [g], [channels, batch, padding.outTime], swap);
  const correlation = graph.emit("Conv", [image, kernelImage], [1, channels, kernel], {
    kernel_shape: { integers: [padding.outTime] },
    dilations: { integers: [stride] },
    pads: { integers: [padding.before, lags.end] },
    group: { integer: channels },
  });
  return graph.emit("Reshape", [correlation, graph.integers(weight.shape)], weight.shape);
}

/** The input and the zeros behind it that give the correlation exactly `kernel` lags; last samples
 * that no window of the kernel read are cut off. */
function lagsOf(
  graph: Graph,
  x: Value,
  kernel: number,
  stride: number,
  padding: Padding,
): { readonly x: Value; readonly time: number; readonly end: number } {
  const [batch, channels, time] = x.shape as [number, number, number];
  const end = (padding.outTime - 1) * stride + kernel - time - padding.before;
  if (end >= 0) return { x, time, end };
  const read = time + end;
  const cut = graph.emit(
    "Slice",
    [x, graph.integers([0]), graph.integers([read]), graph.integers([2])],
    [batch, channels, read],
  );
  return { x: cut, time: read, end: 0 };
}

function convolutionAttributes(
  kernel: number,
  stride: number,
  padding: Padding,
  groups: number,
): Record<string, Attribute> {
  return {
    kernel_shape: { integers: [kernel] },
    strides: { integers: [stride] },
    pads: { integers: [padding.before, padding.after] },
    group: { integer: groups },
  };
}
