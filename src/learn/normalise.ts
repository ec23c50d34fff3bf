/**
 * Batch normalisation (Ioffe & Szegedy, arXiv 1502.03167) over batch and time.
 *
 * ONNX has no operator for it with a gradient, so in training it is reductions and arithmetic on
 * `[batch][time][channel]`; in inference it is the standard operator on `[batch][channel][time]`.
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

/** With the batch's own mean and variance; scale and shift are `[channel]`. Differentiable. */
export function normaliseBatch(graph: Graph, x: Value, scale: Value, shift: Value): Normalised {
  const per = scale.shape;
  const mean = meanOfRows(graph, x);
  const square = meanOfRows(graph, graph.emit("Mul", [x, x], x.shape));
  const difference = graph.emit("Sub", [square, graph.emit("Mul", [mean, mean], per)], per);
  // Rounding can leave a tiny negative variance where a channel is constant.
  const variance = graph.emit("Relu", [difference], per);
  const padded = graph.emit("Add", [variance, graph.scalar(NORMALISE_EPSILON)], per);
  const inverse = graph.emit("Reciprocal", [graph.emit("Sqrt", [padded], per)], per);
  const factor = graph.emit("Mul", [scale, inverse], per);
  const offset = graph.emit("Sub", [shift, graph.emit("Mul", [mean, factor], per)], per);
  const y = lineOf(graph, x, factor, offset);

  const [out] = graph.differentiable([x, scale, shift], [y], ([g]) => {
    if (g === undefined) return [];
    return normaliseGradients(graph, x, g, { mean, inverse, factor });
  });
  return { y: out as Value, mean, variance };
}

/** With statistics that training left; x is `[batch][channel][time]`. For inference only. */
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

function normaliseGradients(
  graph: Graph,
  x: Value,
  g: Value,
  forward: { mean: Value; inverse: Value; factor: Value },
): (Value | undefined)[] {
  const { mean, inverse, factor } = forward;
  const per = mean.shape;
  const rows = x.shape.slice(0, -1).reduce((a, b) => a * b, 1);
  const sum = sumOfRows(graph, g);
  const dot = sumOfRows(graph, graph.emit("Mul", [g, x], x.shape));
  // sum(g * xhat) = (sum(g x) - mean sum(g)) / sqrt(variance + epsilon)
  const centred = graph.emit("Sub", [dot, graph.emit("Mul", [mean, sum], per)], per);
  const byScale = graph.emit("Mul", [centred, inverse], per);
  if (!x.trains) return [undefined, byScale, sum];

  // dx = factor (g - sum / n - xhat byScale / n) = factor g + slope x + offset
  const each = graph.emit("Mul", [factor, graph.scalar(-1 / rows)], per);
  const slope = graph.emit("Mul", [each, graph.emit("Mul", [byScale, inverse], per)], per);
  const offset = graph.emit(
    "Sub",
    [graph.emit("Mul", [each, sum], per), graph.emit("Mul", [slope, mean], per)],
    per,
  );
  const ofG = graph.emit("Mul", [g, factor], x.shape);
  const byX = graph.emit("Add", [ofG, lineOf(graph, x, slope, offset)], x.shape);
  return [byX, byScale, sum];
}

/** slope x + offset, channel by channel. */
function lineOf(graph: Graph, x: Value, slope: Value, offset: Value): Value {
  return graph.emit("Add", [graph.emit("Mul", [x, slope], x.shape), offset], x.shape);
}

function meanOfRows(graph: Graph, x: Value): Value {
  return graph.emit("ReduceMean", [x], x.shape.slice(-1), {
    axes: { integers: [0, 1] },
    keepdims: { integer: 0 },
  });
}

function sumOfRows(graph: Graph, x: Value): Value {
  return graph.emit("ReduceSum", [x, graph.integers([0, 1])], x.shape.slice(-1), {
    keepdims: { integer: 0 },
  });
}
