/**
 * Rounding to the steps of an integer in the middle of a float graph, so that training feels it.
 *
 * Forward it is what the integer engine does: the nearest whole step, half up, saturated. Backward it
 * is the straight-through estimator (Bengio et al., arXiv 1308.3432, section 4; for quantization
 * Jacob et al., arXiv 1712.05877, section 3): as if there were no rounding, and no gradient where the
 * value saturates.
 */
import type { Graph, Value } from "./graph.ts";

/** Sums of powers of two are often exactly half a step; a float sum that falls short of it by its own
 * rounding must not go down where the integer goes up. */
const HALF = 0.5 + 2 ** -15;

/**
 * `scale * clip(floor(x / scale + HALF), low, high)`.
 *
 * `scale` is positive and fixed, a scalar or broadcast over x as ONNX does; `low` and `high` count
 * steps.
 */
export function fakeQuantize(
  graph: Graph,
  x: Value,
  scale: Value,
  low: number,
  high: number,
): Value {
  const steps = graph.emit("Div", [x, scale], x.shape);
  const nearest = graph.emit(
    "Floor",
    [graph.emit("Add", [steps, graph.scalar(HALF)], x.shape)],
    x.shape,
  );
  const kept = graph.emit("Clip", [nearest, graph.scalar(low), graph.scalar(high)], x.shape);
  const y = graph.emit("Mul", [kept, scale], x.shape);
  return graph.differentiable([x], [y], ([g]) => {
    if (g === undefined) return [];
    // What clipping took away is 0 or a whole number: its sign says where.
    const lost = graph.emit("Sub", [nearest, kept], x.shape);
    const saturated = graph.emit("Abs", [graph.emit("Sign", [lost], x.shape)], x.shape);
    const passes = graph.emit("Sub", [graph.scalar(1), saturated], x.shape);
    return [graph.emit("Mul", [g, passes], x.shape)];
  })[0] as Value;
}
