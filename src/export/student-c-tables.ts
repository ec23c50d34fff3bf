/** The constant tables of generated C: weights, rows, and the GRU's two curves. */

import { SIGMOID_Q15, TANH_Q15 } from "../engine/gate-tables.ts";
import type { QuantizedEncoder } from "../model/encoder.ts";
import type {
  ConvLayer,
  DenseLayer,
  DepthwiseLayer,
  GruLayer,
  QuantizedStudent,
  Stage,
} from "../model/student.ts";
import { constArray, int32Literal } from "./c-text.ts";
import { liftOf, type PackedRows, packRows, WIDE } from "./packed-tables.ts";

export type StudentTables = {
  /** Definitions, in the order in which they are used. */
  readonly text: string;
  /** In flash; bytes that fill up are counted, as they are there. */
  readonly bytes: number;
  /** Names of the structures, per stage and layer. */
  readonly layers: readonly (readonly string[])[];
  readonly heads: readonly (readonly string[])[];
  /** Arguments of the mean: scale and lift. */
  readonly pools: readonly string[];
  /** Of the encoder's layers; empty where there is none. */
  readonly encoder: readonly string[];
};

/** On a 32-bit processor: two pointers and three int32. */
const MATRIX_BYTES = 20;
const ROW_BYTES = 8;
const INT8_MAGNITUDE = 128;
const Q15_MAGNITUDE = 32_768;

export function studentTables(
  student: QuantizedStudent,
  encoder?: QuantizedEncoder,
): StudentTables {
  const made: Made = { texts: [], bytes: 0 };
  let gruName: string | undefined;
  const layers: string[][] = [];
  const heads: string[][] = [];
  const pools: string[] = [];
  let time = student.windowSamples;
  student.stages.forEach((stage, s) => {
    layers.push(
      stage.layers.map((layer, l) => {
        const name = `stage${s}_layer${l}`;
        if (layer.kind !== "gru") time = layer.outTime;
        if (layer.kind !== "gru") return convolution(made, name, layer);
        // A layer that goes on has the tables of the first.
        gruName ??= gru(made, "gru", layer);
        return gruName;
      }),
    );
    pools.push(pool(stage, time));
    heads.push(stage.exit.layers.map((layer, l) => matrix(made, `exit${s}_dense${l}`, layer)));
  });
  const ofEncoder = (encoder?.layers ?? []).map((layer, l) =>
    convolution(made, `encoder_layer${l}`, layer),
  );
  const text = made.texts.join("\n\n");
  return { text, bytes: made.bytes, layers, heads, pools, encoder: ofEncoder };
}

function convolution(made: Made, name: string, layer: ConvLayer | DepthwiseLayer): string {
  return layer.kind === "conv" ? matrix(made, name, layer) : depthwise(made, name, layer);
}

/** Grows while tables are written. */
type Made = { readonly texts: string[]; bytes: number };

function matrix(made: Made, name: string, layer: ConvLayer | DenseLayer): string {
  const packed = packRows({ ...layer, inputMagnitude: INT8_MAGNITUDE });
  const structure = rowTables(made, name, packed, layer.bias.length, layer.weights.length);
  put(made, `static const bw_matrix ${name} = ${structure};`, MATRIX_BYTES);
  return name;
}

/** The two tables, and the structure's initialiser. */
function rowTables(
  made: Made,
  name: string,
  packed: PackedRows,
  rows: number,
  weights: number,
): string {
  putWeights(made, `${name}_weights`, packed.weights);
  putRows(made, `${name}_rows`, packed);
  return `{${name}_weights, ${name}_rows, ${rows}, ${weights / rows}, ${liftText(packed.lift)}}`;
}

function depthwise(made: Made, name: string, layer: DepthwiseLayer): string {
  const { weights, bias, channels, kernel, requantization } = layer;
  const largest = Float64Array.from(bias, Math.abs);
  weights.forEach((weight, i) => {
    const channel = i % channels;
    largest[channel] = (largest[channel] as number) + Math.abs(weight) * INT8_MAGNITUDE;
  });
  const lift = liftOf(requantization.shifts, largest);
  putWeights(made, `${name}_weights`, weights);
  putRows(made, `${name}_rows`, { biases: bias, ...requantization, lift });
  const shape = `${channels}, ${kernel}, ${liftText(lift)}`;
  const structure = `{${name}_weights, ${name}_rows, ${shape}}`;
  put(made, `static const bw_depthwise ${name} = ${structure};`, MATRIX_BYTES);
  return name;
}

function gru(made: Made, name: string, layer: GruLayer): string {
  const { inputWeights, stateWeights, inputBias, stateBias, hidden } = layer;
  const fromInput = packRows({
    weights: inputWeights,
    bias: inputBias,
    requantization: layer.inputRequantization,
    inputMagnitude: INT8_MAGNITUDE,
  });
  const fromState = packRows({
    weights: stateWeights,
    bias: stateBias,
    requantization: layer.stateRequantization,
    inputMagnitude: Q15_MAGNITUDE,
  });
  const rows = 3 * hidden;
  const input = rowTables(made, `${name}_input`, fromInput, rows, inputWeights.length);
  const state = rowTables(made, `${name}_state`, fromState, rows, stateWeights.length);
  const curves = [
    ["sigmoid_nodes", SIGMOID_Q15],
    ["tanh_nodes", TANH_Q15],
  ] as const;
  for (const [curve, nodes] of curves) {
    put(made, constArray("int16_t", curve, nodes), nodes.byteLength);
  }
  const structure = `{${input},\n  ${state},\n  sigmoid_nodes, tanh_nodes, ${hidden}}`;
  put(made, `static const bw_gru ${name} = ${structure};`, 2 * MATRIX_BYTES + 12);
  return name;
}

function pool({ exit: { poolRequantization } }: Stage, time: number): string {
  const { multipliers, shifts } = poolRequantization;
  const lift = liftOf(shifts, [time * INT8_MAGNITUDE]);
  const scale = scaleText(multipliers[0] as number, shifts[0] as number, lift);
  return `${scale}, ${liftText(lift)}`;
}

function putWeights(made: Made, name: string, weights: Int8Array): void {
  put(made, constArray("int8_t", name, weights, "static const BW_ALIGNED"), weights.length);
}

function putRows(
  made: Made,
  name: string,
  { biases, multipliers, shifts, lift }: Omit<PackedRows, "weights">,
): void {
  const rows = Array.from(biases, (bias, i) => {
    const [multiplier, shift] = [multipliers[i] as number, shifts[i] as number];
    // A row that only fills up is never rescaled.
    const scale = shift === 0 ? "0" : scaleText(multiplier, shift, lift);
    return `{${int32Literal(bias)}, ${scale}}`;
  });
  put(made, constArray("bw_row", name, rows), rows.length * ROW_BYTES);
}

function scaleText(multiplier: number, shift: number, lift: number): string {
  if (lift === WIDE) return `BW_WIDE_SCALE(${multiplier}, ${shift})`;
  return `BW_SCALE(${multiplier}, ${shift + lift})`;
}

function liftText(lift: number): string {
  return lift === WIDE ? "BW_WIDE" : String(lift);
}

function put(made: Made, text: string, bytes: number): void {
  made.texts.push(text);
  made.bytes += Math.ceil(bytes / 4) * 4;
}
