/**
 * Post-training quantization: a float student and some windows in, an integer student out.
 *
 * It walks through the layers once, with two copies of the calibration windows: one runs the float
 * layers, the other the integer layers made so far. The float copy gives the range of each
 * activation; the difference of the two, channel by channel, is what bias correction takes away
 * (Nagel et al., arXiv 1906.04721, section 4.2), errors of the layers before included.
 */

import { assert } from "../assert.ts";
import { conv, depthwise, type GruScratch, gru } from "../engine/kernels.ts";
import { type WindowSet, windowAt } from "../signal/window-set.ts";
import { checkStudent } from "./check-student.ts";
import { floatConvolution, floatGru, relu } from "./float-forward.ts";
import {
  type FloatConv,
  type FloatDepthwise,
  type FloatGru,
  foldStudent,
} from "./float-student.ts";
import { quantizeExit } from "./quantize-exit.ts";
import { quantizeRows, transposed } from "./quantize-rows.ts";
import {
  type ActivationScales,
  channelMeans,
  correctBias,
  GATE_SCALE,
  type GruTrace,
  type QuantizeOptions,
  type Settings,
  STATE_SCALE,
  settledScale,
  type Trace,
} from "./quantize-trace.ts";
import { requantizationFactors } from "./requantize.ts";
import type { ConvLayer, DepthwiseLayer, GruLayer, QuantizedStudent, Stage } from "./student.ts";
import { inChannelsOf, marginSamples } from "./student-cost.ts";
import type { FloatStudent } from "./student-spec.ts";

const DEFAULTS: QuantizeOptions = {
  scheme: "int8",
  range: { kind: "mse" },
  weightBits: 8,
  correctBias: true,
  calibrationWindows: 256,
};

/** The student must have been trained on windows in g, `samples * inputMilligPerStep / 1000`. The
 * calibration set needs no labels, but should hold every behaviour; some 100 windows are enough. */
export function quantizeStudent(
  student: FloatStudent,
  calibration: WindowSet,
  inputMilligPerStep: number,
  options: Partial<QuantizeOptions> = {},
): QuantizedStudent {
  return quantizeWithScales(student, calibration, inputMilligPerStep, options).student;
}

/** The same, with the scales of activations that were given or calibrated. */
export function quantizeWithScales(
  student: FloatStudent,
  calibration: WindowSet,
  inputMilligPerStep: number,
  options: Partial<QuantizeOptions> = {},
): { readonly student: QuantizedStudent; readonly scales: ActivationScales } {
  const settings: Settings = { ...DEFAULTS, ...options, chosen: new Map<string, number>() };
  const folded = foldStudent(student);
  assert(calibration.count > 0, "calibration windows");
  assert(
    calibration.windowSamples === folded.windowSamples && calibration.channels === folded.channels,
    "calibration windows have the student's shape",
  );
  const window = windowTrace(calibration, inputMilligPerStep / 1000, settings.calibrationWindows);
  let activation = window;
  let state: GruTrace | undefined;
  let gruLayer: GruLayer | undefined;
  const stages = folded.stages.map((stage, s): Stage => {
    const layers = stage.layers.map((layer) => {
      if (layer.kind !== "gru") {
        const done = quantizeConvolution(layer, activation, settings);
        activation = done.trace;
        return done.layer;
      }
      gruLayer = quantizeGru(layer, window.scale, gruLayer, settings);
      state = gruTrace(layer, gruLayer, window, state);
      return gruLayer;
    });
    return { layers, exit: quantizeExit(stage, `stage${s}.exit`, activation, state, settings) };
  });
  const { windowSamples, channels, classes } = folded;
  const quantized = { windowSamples, channels, classes, stages };
  checkStudent(quantized);
  return { student: quantized, scales: settings.chosen };
}

function windowTrace(set: WindowSet, scale: number, most: number): Trace {
  const count = Math.min(set.count, most);
  const ints = Array.from({ length: count }, (_, i) =>
    windowAt(set, Math.floor((i * set.count) / count)),
  );
  const floats = ints.map((samples) => Float64Array.from(samples, (value) => value * scale));
  return { floats, ints, scale };
}

