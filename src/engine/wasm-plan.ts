/**
 * Lays a student out in WebAssembly memory: buffers, packed tables, and one short program per stage
 * for the interpreter in `src/engine/wasm/kernels.as`.
 *
 * The plan is plain data, addresses from a given one on; it knows nothing of WebAssembly itself.
 */

import type { QuantizedEncoder } from "../model/encoder.ts";
import type {
  ConvLayer,
  DenseLayer,
  DepthwiseLayer,
  GruLayer,
  QuantizedStudent,
  Requantization,
  Stage,
} from "../model/student.ts";
import { outChannelsOf } from "../model/student-cost.ts";
import { SIGMOID_Q15, TANH_Q15 } from "./gate-tables.ts";
import {
  type Activation,
  BLOCK,
  blocked,
  Layout,
  type MatrixPlan,
  MODE,
  type Table,
  UPPER_SHIFT,
} from "./wasm-layout.ts";

/** The operations of `kernels.as`. */
const OPERATION = { expand: 1, rows: 2, depthwise: 3, mean: 4, gru: 5, state: 6 } as const;

export type StagePlan = {
  /** Address and number of the records that run the stage and its exit. */
  readonly program: number;
  readonly records: number;
  /** Int16, one per class. */
  readonly logits: number;
  /** Int8. */
  readonly features: number;
};
export type EncoderPlan = Omit<StagePlan, "logits" | "features"> & {
  /** Int16 `[time][channel]`, 0..127: not yet clipped to the bits of a code. */
  readonly map: number;
  readonly values: number;
};
export type Plan = {
  /** Where the window's int8 samples are written. */
  readonly window: number;
  /** Int16 to be cleared before a window: the GRU's state. Length 0 without one. */
  readonly state: number;
  readonly stateLength: number;
  readonly stages: readonly StagePlan[];
  /** Undefined where the container has no encoder. */
  readonly encoder: EncoderPlan | undefined;
  readonly bytes: number;
  /** What stands in memory from the start, by address. Everything else is zero. */
  readonly tables: readonly { readonly address: number; readonly values: Table }[];
};

/** `base` is a multiple of 16; all that is planned lies in `bytes` bytes from there. */
export function planStudent(
  student: QuantizedStudent,
  encoder: QuantizedEncoder | undefined,
  base: number,
): Plan {
  const layout = new Layout(base);
  const firstLayer = student.stages[0]?.layers[0];
  const samples = student.windowSamples * student.channels;
  const window = layout.reserve(samples);
  const input = layout.activation(student.windowSamples, student.channels, firstLayer);
  const hidden = firstLayer?.kind === "gru" ? blocked(firstLayer.hidden) : 0;
  const gru = firstLayer?.kind === "gru" ? planGru(layout, firstLayer, student.stages) : undefined;
  let activation = input;
  const stages = student.stages.map((stage, s): StagePlan => {
    const records: number[][] = [];
    if (s === 0) records.push([OPERATION.expand, window, input.address, samples]);
    for (const [l, layer] of stage.layers.entries()) {
      if (layer.kind === "gru") {
        records.push(...gruRecords(layer, input, gru as GruPlan));
        continue;
      }
      const reader = stage.layers[l + 1] ?? student.stages[s + 1]?.layers[0];
      const output = layout.activation(layer.outTime, outChannelsOf(layer), reader);
      records.push(convolutionRecord(layout, layer, activation, output));
      activation = output;
    }
    return planExit(layout, stage, activation, gru, records);
  });
  const encoding = encoder && planEncoder(layout, encoder, window, student);
  return {
    window,
    encoder: encoding,
    state: gru?.state ?? 0,
    stateLength: hidden,
    stages,
    bytes: layout.bytes,
    tables: layout.tables,
  };
}

/** A program of its own from the window on, with buffers of its own: it may run at any time. */
function planEncoder(
  layout: Layout,
  encoder: QuantizedEncoder,
  window: number,
  { windowSamples, channels }: QuantizedStudent,
): EncoderPlan {
  const { layers } = encoder;
  let activation = layout.activation(windowSamples, channels, layers[0]);
  const records = [[OPERATION.expand, window, activation.address, windowSamples * channels]];
  for (const [l, layer] of layers.entries()) {
    const output = layout.activation(layer.outTime, outChannelsOf(layer), layers[l + 1]);
    records.push(convolutionRecord(layout, layer, activation, output));
    activation = output;
  }
  const values = activation.time * activation.channels;
  return { ...layout.program(records), map: activation.address, values };
}

function convolutionRecord(
  layout: Layout,
  layer: ConvLayer | DepthwiseLayer,
  input: Activation,
  output: Activation,
): number[] {
  const rowBytes = 2 * input.channels;
  const from = input.address - layer.padLeft * rowBytes;
  const step = layer.stride * rowBytes;
  const { requantization } = layer;
  if (layer.kind === "depthwise") {
    const { channels, kernel } = layer;
    const at = (row: number, column: number) => layer.weights[column * channels + row] as number;
    const tables = layout.matrix(channels, kernel, at, layer.bias, requantization);
    const { pairs, weights, bias, factors, factorMode } = tables;
    const { outTime } = layer;
    const shape = [OPERATION.depthwise, from, step, rowBytes, output.address, outTime, channels];
    return [...shape, pairs, weights, bias, factors, MODE.relu8 | factorMode];
  }
  const columns = layer.kernel * layer.inChannels;
  const at = (row: number, column: number) => layer.weights[row * columns + column] as number;
  const tables = layout.matrix(layer.outChannels, columns, at, layer.bias, requantization);
  const times = layer.outTime;
  return rowsRecord({ from, step, to: output.address, times, outputs: layer.outChannels }, tables);
}

