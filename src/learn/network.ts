/**
 * What a trainable network is to the trainer: its weights, its normalisations, its forward pass.
 *
 * The forward pass is written once and used twice. In training it works on `[batch][time][channel]`,
 * has derivatives, and normalisation takes the batch's statistics and hands them out; in inference it
 * works on `[batch][channel][time]` with the statistics that training left.
 */
import { assert } from "../assert.ts";
import type { Tensor } from "../model/student-spec.ts";
import { convolve, convolveDepthwise, convolveFixed } from "./convolution.ts";
import type { Graph, Value } from "./graph.ts";
import { normaliseBatch, normaliseFixed } from "./normalise.ts";
import { meanOver, relu, reshape, transpose } from "./operations.ts";
import { filled, type Parameter } from "./parameters.ts";

/** The layers that a forward pass is made of; `name`s are tensor names. */
export type Layers = {
  tensor(name: string): Value;
  /** A window `[batch][time][channel]` in the layout of these layers. */
  enter(window: Value): Value;
  /** Weight `[out][in][kernel]`, or `[out][in]` for kernel 1. */
  convolve(x: Value, name: string, stride: number): Value;
  /** Weight `[channel][kernel]`. */
  convolveDepthwise(x: Value, name: string, stride: number): Value;
  normalise(x: Value, name: string): Value;
  /** ReLU; `name` is the layer's. */
  activate(x: Value, name: string): Value;
  /** `[batch][channel]` */
  meanOverTime(x: Value): Value;
  /** What an exit reads, `[batch][feature]`, on its way there: a node rounds it. */
  features(x: Value, name: string): Value;
};

export type Network = {
  readonly windowSamples: number;
  readonly channels: number;
  readonly classes: number;
  readonly parameters: readonly Parameter[];
  /** Names and widths of the normalisations, in the order of their statistics. */
  readonly normalisations: readonly Normalisation[];
  /** window `[batch][time][channel]` in g. */
  forward(graph: Graph, window: Value, layers: Layers): Outputs;
};

export type Normalisation = { readonly name: string; readonly channels: number };
export type Outputs = {
  /** `[batch][class]` per exit. */
  readonly logits: readonly Value[];
  /** What the last exit's head reads, `[batch][feature]`. */
  readonly features: Value;
};

/** Scale and shift of a normalisation; its mean and variance are statistics, not parameters. */
export function normalisationParameters({ name, channels }: Normalisation): Parameter[] {
  return [filled(`${name}.scale`, [channels], 1), filled(`${name}.shift`, [channels], 0)];
}

/** Layers in training. Fills `statistics` with `[channel]` means and variances by name. */
export function trainingLayers(
  graph: Graph,
  values: ReadonlyMap<string, Value>,
  statistics: Map<string, { readonly mean: Value; readonly variance: Value }>,
): Layers {
  const tensor = (name: string): Value => known(values, name);
  return {
    tensor,
    enter: (window) => window,
    convolve: (x, name, stride) => {
      const weight = tensor(name);
      const cube =
        weight.shape.length === 3 ? weight : reshape(graph, weight, [...weight.shape, 1]);
      return convolve(graph, x, cube, stride);
    },
    convolveDepthwise: (x, name, stride) => convolveDepthwise(graph, x, tensor(name), stride),
    normalise(x, name) {
      const { y, mean, variance } = normaliseBatch(
        graph,
        x,
        tensor(`${name}.scale`),
        tensor(`${name}.shift`),
      );
      statistics.set(name, { mean, variance });
      return y;
    },
    activate: (x) => relu(graph, x),
    meanOverTime: (x) => meanOver(graph, x, 1),
    features: (x) => x,
  };
}

/** Layers in inference: the tensors are constants of the model, under their own names. */
export function inferenceLayers(graph: Graph, tensors: ReadonlyMap<string, Tensor>): Layers {
  const values = new Map<string, Value>();
  const tensor = (name: string): Value => {
    const { shape, data } = known(tensors, name);
    const value = values.get(name) ?? graph.constant(shape, data, name);
    values.set(name, value);
    return value;
  };
  return {
    tensor,
    enter: (window) => transpose(graph, window, [0, 2, 1]),
    convolve: (x, name, stride) => {
      const weight = tensor(name);
      const cube =
        weight.shape.length === 3 ? weight : reshape(graph, weight, [...weight.shape, 1]);
      return convolveFixed(graph, x, cube, stride, 1);
    },
    convolveDepthwise: (x, name, stride) => {
      const weight = tensor(name);
      const [channels, kernel] = weight.shape as [number, number];
      const cube = reshape(graph, weight, [channels, 1, kernel]);
      return convolveFixed(graph, x, cube, stride, channels);
    },
    normalise: (x, name) =>
      normaliseFixed(graph, x, {
        scale: tensor(`${name}.scale`),
        shift: tensor(`${name}.shift`),
        mean: tensor(`${name}.mean`),
        variance: tensor(`${name}.variance`),
      }),
    activate: (x) => relu(graph, x),
    meanOverTime: (x) => meanOver(graph, x, 2),
    features: (x) => x,
  };
}

/** The entry, which must be there. */
export function known<T>(map: ReadonlyMap<string, T>, name: string): T {
  const value = map.get(name);
  assert(value !== undefined, `the network has a tensor ${name}`);
  return value;
}
