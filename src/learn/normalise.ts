/**
 * Batch normalisation (Ioffe & Szegedy, arXiv 1502.03167) over batch and time.
 *
 * In training ONNX has no usable operator with a gradient, so mean and variance are reduced here and
 * handed to the inference operator, whose kernel reads and writes the tensor once.
 */
import type { Graph, Value } from "./graph.ts";

/** Added to the variance before its square root, in every normalisation. */
export const NORMALISE_EPSILON = 1e-5;

export type Normalised = {
  readonly y: Value;
  /** Of this batch, `[channel]`; the variance is the biased one. */
  readonly mean: Value;
  readonly variance: Value;
};

/** With the batch's own mean and variance. x is `[batch][channel][time]`, the rest `[channel]`. */
export function normaliseBatch(graph: Graph, x: Value, scale: Value, shift: Value): Normalised {
  const [batch, channels, time] = x.shape as [number, number, number];
  const per = [channels];
  const count = batch * time;
  const axes = graph.integers([0, 2]);
  const noKeep = { keepdims: { integer: 0 } };
  const mean = graph.emit("ReduceMean", [x], per, { axes: { integers: [0, 2] }, ...noKeep });
  const squares = graph.emit("Mul", [x, x], x.shape);
  const square = graph.emit("ReduceMean", [squares], per, {
    axes: { integers: [0, 2] },
    ...noKeep,
  });
  const rawVariance = graph.emit("Sub", [square, graph.emit("Mul", [mean, mean], per)], per);
  // Rounding can leave a tiny negative variance where a channel is constant.
  const variance = graph.emit("Relu", [rawVariance], per);
  const y = graph.emit("BatchNormalization", [x, scale, shift, mean, variance], x.shape, {
    epsilon: { float: NORMALISE_EPSILON },
  });

  const [out] = graph.differentiable([x, scale, shift], [y], ([g]) => {
    if (g === undefined) return [];
    const root = graph.emit(
      "Sqrt",
      [graph.emit("Add", [variance, graph.scalar(NORMALISE_EPSILON)], per)],
      per,
    );
    const inverse = graph.emit("Reciprocal", [root], per);
    const sum = graph.emit("ReduceSum", [g, axes], per, noKeep);
    const dot = graph.emit("ReduceSum", [graph.emit("Mul", [g, x], x.shape), axes], per, noKeep);
    // sum(g * xhat) = (sum(g x) - mean sum(g)) / sqrt(variance + epsilon)
    const centred = graph.emit("Sub", [dot, graph.emit("Mul", [mean, sum], per)], per);
    const scaleGradient = graph.emit("Mul", [centred, inverse], per);
    if (!x.trains) return [undefined, scaleGradient, sum];

    // dx = scale inverse (g - sum / n - xhat scaleGradient / n) = factor g + slope x + offset
    const factor = graph.emit("Mul", [scale, inverse], per);
    const each = graph.emit("Mul", [factor, graph.scalar(-1 / count)], per);
    const slope = graph.emit("Mul", [each, graph.emit("Mul", [scaleGradient, inverse], per)], per);
    const offset = graph.emit(
      "Sub",
      [graph.emit("Mul", [each, sum], per), graph.emit("Mul", [slope, mean], per)],
      per,
    );
    const column = (value: Value): Value =>
      graph.emit("Reshape", [value, graph.integers([channels, 1])], [channels, 1]);
    const ofX = graph.emit(
      "Add",
      [graph.emit("Mul", [x, column(slope)], x.shape), column(offset)],
      x.shape,
    );
    const ofG = graph.emit("Mul", [g, column(factor)], x.shape);
    return [graph.emit("Add", [ofG, ofX], x.shape), scaleGradient, sum];
  });
  return { y: out as Value, mean, variance };
}

/** With statistics that training left: for inference only. */
export function normaliseFixed(
  graph: Graph,
  x: Value,
  tensors: { scale: Value; shift: Value; mean: Value; variance: Value },
): Value {
  const { scale, shift, mean, variance } = tensors;
  return graph.emit("BatchNormalization", [x, scale, shift, mean, variance], x.shape, {
    epsilon: { float: NORMALISE_EPSILON },
  });
}
