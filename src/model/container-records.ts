/**
 * The records and tables of a model container, both ways: one record per stage, one per layer, and
 * the weights, biases, multipliers and shifts that the layers' records point at.
 */

import { assert } from "../assert.ts";
import { ByteReader, ByteWriter } from "../bytes.ts";
import {
  FLAG_CONTINUES,
  LAYER_RECORD_BYTES,
  OPERATION,
  POOL,
  STAGE_RECORD_BYTES,
} from "./container-layout.ts";
import { MODEL_LIMITS as LIMITS } from "./limits.ts";
import type { DenseLayer, ExitHead, GruLayer, Requantization, Stage } from "./student.ts";

type AnyLayer = Stage["layers"][number] | DenseLayer;
/** Offsets in the container of one matrix: weights, bias, multipliers, shifts. */
export type Offsets = readonly [number, number, number, number];
export const NOWHERE: Offsets = [0, 0, 0, 0];

export function stageRecords(stages: readonly Stage[]): Uint8Array {
  const writer = new ByteWriter();
  for (const { layers, exit } of stages) {
    const { multipliers, shifts } = exit.poolRequantization;
    writer
      .u8(layers.length)
      .u8(exit.layers.length)
      .u8(POOL[exit.pool])
      .u8(shifts[0] as number)
      .i16(multipliers[0] as number)
      .u16(exit.features);
  }
  assert(writer.length === stages.length * STAGE_RECORD_BYTES, "stage records");
  return writer.finish();
}

export function layerRecord(
  writer: ByteWriter,
  layer: AnyLayer,
  first: Offsets,
  second: Offsets,
): void {
  const start = writer.length;
  switch (layer.kind) {
    case "conv":
      writer.u8(OPERATION.conv).u8(0).u16(layer.kernel).u16(layer.stride).u16(layer.padLeft);
      writer.u16(layer.inTime).u16(layer.outTime).u16(layer.inChannels).u16(layer.outChannels);
      break;
    case "depthwise":
      writer.u8(OPERATION.depthwise).u8(0).u16(layer.kernel).u16(layer.stride).u16(layer.padLeft);
      writer.u16(layer.inTime).u16(layer.outTime).u16(layer.channels).u16(layer.channels);
      break;
    case "gru":
      writer.u8(OPERATION.gru).u8(layer.continues ? FLAG_CONTINUES : 0);
      writer.u16(layer.patchSamples).u16(layer.patches).u16(layer.firstPatch);
      writer.u16(0).u16(0).u16(layer.channels).u16(layer.hidden);
      break;
    case "dense":
      writer.u8(layer.output === "relu" ? OPERATION.denseRelu : OPERATION.denseLogits).u8(0);
      writer.u16(0).u16(0).u16(0).u16(0).u16(0).u16(layer.inputs).u16(layer.outputs);
      break;
  }
  for (const offset of [...first, ...second]) writer.u32(offset);
  assert(writer.length === start + LAYER_RECORD_BYTES, "layer record");
}

/** Writes tables one after another, each aligned, and says where they stand in the container. */
export class TableWriter {
  readonly writer = new ByteWriter();
  readonly #start: number;

  constructor(start: number) {
    this.#start = start;
  }

  matrix(layer: {
    readonly weights: Int8Array;
    readonly bias: Int32Array;
    readonly requantization: Requantization;
  }): Offsets {
    const { multipliers, shifts } = layer.requantization;
    const weights = this.#place();
    this.writer.bytes(layer.weights).align(4);
    const bias = this.#place();
    for (const value of layer.bias) this.writer.i32(value);
    const multipliersAt = this.#place();
    for (const value of multipliers) this.writer.i16(value);
    this.writer.align(4);
    const shiftsAt = this.#place();
    this.writer.bytes(shifts).align(4);
    return [weights, bias, multipliersAt, shiftsAt];
  }

  gru(layer: GruLayer): readonly [Offsets, Offsets] {
    const fromInput = this.matrix({
      weights: layer.inputWeights,
      bias: layer.inputBias,
      requantization: layer.inputRequantization,
    });
    const fromState = this.matrix({
      weights: layer.stateWeights,
      bias: layer.stateBias,
      requantization: layer.stateRequantization,
    });
    return [fromInput, fromState];
  }

  #place(): number {
    return this.#start + this.writer.length;
  }
}

