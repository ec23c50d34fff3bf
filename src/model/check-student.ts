/**
 * What a quantized student must satisfy before any engine runs it.
 *
 * A student may come from a stranger's container. Every engine relies on what is checked here and
 * checks nothing in its loops: shapes that follow from one another, arrays of the right length,
 * multipliers in range, and sums that cannot leave an int32 whatever the window. Anything else is
 * refused with an `EdgeError` that names the layer.
 */

import { EdgeError } from "../assert.ts";
import { MODEL_LIMITS as LIMITS } from "./limits.ts";
import { MULTIPLIER_MIN, SHIFT_MAX, SHIFT_MIN } from "./requantize.ts";
import type {
  ConvLayer,
  DenseLayer,
  DepthwiseLayer,
  ExitHead,
  GruLayer,
  QuantizedStudent,
  Requantization,
  Stage,
} from "./student.ts";
import { inChannelsOf, outChannelsOf, studentCost } from "./student-cost.ts";

/** The largest magnitude of an int8 activation, and of a Q15 state. */
const INT8_MAGNITUDE = 128;
const Q15_MAGNITUDE = 32_768;
const INT32_MAX = 0x7fff_ffff;

type Shape = { readonly time: number; readonly channels: number };

/** Returns normally for a student that every engine can run; throws an `EdgeError` otherwise. */
export function checkStudent(student: QuantizedStudent): void {
  within("student", "window samples", student.windowSamples, 1, LIMITS.windowSamples);
  within("student", "channels", student.channels, 1, LIMITS.channels);
  const window = student.windowSamples * student.channels;
  within("student", "window bytes", window, 1, LIMITS.windowBytes);
  within("student", "classes", student.classes, 2, LIMITS.classes);
  within("student", "stages", student.stages.length, 1, LIMITS.stages);
  if (student.stages[0]?.layers[0]?.kind === "gru") checkGruStages(student);
  else checkConvolutionStages(student);
  const cost = studentCost(student).at(-1);
  within("student", "multiply-accumulates", cost?.macs ?? 0, 1, LIMITS.multiplyAccumulates);
  within("student", "bytes of RAM", cost?.ramBytes ?? 0, 1, LIMITS.ramBytes);
}

function checkConvolutionStages(student: QuantizedStudent): void {
  let shape: Shape = { time: student.windowSamples, channels: student.channels };
  student.stages.forEach((stage, s) => {
    within(`stage ${s}`, "layers", stage.layers.length, 1, LIMITS.layersPerStage);
    stage.layers.forEach((layer, l) => {
      const where = `stage ${s}, layer ${l}`;
      if (layer.kind === "gru") refuse(where, "student-order", "a GRU stands alone in its stage");
      shape = checkConvolution(where, layer, shape);
    });
    checkHead(`stage ${s}, exit`, stage.exit, "mean", shape.channels, student.classes);
    const largestSum = shape.time * INT8_MAGNITUDE;
    same(`stage ${s}, exit`, "sums over time in range", largestSum <= INT32_MAX, true);
  });
}

/** The shape of what it gives, for a layer that reads this one. */
export function checkConvolution(
  where: string,
  layer: ConvLayer | DepthwiseLayer,
  shape: Shape,
): Shape {
  const inChannels = inChannelsOf(layer);
  const outChannels = outChannelsOf(layer);
  same(where, "input time", layer.inTime, shape.time);
  same(where, "input channels", inChannels, shape.channels);
  within(where, "output channels", outChannels, 1, LIMITS.width);
  within(where, "kernel", layer.kernel, 1, LIMITS.kernel);
  within(where, "stride", layer.stride, 1, LIMITS.stride);
  same(where, "output time", layer.outTime, Math.ceil(layer.inTime / layer.stride));
  const padding = (layer.outTime - 1) * layer.stride + layer.kernel - layer.inTime;
  same(where, "zeros before the first sample", layer.padLeft, Math.max(0, padding) >> 1);
  const columns = layer.kernel * (layer.kind === "conv" ? inChannels : 1);
  same(where, "weights", layer.weights.length, outChannels * columns);
  if (layer.kind === "conv") {
    checkSums(where, layer.weights, outChannels, columns, layer.bias, INT8_MAGNITUDE);
  } else {
    checkDepthwiseSums(where, layer);
  }
  checkRequantization(where, layer.requantization, outChannels);
  return { time: layer.outTime, channels: outChannels };
}

function checkGruStages(student: QuantizedStudent): void {
  let before: GruLayer | undefined;
  student.stages.forEach((stage: Stage, s) => {
    const where = `stage ${s}, layer 0`;
    const layer = stage.layers[0];
    if (stage.layers.length !== 1 || layer?.kind !== "gru") {
      refuse(where, "student-order", "every stage of a GRU student is one GRU layer");
    }
    same(where, "channels", layer.channels, student.channels);
    within(where, "hidden", layer.hidden, 1, LIMITS.hidden);
    within(where, "samples in a patch", layer.patchSamples, 1, LIMITS.patchSamples);
    within(where, "patches", layer.patches, 1, student.windowSamples);
    same(where, "continues", layer.continues, before !== undefined);
    same(where, "first patch", layer.firstPatch, before ? before.firstPatch + before.patches : 0);
    const samples = (layer.firstPatch + layer.patches) * layer.patchSamples;
    within(where, "samples read", samples, 1, student.windowSamples);
    if (before === undefined) checkGruWeights(where, layer);
    else checkContinuation(where, layer, before);
    checkHead(`stage ${s}, exit`, stage.exit, "state", layer.hidden, student.classes);
    before = layer;
  });
}

