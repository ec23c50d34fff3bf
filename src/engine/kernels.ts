/**
 * The integer kernels: the definition of what a student computes.
 *
 * Plain loops over flat arrays, one function per kind of layer, nothing allocated. They trust their
 * arguments: `checkStudent` has proved that shapes fit and that no sum leaves an int32. Inputs of
 * convolutions carry their padding as zeros in the buffer, so that no loop looks at a border.
 */

import { requantize, saturateInt8, saturateInt16 } from "../model/requantize.ts";
import type { ConvLayer, DenseLayer, DepthwiseLayer, GruLayer } from "../model/student.ts";
import { lookUp, SIGMOID_Q15, TANH_Q15 } from "./gate-tables.ts";

/** input is `[padded time][inChannel]`, out is `[outTime][outChannel]` from `outAt`; ReLU. */
export function conv(
  layer: ConvLayer,
  factors: Float64Array,
  input: Int8Array,
  out: Int8Array,
  outAt: number,
): void {
  const { weights, bias, outChannels, outTime } = layer;
  const columns = layer.kernel * layer.inChannels;
  const step = layer.stride * layer.inChannels;
  let to = outAt;
  for (let t = 0, from = 0; t < outTime; t++, from += step) {
    for (let o = 0, row = 0; o < outChannels; o++, row += columns) {
      let sum = bias[o] as number;
      for (let i = 0; i < columns; i++) {
        sum = (sum + Math.imul(input[from + i] as number, weights[row + i] as number)) | 0;
      }
      out[to++] = Math.max(0, saturateInt8(requantize(sum, factors[o] as number)));
    }
  }
}

/** input is `[padded time][channel]`, out is `[outTime][channel]` from `outAt`; ReLU. */
export function depthwise(
  layer: DepthwiseLayer,
  factors: Float64Array,
  input: Int8Array,
  out: Int8Array,
  outAt: number,
): void {
  const { weights, bias, channels, outTime } = layer;
  const step = layer.stride * channels;
  let to = outAt;
  for (let t = 0, from = 0; t < outTime; t++, from += step) {
    for (let c = 0; c < channels; c++) {
      let sum = bias[c] as number;
      for (let i = c; i < weights.length; i += channels) {
        sum = (sum + Math.imul(input[from + i] as number, weights[i] as number)) | 0;
      }
      out[to++] = Math.max(0, saturateInt8(requantize(sum, factors[c] as number)));
    }
  }
}

/** input is `[inputs]`; out is `[outputs]`: int8 with ReLU, or int16 logits in Q8. */
export function dense(
  layer: DenseLayer,
  factors: Float64Array,
  input: Int8Array,
  out: Int8Array | Int16Array,
): void {
  const { weights, bias, inputs, outputs } = layer;
  const logits = layer.output === "logits";
  for (let o = 0, row = 0; o < outputs; o++, row += inputs) {
    let sum = bias[o] as number;
    for (let i = 0; i < inputs; i++) {
      sum = (sum + Math.imul(input[i] as number, weights[row + i] as number)) | 0;
    }
    const value = requantize(sum, factors[o] as number);
    out[o] = logits ? saturateInt16(value) : Math.max(0, saturateInt8(value));
  }
}

/** Sums over time and one requantization: input is `[time][channel]` from `inputAt`, out is
 * `[channel]`. */
export function meanPool(
  time: number,
  channels: number,
  factor: number,
  input: Int8Array,
  inputAt: number,
  out: Int8Array,
): void {
  for (let c = 0; c < channels; c++) {
    let sum = 0;
    for (let t = 0, i = inputAt + c; t < time; t++, i += channels) sum += input[i] as number;
    out[c] = saturateInt8(requantize(sum, factor));
  }
}

/** State in Q15 to int8 features. */
export function statePool(state: Int16Array, out: Int8Array): void {
  for (let j = 0; j < state.length; j++) {
    out[j] = saturateInt8(((state[j] as number) + 128) >> 8);
  }
}

/** What a GRU needs beside its weights; pre-activations are Q3.12, `[3 * hidden]`. */
export type GruScratch = {
  readonly inputFactors: Float64Array;
  readonly stateFactors: Float64Array;
  readonly fromInput: Int16Array;
  readonly fromState: Int16Array;
};

/** Reads the layer's patches of `window`, `[time][channel]`, and takes `state`, `[hidden]` Q15, from
 * before the first of them to after the last. */
export function gru(
  layer: GruLayer,
  scratch: GruScratch,
  window: Int8Array,
  state: Int16Array,
): void {
  const { hidden } = layer;
  const { fromInput, fromState } = scratch;
  const columns = layer.patchSamples * layer.channels;
  for (let p = 0; p < layer.patches; p++) {
    const at = (layer.firstPatch + p) * columns;
    const { inputWeights, inputBias, stateWeights, stateBias } = layer;
    preActivations(inputWeights, inputBias, scratch.inputFactors, window, at, columns, fromInput);
    preActivations(stateWeights, stateBias, scratch.stateFactors, state, 0, hidden, fromState);
    for (let j = 0; j < hidden; j++) {
      const reset = lookUp(SIGMOID_Q15, saturatingSum(fromInput, fromState, j));
      const update = lookUp(SIGMOID_Q15, saturatingSum(fromInput, fromState, hidden + j));
      const gated = (Math.imul(reset, fromState[2 * hidden + j] as number) + 16_384) >> 15;
      const fresh = lookUp(TANH_Q15, saturateInt16((fromInput[2 * hidden + j] as number) + gated));
      // h' = n + z (h - n): |z (h - n)| <= 32767 * 65535 < 2^31, and h' lies between n and h.
      const distance = (state[j] as number) - fresh;
      state[j] = fresh + ((Math.imul(update, distance) + 16_384) >> 15);
    }
  }
}

/** weights is `[bias.length][columns]`; out is `[bias.length]`, Q3.12. */
function preActivations(
  weights: Int8Array,
  bias: Int32Array,
  factors: Float64Array,
  input: Int8Array | Int16Array,
  inputAt: number,
  columns: number,
  out: Int16Array,
): void {
  for (let row = 0, at = 0; row < bias.length; row++, at += columns) {
    let sum = bias[row] as number;
    for (let i = 0; i < columns; i++) {
      sum = (sum + Math.imul(input[inputAt + i] as number, weights[at + i] as number)) | 0;
    }
    out[row] = saturateInt16(requantize(sum, factors[row] as number));
  }
}

function saturatingSum(a: Int16Array, b: Int16Array, at: number): number {
  return saturateInt16((a[at] as number) + (b[at] as number));
}