type Rows = {
  readonly from: number;
  readonly step: number;
  readonly to: number;
  readonly times: number;
  readonly outputs: number;
};

function rowsRecord(
  { from, step, to, times, outputs }: Rows,
  { pairs, weights, bias, factors, factorMode }: MatrixPlan,
  mode: number = MODE.relu8,
): number[] {
  const shape = [OPERATION.rows, from, step, to, 2 * outputs, times, outputs, pairs];
  return [...shape, weights, bias, factors, mode | factorMode];
}

type GruPlan = {
  readonly hidden: number;
  readonly state: number;
  readonly fromInput: number;
  readonly fromState: number;
  readonly inputMatrix: MatrixPlan;
  readonly stateMatrix: MatrixPlan;
  readonly sigmoid: number;
  readonly tanh: number;
};

/** Each gate's rows are filled up to a block, so that gates start on whole vectors; a row of zeros
 * keeps its state at zero. */
function planGru(layout: Layout, layer: GruLayer, stages: readonly Stage[]): GruPlan {
  const hidden = blocked(layer.hidden);
  const most = Math.max(...stages.map(({ layers }) => (layers[0] as GruLayer).patches));
  const matrix = (
    values: Int8Array,
    columns: number,
    biases: Int32Array,
    requantization: Requantization,
  ): MatrixPlan => {
    const rowOf = (row: number) => Math.floor(row / hidden) * layer.hidden + (row % hidden);
    const isReal = (row: number) => row % hidden < layer.hidden;
    return layout.matrix(
      3 * hidden,
      columns,
      (row, column) => (isReal(row) ? (values[rowOf(row) * columns + column] as number) : 0),
      Int32Array.from({ length: 3 * hidden }, (_, row) =>
        isReal(row) ? (biases[rowOf(row)] as number) : 0,
      ),
      {
        multipliers: Int16Array.from({ length: 3 * hidden }, (_, row) =>
          isReal(row) ? (requantization.multipliers[rowOf(row)] as number) : 0,
        ),
        shifts: Uint8Array.from({ length: 3 * hidden }, (_, row) =>
          isReal(row) ? (requantization.shifts[rowOf(row)] as number) : UPPER_SHIFT,
        ),
      },
    );
  };
  const columns = layer.patchSamples * layer.channels;
  return {
    hidden,
    state: layout.reserve(2 * hidden),
    fromInput: layout.reserve(2 * 3 * hidden * most),
    fromState: layout.reserve(2 * 3 * hidden),
    inputMatrix: matrix(layer.inputWeights, columns, layer.inputBias, layer.inputRequantization),
    stateMatrix: matrix(
      layer.stateWeights,
      layer.hidden,
      layer.stateBias,
      layer.stateRequantization,
    ),
    sigmoid: layout.table(nodesAndRises(SIGMOID_Q15)),
    tanh: layout.table(nodesAndRises(TANH_Q15)),
  };
}

/** First all patches' sums at once, then the steps, which wait for one another. */
function gruRecords(layer: GruLayer, window: Activation, gru: GruPlan): number[][] {
  const step = 2 * layer.patchSamples * layer.channels;
  const { hidden, state, fromInput, fromState, stateMatrix, sigmoid, tanh } = gru;
  const from = window.address + layer.firstPatch * step;
  const rows = { from, step, to: fromInput, times: layer.patches, outputs: 3 * hidden };
  const { pairs, weights, bias, factors, factorMode } = stateMatrix;
  const steps = [OPERATION.gru, fromInput, layer.patches, hidden, state, fromState];
  steps.push(pairs, weights, bias, factors, sigmoid, tanh, MODE.saturate16 | factorMode);
  return [rowsRecord(rows, gru.inputMatrix, MODE.saturate16), steps];
}

function planExit(
  layout: Layout,
  stage: Stage,
  activation: Activation,
  gru: GruPlan | undefined,
  records: number[][],
): StagePlan {
  const { exit } = stage;
  let values = layout.reserve(2 * blocked(exit.features));
  const features = layout.reserve(blocked(exit.features));
  if (gru === undefined) {
    const { multipliers, shifts } = exit.poolRequantization;
    const { factors, factorMode } = layout.factors({
      multipliers: new Int16Array(BLOCK).fill(multipliers[0] as number),
      shifts: new Uint8Array(BLOCK).fill(shifts[0] as number),
    });
    const { address, time, channels } = activation;
    const mean = [OPERATION.mean, address, time, channels, values, features, factors];
    records.push([...mean, MODE.saturate8 | factorMode]);
  } else {
    records.push([OPERATION.state, gru.state, gru.hidden, values, features]);
  }
  for (const layer of exit.layers) {
    const to = layout.reserve(2 * blocked(layer.outputs));
    records.push(denseRecord(layout, layer, values, to));
    values = to;
  }
  return { ...layout.program(records), logits: values, features };
}

function denseRecord(layout: Layout, layer: DenseLayer, from: number, to: number): number[] {
  const { inputs, outputs } = layer;
  const at = (row: number, column: number) => layer.weights[row * inputs + column] as number;
  const tables = layout.matrix(outputs, inputs, at, layer.bias, layer.requantization);
  const mode = layer.output === "relu" ? MODE.relu8 : MODE.saturate16;
  return rowsRecord({ from, step: 0, to, times: 1, outputs }, tables, mode);
}

/** Entries of two int16: a node, and the rise to the next one. */
function nodesAndRises(nodes: Int16Array): Int16Array {
  return Int16Array.from({ length: 2 * 256 }, (_, i) => {
    const node = nodes[i >> 1] as number;
    return i % 2 === 0 ? node : (nodes[(i >> 1) + 1] as number) - node;
  });
}
