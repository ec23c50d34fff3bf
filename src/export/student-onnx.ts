/**
 * A student as an ONNX file in QDQ form, to look at in Netron and to run elsewhere.
 *
 * Input is `window`, float32 `[batch][samples][channels]` in g; outputs are `exit1_logits` and so on,
 * float32 `[batch][classes]`. Weights and biases are the container's integers, each behind a
 * DequantizeLinear; activations of convolutional students go through int8 wherever the node's do.
 *
 * It is close to the node, not equal to it. QuantizeLinear rounds in float32, and halves to even
 * where the node rounds them up (made up for where rescalings are shifts); logits are neither rounded to
 * 1/256 nor saturated; there is no early stop; and in a GRU all between the weights is float.
 * docs/RESULTS.md says how far that goes. A float model also has units, which integers have not:
 * the steps of activations between the layers are chosen here.
 */

import { BATCH, onnxModel } from "../learn/onnx-model.ts";
import {
  MULTIPLIER_MIN,
  requantizationFactor,
  requantizationFactors,
} from "../model/requantize.ts";
import type {
  ConvLayer,
  DenseLayer,
  DepthwiseLayer,
  ExitHead,
  GruLayer,
  Requantization,
  Stage,
} from "../model/student.ts";
import { marginSamples } from "../model/student-cost.ts";
import type { ExportFacts } from "./c-facts.ts";
import { OnnxParts } from "./onnx-parts.ts";

/** A float tensor in the graph and what one step of its integers is worth. */
type Activation = { readonly name: string; readonly step: number; readonly time: number };

/** Any would do, as only ratios of steps are in a container: this one keeps values about 1. */
const ACTIVATION_STEP = 2 ** -6;
const FEATURE_STEP_OF_STATE = 2 ** -7;
const LOGIT_STEP = 2 ** -8;
/** Of the GRU's pre-activations, Q3.12, and of its state, Q15. */
const GATE_STEP = 2 ** -12;
const STATE_STEP = 2 ** -15;

/** The bytes of a ModelProto, opset 17. */
export function exportOnnx({ container, modelId }: Omit<ExportFacts, "name">): Uint8Array {
  const { student } = container;
  const parts = new OnnxParts();
  const step = container.inputMilligPerStep / 1000;
  const window = parts.throughInt8("window_quantized", "window", step);
  const isGru = student.stages[0]?.layers[0]?.kind === "gru";
  const exits = isGru
    ? gruExits(parts, student.stages, { name: window, step, time: student.windowSamples })
    : convolutionExits(parts, student.stages, {
        name: transposed(parts, "window_channels_first", window, [0, 2, 1]),
        step,
        time: student.windowSamples,
      });
  student.stages.forEach(({ exit }, s) => {
    const logits = head(parts, exit, s, exits[s] as Activation);
    parts.outputs.push({ name: logits, shape: [BATCH, student.classes] });
  });
  return onnxModel({
    nodes: parts.nodes,
    constants: parts.constants,
    inputs: [{ name: "window", shape: [BATCH, student.windowSamples, student.channels] }],
    outputs: parts.outputs,
    metadata: {
      model: modelId,
      cohort: container.cohort,
      classes: JSON.stringify(container.classes),
      rateHz: String(container.rateCentihertz / 100),
      hopSamples: String(container.hopSamples),
      inputUnit: "g",
      inputMilligPerStep: String(container.inputMilligPerStep),
      activations: isGru
        ? "float between the GRU's int8 weights; int8 from the exits' features on"
        : "int8, rounded half to even",
      exactness: "close to the node, whose bits are defined by its container",
    },
  });
}

function convolutionExits(
  parts: OnnxParts,
  stages: readonly Stage[],
  window: Activation,
): readonly Activation[] {
  let activation = window;
  return stages.map((stage, s) => {
    stage.layers.forEach((layer, l) => {
      if (layer.kind === "gru") return;
      activation = convolution(parts, `stage${s}_layer${l}`, layer, activation);
    });
    return meanOverTime(parts, stage.exit, s, activation);
  });
}

