/** What training makes small: cross-entropy against hard or soft targets, at a temperature. */
import type { Graph, Value } from "./graph.ts";

/**
 * Mean over the batch of `-sum_c target_c log softmax(logits / temperature)_c`, a scalar.
 *
 * `logits` and `target` are `[batch][class]`. A row of the target that sums to w weighs w: sample
 * weights, class weights and the factor T^2 of distillation (Hinton et al., arXiv 1503.02531, which
 * keeps the size of the gradient as T grows) travel inside the target.
 */
export function crossEntropy(
  graph: Graph,
  logits: Value,
  target: Value,
  temperature: number,
): Value {
  const [batch] = logits.shape as [number, number];
  const cooled =
    temperature === 1
      ? logits
      : graph.emit("Mul", [logits, graph.scalar(1 / temperature)], logits.shape);
  const logs = graph.emit("LogSoftmax", [cooled], logits.shape, { axis: { integer: 1 } });
  const each = graph.emit("Mul", [logs, target], logits.shape);
  const sum = graph.emit("ReduceSum", [each, graph.integers([0, 1])], [], {
    keepdims: { integer: 0 },
  });
  const loss = graph.emit("Mul", [sum, graph.scalar(-1 / batch)], []);
  return graph.differentiable([logits], [loss], ([g]) => {
    if (g === undefined) return [];
    // (softmax * weight - target) / (batch temperature)
    const weight = graph.emit("ReduceSum", [target, graph.integers([1])], [batch, 1], {
      keepdims: { integer: 1 },
    });
    const share = graph.emit(
      "Mul",
      [graph.emit("Exp", [logs], logits.shape), weight],
      logits.shape,
    );
    const slope = graph.emit("Sub", [share, target], logits.shape);
    const step = graph.emit("Mul", [g, graph.scalar(1 / (batch * temperature))], []);
    return [graph.emit("Mul", [slope, step], logits.shape)];
  })[0] as Value;
}
