/**
 * The layers of a student in training as its integers will be: weights, biases and activations on
 * the steps that quantization gives them, normalisation folded with the statistics that training
 * left (Jacob et al., arXiv 1712.05877, section 3.2, with frozen statistics).
 *
 * What it leaves out is the fine print of a GRU: pre-activations in steps of 2^-12 within +-8, a
 * state in steps of 2^-15, and tables in place of sigmoid and tanh.
 */
import { assert } from "../assert.ts";
import { BIAS_MAX, largestWeight } from "../model/quantize-rows.ts";
import { type ActivationScales, STATE_FEATURE_SCALE } from "../model/quantize-trace.ts";
import type { Tensor } from "../model/student-spec.ts";
import { convolve, convolveDepthwise } from "./convolution.ts";
import { fakeQuantize } from "./fake-quantize.ts";
import type { Graph, Value } from "./graph.ts";
import { known, type Layers } from "./network.ts";
import { NORMALISE_EPSILON } from "./normalise.ts";
import { add, meanOver, multiply, relu, reshape, subtract } from "./operations.ts";

export type QuantizedLayers = {
  /** The weights in training, by tensor name. */
  readonly values: ReadonlyMap<string, Value>;
  /** `[row]` steps of weights and of biases, by `<layer>.weight` and `<layer>.bias`. */
  readonly steps: ReadonlyMap<string, Value>;
  /** Mean and variance of each normalisation among others. */
  readonly statistics: ReadonlyMap<string, Tensor>;
  readonly scales: ActivationScales;
  /** What a step of the window is worth, in g. */
  readonly inputScale: number;
  readonly weightBits: number;
};

export function quantizedLayers(graph: Graph, given: QuantizedLayers): Layers {
  const largest = largestWeight(given.weightBits);
  const onSteps = (x: Value, name: string, most: number): Value => {
    const rows = x.shape[0] as number;
    const steps = known(given.steps, name);
    const broad = reshape(graph, steps, [rows, ...x.shape.slice(1).map(() => 1)]);
    return fakeQuantize(graph, x, broad, -most, most);
  };
  const activation = (x: Value, name: string, low: number): Value =>
    fakeQuantize(graph, x, graph.scalar(given.scales.get(name) ?? STATE_FEATURE_SCALE), low, 127);
  /** Weight times the factor of the normalisation behind it. */
  const folded = (name: string): Value => {
    const weight = known(given.values, name);
    const factor = foldFactor(graph, given, name.replace(/weight$/, "normalise"));
    const rows = weight.shape[0] as number;
    const broad = reshape(graph, factor, [rows, ...weight.shape.slice(1).map(() => 1)]);
    return onSteps(multiply(graph, weight, broad), name, largest);
  };
  return {
    tensor: (name) =>
      onSteps(known(given.values, name), name, name.endsWith(".bias") ? BIAS_MAX : largest),
    enter: (window) => fakeQuantize(graph, window, graph.scalar(given.inputScale), -128, 127),
    convolve: (x, name, stride) => {
      const weight = folded(name);
      const cube =
        weight.shape.length === 3 ? weight : reshape(graph, weight, [...weight.shape, 1]);
      return convolve(graph, x, cube, stride);
    },
    convolveDepthwise: (x, name, stride) => convolveDepthwise(graph, x, folded(name), stride),
    normalise: (x, name) => {
      const shift = known(given.values, `${name}.shift`);
      const { shape, data } = known(given.statistics, `${name}.mean`);
      const factor = foldFactor(graph, given, name);
      const offset = multiply(graph, factor, graph.constant(shape, data));
      const bias = subtract(graph, shift, offset);
      return add(graph, x, onSteps(bias, name.replace(/normalise$/, "bias"), BIAS_MAX));
    },
    activate: (x, name) => activation(relu(graph, x), name, 0),
    meanOverTime: (x) => meanOver(graph, x, 1),
    features: (x, name) => activation(x, name, -128),
  };
}

/** scale / sqrt(variance + epsilon), `[channel]`. */
function foldFactor(graph: Graph, given: QuantizedLayers, name: string): Value {
  const { shape, data } = known(given.statistics, `${name}.variance`);
  assert(shape.length === 1, "one variance per channel");
  const inverse = data.map((variance) => 1 / Math.sqrt(variance + NORMALISE_EPSILON));
  return multiply(graph, known(given.values, `${name}.scale`), graph.constant(shape, inverse));
}
