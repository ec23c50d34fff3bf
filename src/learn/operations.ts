/**
 * The plain operations with their derivatives: arithmetic, activations, products, shapes.
 *
 * Each takes the graph and values and returns a value; forward sits next to backward.
 */
import { assert } from "../assert.ts";
import { type Graph, sizeOf, type Value } from "./graph.ts";
import { BATCH } from "./onnx-model.ts";

/** a + b, where b may be broadcast over a (ONNX rules; b has the shape of a's last dimensions, with
 * ones where it is repeated). */
export function add(graph: Graph, a: Value, b: Value): Value {
  const sum = graph.emit("Add", [a, b], a.shape);
  return only(
    graph.differentiable([a, b], [sum], ([g]) => [g, g && b.trains ? unbroadcast(graph, g, b) : g]),
  );
}

/** a - b, both of one shape. */
export function subtract(graph: Graph, a: Value, b: Value): Value {
  const difference = graph.emit("Sub", [a, b], a.shape);
  return only(
    graph.differentiable([a, b], [difference], ([g]) => [
      g,
      g && b.trains ? graph.emit("Neg", [g], g.shape) : undefined,
    ]),
  );
}

/** a * b; b may be broadcast over a. */
export function multiply(graph: Graph, a: Value, b: Value): Value {
  const product = graph.emit("Mul", [a, b], a.shape);
  return only(
    graph.differentiable([a, b], [product], ([g]) => [
      g && a.trains ? graph.emit("Mul", [g, b], a.shape) : undefined,
      g && b.trains ? unbroadcast(graph, graph.emit("Mul", [g, a], a.shape), b) : undefined,
    ]),
  );
}

export function relu(graph: Graph, x: Value): Value {
  const y = graph.emit("Relu", [x], x.shape);
  return only(
    graph.differentiable([x], [y], ([g]) => [
      // Sign(y) is 0 or 1 since y is not negative; it is a fast vector kernel, a comparison is not.
      g && graph.emit("Mul", [g, graph.emit("Sign", [y], x.shape)], x.shape),
    ]),
  );
}

export function sigmoid(graph: Graph, x: Value): Value {
  const y = graph.emit("Sigmoid", [x], x.shape);
  return only(
    graph.differentiable([x], [y], ([g]) => {
      const slope = graph.emit(
        "Mul",
        [y, graph.emit("Sub", [graph.scalar(1), y], x.shape)],
        x.shape,
      );
      return [g && graph.emit("Mul", [g, slope], x.shape)];
    }),
  );
}

export function tanh(graph: Graph, x: Value): Value {
  const y = graph.emit("Tanh", [x], x.shape);
  return only(
    graph.differentiable([x], [y], ([g]) => {
      const square = graph.emit("Mul", [y, y], x.shape);
      const slope = graph.emit("Sub", [graph.scalar(1), square], x.shape);
      return [g && graph.emit("Mul", [g, slope], x.shape)];
    }),
  );
}

/** x `[rows][inputs]` times weight `[outputs][inputs]` transposed, plus bias `[outputs]`. */
export function dense(graph: Graph, x: Value, weight: Value, bias?: Value): Value {
  const [rows, inputs] = x.shape as [number, number];
  const outputs = weight.shape[0] as number;
  assert(
    weight.shape[1] === inputs,
    `dense: [${x.shape.join()}] does not fit [${weight.shape.join()}]`,
  );
  const given = bias === undefined ? [x, weight] : [x, weight, bias];
  const y = graph.emit("Gemm", given, [rows, outputs], { transB: { integer: 1 } });
  return only(
    graph.differentiable(given, [y], ([g]) => {
      if (g === undefined) return [];
      return [
        x.trains ? graph.emit("Gemm", [g, weight], x.shape) : undefined,
        graph.emit("Gemm", [g, x], weight.shape, { transA: { integer: 1 } }),
        bias && unbroadcast(graph, g, bias),
      ];
    }),
  );
}

/** Mean over one dimension, which goes away. */
export function meanOver(graph: Graph, x: Value, dimension: number): Value {
  const count = x.shape[dimension] as number;
  const shape = x.shape.toSpliced(dimension, 1);
  const mean = graph.emit("ReduceMean", [x], shape, {
    axes: { integers: [dimension] },
    keepdims: { integer: 0 },
  });
  return only(
    graph.differentiable([x], [mean], ([g]) => {
      if (g === undefined) return [];
      const share = graph.emit("Mul", [g, graph.scalar(1 / count)], shape);
      const thin = rawReshape(graph, share, x.shape.with(dimension, 1));
      return [graph.emit("Expand", [thin, graph.integers(x.shape)], x.shape)];
    }),
  );
}

export function reshape(graph: Graph, x: Value, shape: readonly number[]): Value {
  const y = rawReshape(graph, x, shape);
  return only(graph.differentiable([x], [y], ([g]) => [g && rawReshape(graph, g, x.shape)]));
}

/** `order[i]` is the dimension of x that becomes dimension i. */
export function transpose(graph: Graph, x: Value, order: readonly number[]): Value {
  const shape = order.map((from) => x.shape[from] as number);
  const y = graph.emit("Transpose", [x], shape, { perm: { integers: order } });
  const back = order.map((_, i) => order.indexOf(i));
  return only(
    graph.differentiable([x], [y], ([g]) => [
      g && graph.emit("Transpose", [g], x.shape, { perm: { integers: back } }),
    ]),
  );
}

/** Cuts x along a dimension into parts of the given sizes. */
export function split(
  graph: Graph,
  x: Value,
  dimension: number,
  sizes: readonly number[],
): readonly Value[] {
  const shapes = sizes.map((size) => x.shape.with(dimension, size));
  const parts = graph.emitAll("Split", [x, graph.integers(sizes)], shapes, {
    axis: { integer: dimension },
  });
  return graph.differentiable([x], parts, (gradients) => {
    const whole = gradients.map(
      (gradient, i) => gradient ?? zeros(graph, shapes[i] as readonly number[]),
    );
    return [graph.emit("Concat", whole, x.shape, { axis: { integer: dimension } })];
  });
}

/** Sum of scalars or of values of one shape. */
export function sumOf(graph: Graph, values: readonly Value[]): Value {
  return values.reduce((sum, value) => add(graph, sum, value));
}

/** x times a fixed number. */
export function scale(graph: Graph, x: Value, factor: number): Value {
  return factor === 1 ? x : multiply(graph, x, graph.scalar(factor));
}

function rawReshape(graph: Graph, x: Value, shape: readonly number[]): Value {
  // The open batch is -1 in ONNX's Reshape as well: "whatever is left".
  return graph.emit("Reshape", [x, graph.integers(shape)], shape);
}

function zeros(graph: Graph, shape: readonly number[]): Value {
  return graph.constant(shape, new Float32Array(sizeOf(shape)));
}

/** Sums a gradient over the dimensions along which `of` was repeated. */
function unbroadcast(graph: Graph, gradient: Value, of: Value): Value {
  if (gradient.shape.join() === of.shape.join()) return gradient;
  const lead = gradient.shape.length - of.shape.length;
  const axes = gradient.shape
    .map((_, i) => i)
    .filter((i) => i < lead || (of.shape[i - lead] === 1 && gradient.shape[i] !== 1));
  const sum = graph.emit("ReduceSum", [gradient, graph.integers(axes)], of.shape, {
    keepdims: { integer: 0 },
  });
  assert(!of.shape.includes(BATCH), "gradients need a known batch");
  return rawReshape(graph, sum, of.shape);
}

function only(values: readonly Value[]): Value {
  return values[0] as Value;
}
