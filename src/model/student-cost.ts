/**
 * What a student costs a node: multiply-accumulates, flash and RAM, exit by exit.
 *
 * Everything here follows from the shapes. It counts, it does not measure: milliseconds and
 * microjoules are the business of a model of one processor.
 */

import type {
  ConvLayer,
  DepthwiseLayer,
  ExitHead,
  GruLayer,
  QuantizedStudent,
  Stage,
} from "./student.ts";

/** All figures are up to and including the exit, the exits before it among them. */
export type ExitCost = {
  readonly macs: number;
  /** Weights, biases, multipliers and shifts, as the container stores them. */
  readonly weightBytes: number;
  /** As the C runtime lays them out, each part on a multiple of four: two buffers that activations
   * alternate between (with their margins of zeros; the window is the first), inputs widened to int16,
   * the GRU's vectors, hidden layers, and what every exit says. */
  readonly ramBytes: number;
};

/** One entry per exit. */
export function studentCost(student: QuantizedStudent): readonly ExitCost[] {
  let macs = 0;
  let weightBytes = 0;
  /** The window and every second activation after it, and those in between. */
  const bufferBytes: [number, number] = [windowBytes(student), 0];
  let depth = 0;
  let scratchBytes = 0;
  let gruBytes = 0;
  let hiddenBytes = 0;
  let said = 0;
  return student.stages.map((stage, s) => {
    for (const [l, layer] of stage.layers.entries()) {
      macs += layerMacs(layer);
      weightBytes += layerBytes(layer);
      scratchBytes = Math.max(scratchBytes, layerScratchBytes(layer));
      if (layer.kind === "gru") {
        gruBytes = gruRamBytes(layer);
        continue;
      }
      const next = stage.layers[l + 1] ?? student.stages[s + 1]?.layers[0];
      const bytes = (layer.outTime + marginSamples(next)) * outChannelsOf(layer);
      const side = depth++ % 2 === 0 ? 1 : 0;
      bufferBytes[side] = Math.max(bufferBytes[side], bytes);
    }
    const { exit } = stage;
    macs += headMacs(exit);
    weightBytes += headWeightBytes(exit);
    for (const dense of exit.layers) {
      scratchBytes = Math.max(scratchBytes, widenedBytes(dense.inputs, 1));
    }
    hiddenBytes = Math.max(hiddenBytes, headHiddenBytes(exit));
    said += exitBytes(exit, student.classes);
    const parts = [...bufferBytes, scratchBytes, gruBytes, hiddenBytes, said];
    const ramBytes = parts.reduce((sum, bytes) => sum + aligned(bytes), 0);
    return { macs, weightBytes, ramBytes };
  });
}

/** What all exits say: features and logits, of that many bytes of `ramBytes`. */
export function saidBytes({ stages, classes }: QuantizedStudent): number {
  return stages.reduce((sum, { exit }) => sum + exitBytes(exit, classes), 0);
}

function exitBytes(exit: ExitHead, classes: number): number {
  return aligned(exit.features) + aligned(2 * classes);
}

function windowBytes(student: QuantizedStudent): number {
  const first = student.stages[0]?.layers[0];
  return (student.windowSamples + marginSamples(first)) * student.channels;
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / 4) * 4;
}

/** So many positions of an input as int16, filled up to whole fours of columns. */
function widenedBytes(columns: number, positions: number): number {
  return 2 * positions * aligned(columns);
}

/** One layer's inputs as int16, for kernels that want them so. */
export function layerScratchBytes(layer: Stage["layers"][number]): number {
  if (layer.kind === "depthwise") return 0;
  if (layer.kind === "conv") return widenedBytes(layer.kernel * layer.inChannels, 4);
  return widenedBytes(Math.max(layer.patchSamples * layer.channels, layer.hidden), 1);
}

export function inChannelsOf(layer: ConvLayer | DepthwiseLayer): number {
  return layer.kind === "conv" ? layer.inChannels : layer.channels;
}

export function outChannelsOf(layer: ConvLayer | DepthwiseLayer): number {
  return layer.kind === "conv" ? layer.outChannels : layer.channels;
}

/** Zeros that a convolution wants around its input, in samples: before and behind together. */
export function marginSamples(layer: Stage["layers"][number] | undefined): number {
  if (layer === undefined || layer.kind === "gru") return 0;
  return Math.max(0, (layer.outTime - 1) * layer.stride + layer.kernel - layer.inTime);
}

function layerMacs(layer: Stage["layers"][number]): number {
  if (layer.kind === "gru") {
    const columns = layer.patchSamples * layer.channels + layer.hidden;
    return layer.patches * 3 * layer.hidden * columns;
  }
  return layer.outTime * layer.weights.length;
}

function layerBytes(layer: Stage["layers"][number]): number {
  if (layer.kind !== "gru") return layer.weights.length + 7 * layer.bias.length;
  // A continuing layer uses the arrays of the one that it goes on from.
  if (layer.continues) return 0;
  return layer.inputWeights.length + layer.stateWeights.length + 2 * 7 * 3 * layer.hidden;
}

/** State, and the int16 pre-activations from the input and from the state. */
function gruRamBytes(layer: GruLayer): number {
  return 2 * (layer.hidden + 2 * 3 * layer.hidden);
}

function headMacs(head: ExitHead): number {
  return head.layers.reduce((sum, layer) => sum + layer.weights.length, 0);
}

function headWeightBytes(head: ExitHead): number {
  return head.layers.reduce((sum, layer) => sum + layer.weights.length + 7 * layer.bias.length, 3);
}

/** Hidden layers of a head, as int16. */
function headHiddenBytes(head: ExitHead): number {
  return head.layers.slice(0, -1).reduce((sum, layer) => sum + 2 * layer.outputs, 0);
}