function checkGruWeights(where: string, layer: GruLayer): void {
  const rows = 3 * layer.hidden;
  const columns = layer.patchSamples * layer.channels;
  same(where, "input weights", layer.inputWeights.length, rows * columns);
  same(where, "state weights", layer.stateWeights.length, rows * layer.hidden);
  checkSums(where, layer.inputWeights, rows, columns, layer.inputBias, INT8_MAGNITUDE);
  checkSums(where, layer.stateWeights, rows, layer.hidden, layer.stateBias, Q15_MAGNITUDE);
  checkRequantization(where, layer.inputRequantization, rows);
  checkRequantization(where, layer.stateRequantization, rows);
}

/** A continuing layer runs on the arrays of the layer before: they must be equal. */
function checkContinuation(where: string, layer: GruLayer, before: GruLayer): void {
  same(where, "hidden", layer.hidden, before.hidden);
  same(where, "samples in a patch", layer.patchSamples, before.patchSamples);
  const pairs: readonly (readonly [ArrayLike<number>, ArrayLike<number>])[] = [
    [layer.inputWeights, before.inputWeights],
    [layer.stateWeights, before.stateWeights],
    [layer.inputBias, before.inputBias],
    [layer.stateBias, before.stateBias],
    [layer.inputRequantization.multipliers, before.inputRequantization.multipliers],
    [layer.inputRequantization.shifts, before.inputRequantization.shifts],
    [layer.stateRequantization.multipliers, before.stateRequantization.multipliers],
    [layer.stateRequantization.shifts, before.stateRequantization.shifts],
  ];
  for (const [mine, theirs] of pairs) {
    if (mine === theirs) continue;
    same(where, "weights of the layer it continues", mine.length, theirs.length);
    for (let i = 0; i < mine.length; i++) {
      same(where, "weights of the layer it continues", mine[i] as number, theirs[i] as number);
    }
  }
}

function checkHead(
  where: string,
  head: ExitHead,
  pool: ExitHead["pool"],
  features: number,
  classes: number,
): void {
  same(where, "pool", head.pool, pool);
  same(where, "features", head.features, features);
  checkRequantization(where, head.poolRequantization, 1);
  within(where, "dense layers", head.layers.length, 1, LIMITS.headLayers);
  let inputs = features;
  head.layers.forEach((layer: DenseLayer, l) => {
    const at = `${where}, dense ${l}`;
    const last = l === head.layers.length - 1;
    same(at, "output", layer.output, last ? "logits" : "relu");
    same(at, "inputs", layer.inputs, inputs);
    within(at, "outputs", layer.outputs, 1, LIMITS.width);
    if (last) same(at, "outputs", layer.outputs, classes);
    same(at, "weights", layer.weights.length, layer.outputs * layer.inputs);
    checkSums(at, layer.weights, layer.outputs, layer.inputs, layer.bias, INT8_MAGNITUDE);
    checkRequantization(at, layer.requantization, layer.outputs);
    inputs = layer.outputs;
  });
}

function checkRequantization(where: string, given: Requantization, entries: number): void {
  same(where, "multipliers", given.multipliers.length, entries);
  same(where, "shifts", given.shifts.length, entries);
  for (const multiplier of given.multipliers) {
    within(where, "multiplier", multiplier, MULTIPLIER_MIN, 0x7fff);
  }
  for (const shift of given.shifts) within(where, "shift", shift, SHIFT_MIN, SHIFT_MAX);
}

/** No row's accumulator may leave an int32, whatever the inputs. Weights are `[row][column]`. */
function checkSums(
  where: string,
  weights: Int8Array,
  rows: number,
  columns: number,
  bias: Int32Array,
  magnitude: number,
): void {
  same(where, "biases", bias.length, rows);
  for (let row = 0; row < rows; row++) {
    let sum = 0;
    for (let i = row * columns; i < (row + 1) * columns; i++) sum += Math.abs(weights[i] as number);
    const largest = sum * magnitude + Math.abs(bias[row] as number);
    if (largest > INT32_MAX) refuse(where, "student-overflow", `row ${row} may leave an int32`);
  }
}

/** As `checkSums`, for weights `[kernel][channel]`. */
function checkDepthwiseSums(where: string, layer: DepthwiseLayer): void {
  same(where, "biases", layer.bias.length, layer.channels);
  for (let c = 0; c < layer.channels; c++) {
    let largest = Math.abs(layer.bias[c] as number);
    for (let i = c; i < layer.weights.length; i += layer.channels) {
      largest += Math.abs(layer.weights[i] as number) * INT8_MAGNITUDE;
    }
    if (largest > INT32_MAX) refuse(where, "student-overflow", `channel ${c} may leave an int32`);
  }
}

function within(where: string, what: string, value: number, low: number, high: number): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  refuse(where, "student-range", `${what}: ${value}, must be in ${low}..${high}`);
}

function same<T extends string | number | boolean>(
  where: string,
  what: string,
  value: T,
  expected: T,
): void {
  if (value !== expected) {
    refuse(where, "student-shape", `${what}: ${String(value)}, must be ${String(expected)}`);
  }
}

function refuse(where: string, code: string, message: string): never {
  throw new EdgeError({
    code,
    message,
    where: `model, ${where}`,
    hint: "The container is damaged, or was made by a program that disagrees with docs/FORMATS.md.",
  });
}
