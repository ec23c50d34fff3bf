/**
 * What a student would take if its weights were packed into as many bits as they have, exit by exit.
 *
 * A comparison of designs: containers store a byte a weight, whatever it holds, for a node without
 * shifts and masks in its innermost loop is faster.
 */

import { SIGMOID_Q15, TANH_Q15 } from "../engine/gate-tables.ts";
import type { Scheme } from "./requantize.ts";
import type { ExitHead, QuantizedStudent, Stage } from "./student.ts";
import { studentCost } from "./student-cost.ts";

/** All figures are up to and including the exit, the exits before it among them. */
export type PackedCost = {
  readonly macs: number;
  /** Sums that are brought to the scale of an output: a product and a shift each, with dynamic fixed
   * point a shift alone. */
  readonly rescalings: number;
  /** Weights in their bits; per row a bias of four bytes, a shift of one and, but for dynamic fixed
   * point, a multiplier of two; the tables of a GRU's gates. */
  readonly bytes: number;
};

/** One entry per exit. */
export function packedCost(
  student: QuantizedStudent,
  scheme: Scheme,
  weightBits: number,
): readonly PackedCost[] {
  const rowBytes = scheme === "int8" ? 7 : 5;
  const packed = (weights: Int8Array): number => Math.ceil((weights.length * weightBits) / 8);
  const layerBytes = (layer: Stage["layers"][number]): number => {
    if (layer.kind !== "gru") return packed(layer.weights) + rowBytes * layer.bias.length;
    // A continuing layer uses the arrays of the one that it goes on from.
    if (layer.continues) return 0;
    const tables = SIGMOID_Q15.byteLength + TANH_Q15.byteLength;
    const weights = packed(layer.inputWeights) + packed(layer.stateWeights);
    return weights + 2 * rowBytes * 3 * layer.hidden + tables;
  };
  const headBytes = (head: ExitHead): number =>
    head.layers.reduce(
      (sum, layer) => sum + packed(layer.weights) + rowBytes * layer.outputs,
      head.pool === "mean" ? rowBytes - 4 : 0,
    );
  let bytes = 0;
  let rescalings = 0;
  const costs = studentCost(student);
  return student.stages.map((stage, s) => {
    bytes += headBytes(stage.exit);
    rescalings += headRescalings(stage.exit);
    for (const layer of stage.layers) {
      bytes += layerBytes(layer);
      rescalings +=
        layer.kind === "gru"
          ? 2 * 3 * layer.hidden * layer.patches
          : layer.outTime * layer.bias.length;
    }
    return { macs: costs[s]?.macs ?? 0, rescalings, bytes };
  });
}

function headRescalings(head: ExitHead): number {
  const pooled = head.pool === "mean" ? head.features : 0;
  return head.layers.reduce((sum, layer) => sum + layer.outputs, pooled);
}