function convolution(
  parts: OnnxParts,
  name: string,
  layer: ConvLayer | DepthwiseLayer,
  input: Activation,
): Activation {
  const { kernel, stride, padLeft, outTime, bias, requantization } = layer;
  const step = ACTIVATION_STEP;
  const scales = requantizationFactors(requantization).map(
    (factor) => (factor * step) / input.step,
  );
  const [groups, columns] = layer.kind === "conv" ? [1, layer.inChannels] : [layer.channels, 1];
  const weights = parts.dequantized(
    `${name}_weights`,
    [bias.length, columns, kernel],
    channelsFirst(layer, columns),
    scales,
    0,
  );
  const sumScales = scales.map((scale) => scale * input.step);
  const biases = parts.dequantized(`${name}_bias`, [bias.length], bias, sumScales, 0);
  const pads = [padLeft, marginSamples(layer) - padLeft];
  const sums = parts.node("Conv", `${name}_sums`, [input.name, weights, biases], {
    group: { integer: groups },
    kernel_shape: { integers: [kernel] },
    strides: { integers: [stride] },
    pads: { integers: pads },
  });
  const relu = parts.node("Relu", `${name}_relu`, [sums]);
  const positive = raised(parts, name, relu, [bias.length, 1], sumScales, requantization);
  return { name: parts.throughInt8(name, positive, step), step, time: outTime };
}

/** To `[output][input][kernel]`, from `[output][kernel][input]` and from `[kernel][channel]`. */
function channelsFirst(layer: ConvLayer | DepthwiseLayer, columns: number): Int8Array {
  const { kernel, weights, bias } = layer;
  const rows = bias.length;
  return weights.map((_, i) => {
    const k = i % kernel;
    const column = Math.floor(i / kernel) % columns;
    const row = Math.floor(i / (kernel * columns));
    const at = layer.kind === "conv" ? (row * kernel + k) * columns + column : k * rows + row;
    return weights[at] as number;
  });
}

function meanOverTime(parts: OnnxParts, exit: ExitHead, s: number, input: Activation): Activation {
  const { multipliers, shifts } = exit.poolRequantization;
  const factor = requantizationFactor(multipliers[0] as number, shifts[0] as number);
  const step = input.step / (input.time * factor);
  const name = `exit${s + 1}_features`;
  const mean = parts.node("ReduceMean", `${name}_mean`, [input.name], {
    axes: { integers: [2] },
    keepdims: { integer: 0 },
  });
  const sumScale = Float64Array.of(input.step / input.time);
  const value = raised(parts, name, mean, [1], sumScale, exit.poolRequantization);
  return { name: parts.throughInt8(name, value, step), step, time: 1 };
}

/** The name of the exit's output. */
function head(parts: OnnxParts, exit: ExitHead, s: number, features: Activation): string {
  let activation = features;
  exit.layers.forEach((layer, l) => {
    const name = layer.output === "logits" ? `exit${s + 1}_logits` : `exit${s + 1}_dense${l}`;
    activation = dense(parts, name, layer, activation);
  });
  return activation.name;
}

function dense(parts: OnnxParts, name: string, layer: DenseLayer, input: Activation): Activation {
  const { inputs, outputs, weights, bias, requantization } = layer;
  const logits = layer.output === "logits";
  const step = logits ? LOGIT_STEP : ACTIVATION_STEP;
  const sumScales = requantizationFactors(requantization).map((factor) => factor * step);
  const scales = sumScales.map((scale) => scale / input.step);
  const matrix = parts.dequantized(`${name}_weights`, [outputs, inputs], weights, scales, 0);
  const biases = parts.dequantized(`${name}_bias`, [outputs], bias, sumScales, 0);
  const sums = parts.node("Gemm", logits ? name : `${name}_sums`, [input.name, matrix, biases], {
    transB: { integer: 1 },
  });
  if (logits) return { name: sums, step, time: 1 };
  const relu = parts.node("Relu", `${name}_relu`, [sums]);
  const positive = raised(parts, name, relu, [outputs], sumScales, requantization);
  return { name: parts.throughInt8(name, positive, step), step, time: 1 };
}

/** Where every rescaling is a shift, sums lie on halves again and again, and QuantizeLinear takes
 * them to even where the node takes them up. A quarter of a step of the sum more lifts halves, and
 * nothing else, over the edge. It stands behind the ReLU, as runtimes would fold it into a bias. */