/** Reads as many stages as are announced; `bytes` is the whole container, which offsets refer to. */
export function readStages(
  bytes: Uint8Array,
  stages: number,
  stageRecords: ByteReader,
  layerRecords: ByteReader,
): readonly Stage[] {
  if (stageRecords.left !== stages * STAGE_RECORD_BYTES) {
    stageRecords.fail("container-stages", `${stageRecords.left} bytes for ${stages} stages`);
  }
  const read = Array.from({ length: stages }, (): Stage => {
    const [layerCount, headCount] = [stageRecords.u8(), stageRecords.u8()];
    if (layerCount > LIMITS.layersPerStage || headCount > LIMITS.headLayers) {
      stageRecords.fail("container-stages", `${layerCount} layers, ${headCount} in the head`);
    }
    const pool: ExitHead["pool"] = stageRecords.u8() === 0 ? "mean" : "state";
    const shifts = Uint8Array.of(stageRecords.u8());
    const multipliers = Int16Array.of(stageRecords.i16());
    const features = stageRecords.u16();
    const layers = Array.from({ length: layerCount }, () => {
      const layer = readLayer(bytes, layerRecords);
      if (layer.kind === "dense") layerRecords.fail("container-layer", "dense outside of a head");
      return layer;
    });
    const head = Array.from({ length: headCount }, (): DenseLayer => {
      const layer = readLayer(bytes, layerRecords);
      if (layer.kind !== "dense") layerRecords.fail("container-layer", `${layer.kind} in a head`);
      return layer;
    });
    const poolRequantization = { multipliers, shifts };
    return { layers, exit: { pool, poolRequantization, features, layers: head } };
  });
  layerRecords.done();
  return read;
}

/** One layer's record; `bytes` is what its offsets refer to. */
export function readLayer(
  bytes: Uint8Array,
  records: ByteReader,
): Stage["layers"][number] | DenseLayer {
  const record = new ByteReader(records.bytes(LAYER_RECORD_BYTES), "container layer record");
  const operation = record.u8();
  const flags = record.u8();
  const [kernel, stride, padLeft] = [record.u16(), record.u16(), record.u16()];
  const [inTime, outTime] = [record.u16(), record.u16()];
  const [inChannels, outChannels] = [record.u16(), record.u16()];
  const timing = { inTime, outTime, kernel, stride, padLeft };
  const matrix = (rows: number, columns: number) => readMatrix(bytes, record, rows, columns);
  switch (operation) {
    case OPERATION.conv: {
      const tables = matrix(outChannels, kernel * inChannels);
      return { kind: "conv", ...timing, inChannels, outChannels, ...tables };
    }
    case OPERATION.depthwise:
      return { kind: "depthwise", ...timing, channels: inChannels, ...matrix(inChannels, kernel) };
    case OPERATION.gru: {
      const fromInput = matrix(3 * outChannels, kernel * inChannels);
      const fromState = matrix(3 * outChannels, outChannels);
      return {
        kind: "gru",
        patchSamples: kernel,
        patches: stride,
        firstPatch: padLeft,
        channels: inChannels,
        hidden: outChannels,
        continues: flags === FLAG_CONTINUES,
        inputWeights: fromInput.weights,
        inputBias: fromInput.bias,
        stateWeights: fromState.weights,
        stateBias: fromState.bias,
        inputRequantization: fromInput.requantization,
        stateRequantization: fromState.requantization,
      };
    }
    case OPERATION.denseRelu:
    case OPERATION.denseLogits: {
      const output = operation === OPERATION.denseRelu ? "relu" : "logits";
      const tables = matrix(outChannels, inChannels);
      return { kind: "dense", inputs: inChannels, outputs: outChannels, output, ...tables };
    }
    default:
      return record.fail("container-layer", `unknown operation ${operation}`);
  }
}

type Matrix = {
  readonly weights: Int8Array;
  readonly bias: Int32Array;
  readonly requantization: Requantization;
};

/** Copies the tables that a record points at. */
function readMatrix(bytes: Uint8Array, record: ByteReader, rows: number, columns: number): Matrix {
  const copy = (length: number): DataView<ArrayBuffer> => {
    const offset = record.u32();
    if (offset + length > bytes.length) {
      record.fail("container-table", `${length} bytes at ${offset} of ${bytes.length}`);
    }
    return new DataView(bytes.slice(offset, offset + length).buffer);
  };
  const weights = new Int8Array(copy(rows * columns).buffer);
  const bias = copy(4 * rows);
  const multipliers = copy(2 * rows);
  const shifts = new Uint8Array(copy(rows).buffer);
  return {
    weights,
    bias: Int32Array.from({ length: rows }, (_, i) => bias.getInt32(4 * i, true)),
    requantization: {
      multipliers: Int16Array.from({ length: rows }, (_, i) => multipliers.getInt16(2 * i, true)),
      shifts,
    },
  };
}
