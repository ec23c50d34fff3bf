/**
 * What a student costs a node: multiply-accumulates, flash and RAM, exit by exit.
 *
 * Everything here follows from the shapes. It counts, it does not measure: milliseconds and
 * microjoules are the business of a model of one processor.
 */

import type { ExitHead, GruLayer, QuantizedStudent, Stage } from "./student.ts";

/** All figures are up to and including the exit, the exits before it among them. */
export type ExitCost = {
  readonly macs: number;
  /** Weights, biases, multipliers and shifts, as the container stores them. */
  readonly weightBytes: number;
  /** The window, two buffers that activations alternate between (with their margins of zeros), the
   * GRU's vectors, features, hidden layers and logits. */
  readonly ramBytes: number;
};

/** One entry per exit. */
export function studentCost(student: QuantizedStudent): readonly ExitCost[] {
  let macs = 0;
  let weightBytes = 0;
  /** Largest activation on even and on odd layers: each kind shares one buffer. */
  const activationBytes: [number, number] = [0, 0];
  let depth = 0;
  let gruBytes = 0;
  let headBytes = 0;
  return student.stages.map((stage, s) => {
    for (const [l, layer] of stage.layers.entries()) {
      macs += layerMacs(layer);
      weightBytes += layerBytes(layer);
      if (layer.kind === "gru") {
        gruBytes = gruRamBytes(layer);
        continue;
      }
      const channels = layer.kind === "conv" ? layer.outChannels : layer.channels;
      const next = stage.layers[l + 1] ?? student.stages[s + 1]?.layers[0];
      const bytes = (layer.outTime + marginSamples(next)) * channels;
      const side = depth++ % 2 === 0 ? 0 : 1;
      activationBytes[side] = Math.max(activationBytes[side], bytes);
    }
    macs += headMacs(stage.exit);
    weightBytes += headWeightBytes(stage.exit);
    headBytes = Math.max(headBytes, headRamBytes(stage.exit));
    const first = student.stages[0]?.layers[0];
    const windowBytes = (student.windowSamples + marginSamples(first)) * student.channels;
    const ramBytes = windowBytes + activationBytes[0] + activationBytes[1] + gruBytes + headBytes;
    return { macs, weightBytes, ramBytes };
  });
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

function headRamBytes(head: ExitHead): number {
  return head.layers.reduce(
    (sum, layer) => sum + layer.outputs * (layer.output === "logits" ? 2 : 1),
    head.features,
  );
}