function raised(
  parts: OnnxParts,
  name: string,
  input: string,
  shape: readonly number[],
  sumScales: Float64Array,
  { multipliers }: Requantization,
): string {
  if (multipliers.some((multiplier) => multiplier !== MULTIPLIER_MIN)) return input;
  const quarter = parts.constant(`${name}_quarter`, {
    shape,
    floats: Float32Array.from(sumScales, (scale) => scale / 4),
  });
  return parts.node("Add", `${name}_raised`, [input, quarter]);
}

/** One GRU operator a stage, from the state that the stage before left. */
function gruExits(
  parts: OnnxParts,
  stages: readonly Stage[],
  window: Activation,
): readonly Activation[] {
  let state = "";
  let tables: readonly string[] | undefined;
  return stages.map(({ layers }, s) => {
    const layer = layers[0] as GruLayer;
    tables ??= gruTables(parts, layer, window.step);
    const name = `stage${s}`;
    const patches = patchesOf(parts, name, layer, window.name);
    state = parts.node(
      "GRU",
      name,
      [patches, ...tables, "", state],
      { hidden_size: { integer: layer.hidden }, linear_before_reset: { integer: 1 } },
      ["", `${name}_state`],
    );
    const squeezed = parts.node("Squeeze", `exit${s + 1}_state`, [
      state,
      parts.integers("direction_axis", [0]),
    ]);
    const features = parts.throughInt8(`exit${s + 1}_features`, squeezed, FEATURE_STEP_OF_STATE);
    return { name: features, step: FEATURE_STEP_OF_STATE, time: 1 };
  });
}

/** `[batch][samples][channels]` to `[patch][batch][patch sample * channel]`. */
function patchesOf(parts: OnnxParts, name: string, layer: GruLayer, window: string): string {
  const { patchSamples, channels, firstPatch, patches } = layer;
  const from = firstPatch * patchSamples;
  const slice = parts.node("Slice", `${name}_samples`, [
    window,
    parts.integers(`${name}_from`, [from]),
    parts.integers(`${name}_to`, [from + patches * patchSamples]),
    parts.integers("time_axis", [1]),
  ]);
  const shape = parts.integers(`${name}_shape`, [-1, patches, patchSamples * channels]);
  const reshaped = parts.node("Reshape", `${name}_by_batch`, [slice, shape]);
  return transposed(parts, `${name}_patches`, reshaped, [1, 0, 2]);
}

/** The operator's W, R and B: ONNX has the gates in the order update, reset, new. */
function gruTables(parts: OnnxParts, layer: GruLayer, inputStep: number): readonly string[] {
  const { hidden } = layer;
  const rows = 3 * hidden;
  const order = Array.from({ length: rows }, (_, row) => {
    const gate = [1, 0, 2][Math.floor(row / hidden)] as number;
    return gate * hidden + (row % hidden);
  });
  const sumScales = (factors: Float64Array) =>
    order.map((row) => (factors[row] as number) * GATE_STEP);
  const matrix = (name: string, weights: Int8Array, scales: readonly number[], step: number) => {
    const columns = weights.length / rows;
    const ordered = weights.map((_, i) => {
      const row = order[Math.floor(i / columns)] as number;
      return weights[row * columns + (i % columns)] as number;
    });
    const weightScales = scales.map((scale) => scale / step);
    return parts.dequantized(name, [1, rows, columns], ordered, weightScales, 1);
  };
  const inputScales = sumScales(requantizationFactors(layer.inputRequantization));
  const stateScales = sumScales(requantizationFactors(layer.stateRequantization));
  const biases = Int32Array.from([
    ...order.map((row) => layer.inputBias[row] as number),
    ...order.map((row) => layer.stateBias[row] as number),
  ]);
  return [
    matrix("gru_input", layer.inputWeights, inputScales, inputStep),
    matrix("gru_state", layer.stateWeights, stateScales, STATE_STEP),
    parts.dequantized("gru_bias", [1, 2 * rows], biases, [...inputScales, ...stateScales], 1),
  ];
}

function transposed(
  parts: OnnxParts,
  name: string,
  input: string,
  permutation: readonly number[],
): string {
  return parts.node("Transpose", name, [input], { perm: { integers: permutation } });
}
