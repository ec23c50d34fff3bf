/**
 * The weights of a network as one flat vector, and where each tensor lies in it.
 *
 * The training step takes all weights as one input and gives all gradients as one output: a handful
 * of values crosses the border to the runtime at each step instead of hundreds, and the optimiser is
 * a single loop.
 */
import { assert } from "../assert.ts";
import type { Tensor } from "../model/student-spec.ts";
import { normal, prng } from "../prng.ts";
import { type Graph, sizeOf, type Value } from "./graph.ts";
import { reshape, split } from "./operations.ts";

export type Parameter = {
  readonly name: string;
  readonly shape: readonly number[];
  /** Standard deviation of the first values; 0 makes all of them `mean`. */
  readonly deviation: number;
  readonly mean: number;
  /** Whether weight decay pulls it to zero: weights yes, biases and normalisation no. */
  readonly decays: boolean;
};

/** A weight before ReLU (He et al., arXiv 1502.01852): variance `2 / inputs`. */
export function weight(name: string, shape: readonly number[], inputs: number): Parameter {
  return { name, shape, deviation: Math.sqrt(2 / inputs), mean: 0, decays: true };
}

/** A weight before something linear or saturating: variance `1 / inputs`. */
export function linearWeight(name: string, shape: readonly number[], inputs: number): Parameter {
  return { name, shape, deviation: Math.sqrt(1 / inputs), mean: 0, decays: true };
}

export function filled(name: string, shape: readonly number[], mean: number): Parameter {
  return { name, shape, deviation: 0, mean, decays: false };
}

/** First values, the same for the same seed whatever else the network has. */
export function initialValues(parameters: readonly Parameter[], seed: number): Float32Array {
  const flat = new Float32Array(countOf(parameters));
  let offset = 0;
  for (const { name, shape, deviation, mean } of parameters) {
    const random = prng(seed, name);
    const size = sizeOf(shape);
    for (let i = 0; i < size; i++) {
      flat[offset + i] = deviation === 0 ? mean : mean + deviation * normal(random);
    }
    offset += size;
  }
  return flat;
}

export function countOf(parameters: readonly Parameter[]): number {
  return parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/** The flat vector from tensors by name. */
export function flatten(
  parameters: readonly Parameter[],
  tensors: ReadonlyMap<string, Tensor>,
): Float32Array {
  const flat = new Float32Array(countOf(parameters));
  let offset = 0;
  for (const { name, shape } of parameters) {
    const tensor = tensors.get(name);
    assert(tensor?.shape.join() === shape.join(), `the tensor ${name} is [${shape.join()}]`);
    flat.set(tensor.data, offset);
    offset += tensor.data.length;
  }
  return flat;
}

/** Tensors by name from the flat vector, copied. */
export function unflatten(
  parameters: readonly Parameter[],
  flat: Float32Array,
): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  let offset = 0;
  for (const { name, shape } of parameters) {
    const size = sizeOf(shape);
    tensors.set(name, { shape, data: flat.slice(offset, offset + size) });
    offset += size;
  }
  return tensors;
}

/** The tensors as values of a graph, cut out of one flat input. */
export function parameterValues(
  graph: Graph,
  parameters: readonly Parameter[],
  flat: Value,
): Map<string, Value> {
  const pieces = split(
    graph,
    flat,
    0,
    parameters.map(({ shape }) => sizeOf(shape)),
  );
  return new Map(
    parameters.map(({ name, shape }, i) => [name, reshape(graph, pieces[i] as Value, shape)]),
  );
}
