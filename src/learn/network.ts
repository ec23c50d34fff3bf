/**
 * What a trainable network is to the trainer: its weights, its normalisations, its forward pass.
 *
 * The forward pass is written once and used twice: in training, where normalisation takes the
 * batch's statistics and hands them out, and in inference, where it takes those that training left.
 */
import { assert } from "../assert.ts";
import type { Tensor } from "../model/student-spec.ts";
import type { Graph, Value } from "./graph.ts";
import { normaliseBatch, normaliseFixed } from "./normalise.ts";
import { filled, type Parameter } from "./parameters.ts";

/** What a forward pass may ask for. */
export type Weights = {
  tensor(name: string): Value;
  /** Batch normalisation `name`: x is `[batch][channel][time]`. */
  normalise(name: string, x: Value): Value;
};

export type Network = {
  readonly windowSamples: number;
  readonly channels: number;
  readonly classes: number;
  readonly parameters: readonly Parameter[];
  /** Names and widths of the normalisations, in the order of their statistics. */
  readonly normalisations: readonly Normalisation[];
  /** window `[batch][time][channel]` in g; logits `[batch][class]` per exit, and the features that
   * the last exit's head reads. */
  forward(graph: Graph, window: Value, weights: Weights): Outputs;
};

export type Normalisation = { readonly name: string; readonly channels: number };
export type Outputs = { readonly logits: readonly Value[]; readonly features: Value };

/** Scale and shift of a normalisation; its mean and variance are statistics, not parameters. */
export function normalisationParameters({ name, channels }: Normalisation): Parameter[] {
  return [filled(`${name}.scale`, [channels], 1), filled(`${name}.shift`, [channels], 0)];
}

/** Weights in training. Fills `statistics` with mean and variance, normalisation by normalisation,
 * in the order in which the forward pass meets them. */
export function trainingWeights(
  graph: Graph,
  values: ReadonlyMap<string, Value>,
  statistics: { name: string; mean: Value; variance: Value }[],
): Weights {
  const tensor = (name: string): Value => known(values, name);
  return {
    tensor,
    normalise(name, x) {
      const normalised = normaliseBatch(graph, x, tensor(`${name}.scale`), tensor(`${name}.shift`));
      statistics.push({ name, mean: normalised.mean, variance: normalised.variance });
      return normalised.y;
    },
  };
}

/** Weights in inference: constants of the model, under their own names. */
export function inferenceWeights(graph: Graph, tensors: ReadonlyMap<string, Tensor>): Weights {
  const values = new Map<string, Value>();
  const tensor = (name: string): Value => {
    const { shape, data } = known(tensors, name);
    const value = values.get(name) ?? graph.constant(shape, data, name);
    values.set(name, value);
    return value;
  };
  return {
    tensor,
    normalise: (name, x) =>
      normaliseFixed(graph, x, {
        scale: tensor(`${name}.scale`),
        shift: tensor(`${name}.shift`),
        mean: tensor(`${name}.mean`),
        variance: tensor(`${name}.variance`),
      }),
  };
}

function known<T>(map: ReadonlyMap<string, T>, name: string): T {
  const value = map.get(name);
  assert(value !== undefined, `the network has a tensor ${name}`);
  return value;
}