function quantizeConvolution(
  layer: FloatConv | FloatDepthwise,
  input: Trace,
  settings: Settings,
): { readonly layer: ConvLayer | DepthwiseLayer; readonly trace: Trace } {
  const sums = input.floats.map((values) => floatConvolution(layer, values));
  const wanted = channelMeans(sums, layer.bias.length);
  const floats = sums.map((values) => relu(values));
  const dense = layer.kind === "conv";
  // Depthwise weights are `[kernel][channel]`: a row is a column there.
  const weights = dense ? layer.weights : transposed(layer.weights, layer.kernel, layer.channels);
  const scale = settledScale(layer.name, floats, settings);
  const rows = quantizeRows(
    { weights, bias: layer.bias, inputScale: input.scale, outputScale: scale },
    settings.scheme,
    settings.weightBits,
  );
  const integers = {
    weights: dense ? rows.weights : transposed(rows.weights, layer.channels, layer.kernel),
    bias: rows.bias,
    requantization: rows.requantization,
  };
  if (settings.correctBias) {
    const unbiased = {
      ...layer,
      weights: Float32Array.from(integers.weights),
      bias: new Float32Array(rows.bias.length),
    };
    correctBias(
      rows,
      wanted,
      input.ints.map((values) => floatConvolution(unbiased, values)),
    );
  }
  const { name: _, ...shape } = layer;
  const quantized = { ...shape, ...integers };
  const ints = input.ints.map((values) => runConvolution(quantized, values));
  return { layer: quantized, trace: { floats, ints, scale } };
}

function runConvolution(layer: ConvLayer | DepthwiseLayer, input: Int8Array): Int8Array {
  const factors = requantizationFactors(layer.requantization);
  const channels = inChannelsOf(layer);
  const padded = new Int8Array((layer.inTime + marginSamples(layer)) * channels);
  padded.set(input, layer.padLeft * channels);
  const out = new Int8Array(layer.outTime * layer.bias.length);
  if (layer.kind === "conv") conv(layer, factors, padded, out, 0);
  else depthwise(layer, factors, padded, out, 0);
  return out;
}

function quantizeGru(
  layer: FloatGru,
  inputScale: number,
  before: GruLayer | undefined,
  settings: Settings,
): GruLayer {
  const { kind, patchSamples, channels, hidden, firstPatch, patches, continues } = layer;
  const shape = { kind, patchSamples, channels, hidden, firstPatch, patches, continues };
  if (continues && before !== undefined) return { ...before, ...shape };
  const quantized = (weights: Float32Array, bias: Float32Array, scale: number) =>
    quantizeRows(
      { weights, bias, inputScale: scale, outputScale: GATE_SCALE },
      settings.scheme,
      settings.weightBits,
    );
  const fromInput = quantized(layer.inputWeights, layer.inputBias, inputScale);
  const fromState = quantized(layer.stateWeights, layer.stateBias, STATE_SCALE);
  return {
    ...shape,
    inputWeights: fromInput.weights,
    inputBias: fromInput.bias,
    inputRequantization: fromInput.requantization,
    stateWeights: fromState.weights,
    stateBias: fromState.bias,
    stateRequantization: fromState.requantization,
  };
}

/** Both GRUs' states after the layer's patches. */
function gruTrace(
  float: FloatGru,
  integer: GruLayer,
  window: Trace,
  before: GruTrace | undefined,
): GruTrace {
  const scratch: GruScratch = {
    inputFactors: requantizationFactors(integer.inputRequantization),
    stateFactors: requantizationFactors(integer.stateRequantization),
    fromInput: new Int16Array(3 * integer.hidden),
    fromState: new Int16Array(3 * integer.hidden),
  };
  const floats = window.floats.map((values, i) => {
    const state = before?.floats[i]?.slice() ?? new Float64Array(float.hidden);
    floatGru(float, values, state);
    return state;
  });
  const ints = window.ints.map((values, i) => {
    const state = before?.ints[i]?.slice() ?? new Int16Array(integer.hidden);
    gru(integer, scratch, values, state);
    return state;
  });
  return { floats, ints };
}
