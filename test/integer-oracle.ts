/**
 * A second opinion on what a quantized student computes, as slow and as close to the words of
 * `src/model/student.ts` as can be: every index checked, every sum and shift in unlimited integers.
 * It shares no code with the engines.
 */

import type { QuantizedEncoder } from "../src/model/encoder.ts";
import type {
  ConvLayer,
  DenseLayer,
  DepthwiseLayer,
  GruLayer,
  QuantizedStudent,
  Requantization,
} from "../src/model/student.ts";

type Rows = number[][];
export type OracleExit = { readonly logits: number[]; readonly features: number[] };

export function oracleExits(student: QuantizedStudent, window: ArrayLike<number>): OracleExit[] {
  const { windowSamples, channels } = student;
  const samples: Rows = Array.from({ length: windowSamples }, (_, t) =>
    Array.from({ length: channels }, (_, c) => Number(window[t * channels + c])),
  );
  let rows = samples;
  let state: number[] | undefined;
  return student.stages.map((stage) => {
    for (const layer of stage.layers) {
      if (layer.kind === "gru") state = gru(layer, samples, state);
      else rows = convolution(layer, rows);
    }
    const { exit } = stage;
    const features =
      state?.map((h) => clamp(shiftRounding(BigInt(h), 8), 8)) ??
      (rows[0] ?? []).map((_, c) =>
        clamp(
          rescale(
            rows.reduce((sum, row) => sum + BigInt(row[c] as number), 0n),
            exit.poolRequantization,
            0,
          ),
          8,
        ),
      );
    let values = features;
    for (const layer of exit.layers) values = dense(layer, values);
    return { logits: values, features };
  });
}

/** Codes `[time][channel]` of an encoder that reads the window. */
export function oracleCodes(
  encoder: QuantizedEncoder,
  channels: number,
  window: ArrayLike<number>,
): number[] {
  let rows: Rows = Array.from({ length: window.length / channels }, (_, t) =>
    Array.from({ length: channels }, (_, c) => Number(window[t * channels + c])),
  );
  for (const layer of encoder.layers) rows = convolution(layer, rows);
  return rows
    .flat()
    .map((value) => (value >= 2 ** encoder.codeBits ? 2 ** encoder.codeBits - 1 : value));
}

function convolution(layer: ConvLayer | DepthwiseLayer, input: Rows): Rows {
  const outChannels = layer.bias.length;
  return Array.from({ length: layer.outTime }, (_, t) =>
    Array.from({ length: outChannels }, (_, o) => {
      let sum = BigInt(layer.bias[o] as number);
      for (let k = 0; k < layer.kernel; k++) {
        const row = input[t * layer.stride + k - layer.padLeft];
        if (row === undefined) continue;
        row.forEach((value, i) => {
          if (layer.kind === "depthwise" && i !== o) return;
          const at =
            layer.kind === "depthwise"
              ? k * outChannels + o
              : (o * layer.kernel + k) * layer.inChannels + i;
          sum += BigInt(value) * BigInt(layer.weights[at] as number);
        });
      }
      return Math.max(0, clamp(rescale(sum, layer.requantization, o), 8));
    }),
  );
}

function dense(layer: DenseLayer, input: number[]): number[] {
  return Array.from({ length: layer.outputs }, (_, o) => {
    const sum = product(layer.weights, layer.bias, o, input);
    const value = rescale(sum, layer.requantization, o);
    return layer.output === "logits" ? clamp(value, 16) : Math.max(0, clamp(value, 8));
  });
}

function gru(layer: GruLayer, samples: Rows, before: number[] | undefined): number[] {
  let state = layer.continues && before ? before : Array.from({ length: layer.hidden }, () => 0);
  for (let p = layer.firstPatch; p < layer.firstPatch + layer.patches; p++) {
    const patch = samples.slice(p * layer.patchSamples, (p + 1) * layer.patchSamples).flat();
    const old = state;
    const fromInput = (row: number) =>
      clamp(
        rescale(
          product(layer.inputWeights, layer.inputBias, row, patch),
          layer.inputRequantization,
          row,
        ),
        16,
      );
    const fromState = (row: number) =>
      clamp(
        rescale(
          product(layer.stateWeights, layer.stateBias, row, old),
          layer.stateRequantization,
          row,
        ),
        16,
      );
    state = old.map((h, j) => {
      const gate = (row: number) => table(sigmoid, clamp(fromInput(row) + fromState(row), 16));
      const [reset, update] = [gate(j), gate(layer.hidden + j)];
      const row = 2 * layer.hidden + j;
      const held = shiftRounding(BigInt(reset) * BigInt(fromState(row)), 15);
      const fresh = table(Math.tanh, clamp(fromInput(row) + held, 16));
      return clamp(fresh + shiftRounding(BigInt(update) * BigInt(h - fresh), 15), 16);
    });
  }
  return state;
}

function product(weights: Int8Array, bias: Int32Array, row: number, input: number[]): bigint {
  return input.reduce(
    (sum, value, i) => sum + BigInt(value) * BigInt(weights[row * input.length + i] as number),
    BigInt(bias[row] as number),
  );
}

function rescale(sum: bigint, { multipliers, shifts }: Requantization, row: number): number {
  return shiftRounding(sum * BigInt(multipliers[row] as number), shifts[row] as number);
}

function shiftRounding(value: bigint, shift: number): number {
  return Number((value + (1n << BigInt(shift - 1))) >> BigInt(shift));
}

function clamp(value: number, bits: number): number {
  return Math.max(-(2 ** (bits - 1)), Math.min(2 ** (bits - 1) - 1, value));
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** Linear between nodes each 1/16, which are Q15 numbers. */
function table(value: (x: number) => number, xQ12: number): number {
  const below = Math.floor(xQ12 / 256);
  const node = (i: number) => clamp(Math.round(value(i / 16) * 32_768), 16);
  const rise = BigInt(node(below + 1) - node(below)) * BigInt(xQ12 - 256 * below);
  return node(below) + shiftRounding(rise, 8);
}
