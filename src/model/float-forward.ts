/**
 * The float student's forward pass, layer by layer: what quantization calibrates on, and what the
 * integer student is compared with. Sums are doubles, so that the same loops also give the exact
 * integer sums of an integer layer.
 */

import { assert } from "../assert.ts";
import type {
  FloatConv,
  FloatDense,
  FloatDepthwise,
  FloatGru,
  FoldedStudent,
} from "./float-student.ts";

export type FloatExit = { readonly logits: Float64Array; readonly features: Float64Array };

/** One window, `[time][channel]` in g; one entry per exit. */
export function floatForward(
  student: FoldedStudent,
  window: ArrayLike<number>,
): readonly FloatExit[] {
  assert(window.length === student.windowSamples * student.channels, "a window of this student");
  let activation = window;
  let state = new Float64Array(0);
  return student.stages.map((stage) => {
    let time = 1;
    for (const layer of stage.layers) {
      if (layer.kind === "gru") {
        if (!layer.continues) state = new Float64Array(layer.hidden);
        floatGru(layer, window, state);
      } else {
        activation = relu(floatConvolution(layer, activation));
        time = layer.outTime;
      }
    }
    const features =
      stage.pool === "state" ? state.slice() : floatMean(activation, time, stage.features);
    let values: Float64Array = features;
    for (const layer of stage.head) {
      values = floatDense(layer, values);
      if (layer.output === "relu") relu(values);
    }
    return { logits: values, features };
  });
}

/** `[inTime][inChannel]` to `[outTime][outChannel]`, before the ReLU. */
export function floatConvolution(
  layer: FloatConv | FloatDepthwise,
  input: ArrayLike<number>,
): Float64Array {
  const { weights, bias, kernel } = layer;
  const dense = layer.kind === "conv";
  const inChannels = dense ? layer.inChannels : layer.channels;
  const outChannels = dense ? layer.outChannels : layer.channels;
  const out = new Float64Array(layer.outTime * outChannels);
  for (let t = 0, to = 0; t < layer.outTime; t++) {
    const first = t * layer.stride - layer.padLeft;
    const kFrom = Math.max(0, -first);
    const kTo = Math.min(kernel, layer.inTime - first);
    for (let o = 0; o < outChannels; o++, to++) {
      let sum = bias[o] as number;
      for (let k = kFrom; k < kTo; k++) {
        const at = (first + k) * inChannels;
        if (!dense) {
          sum += (input[at + o] as number) * (weights[k * outChannels + o] as number);
          continue;
        }
        const row = (o * kernel + k) * inChannels;
        for (let i = 0; i < inChannels; i++) {
          sum += (input[at + i] as number) * (weights[row + i] as number);
        }
      }
      out[to] = sum;
    }
  }
  return out;
}

/** `[inputs]` to `[outputs]`, before any ReLU. */
export function floatDense(layer: FloatDense, input: ArrayLike<number>): Float64Array {
  const out = new Float64Array(layer.outputs);
  for (let o = 0, row = 0; o < layer.outputs; o++, row += layer.inputs) {
    let sum = layer.bias[o] as number;
    for (let i = 0; i < layer.inputs; i++) {
      sum += (input[i] as number) * (layer.weights[row + i] as number);
    }
    out[o] = sum;
  }
  return out;
}

/** Mean over time: `[time][channel]` to `[channel]`. */
export function floatMean(input: ArrayLike<number>, time: number, channels: number): Float64Array {
  const out = new Float64Array(channels);
  for (let i = 0; i < time * channels; i++) {
    out[i % channels] = (out[i % channels] as number) + (input[i] as number) / time;
  }
  return out;
}

/** Takes `state` over the layer's patches of `window`, `[time][channel]`. */
export function floatGru(layer: FloatGru, window: ArrayLike<number>, state: Float64Array): void {
  const { hidden } = layer;
  const columns = layer.patchSamples * layer.channels;
  const fromInput = new Float64Array(3 * hidden);
  const fromState = new Float64Array(3 * hidden);
  for (let p = 0; p < layer.patches; p++) {
    const at = (layer.firstPatch + p) * columns;
    products(layer.inputWeights, layer.inputBias, window, at, columns, fromInput);
    products(layer.stateWeights, layer.stateBias, state, 0, hidden, fromState);
    const sum = (row: number) => (fromInput[row] as number) + (fromState[row] as number);
    for (let j = 0; j < hidden; j++) {
      const reset = sigmoid(sum(j));
      const update = sigmoid(sum(hidden + j));
      const row = 2 * hidden + j;
      const fresh = Math.tanh((fromInput[row] as number) + reset * (fromState[row] as number));
      state[j] = fresh + update * ((state[j] as number) - fresh);
    }
  }
}

/** In place. */
export function relu<T extends Float64Array>(values: T): T {
  for (let i = 0; i < values.length; i++) values[i] = Math.max(0, values[i] as number);
  return values;
}

function products(
  weights: Float32Array,
  bias: Float32Array,
  input: ArrayLike<number>,
  inputAt: number,
  columns: number,
  out: Float64Array,
): void {
  for (let row = 0, at = 0; row < bias.length; row++, at += columns) {
    let sum = bias[row] as number;
    for (let i = 0; i < columns; i++) {
      sum += (input[inputAt + i] as number) * (weights[at + i] as number);
    }
    out[row] = sum;
  }
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}
