/**
 * The scales of every weight and bias of a student, as quantization will choose them, without
 * quantizing: fine-tuning asks before each of its steps, for its weights move.
 */

import type { FoldedStudent } from "./float-student.ts";
import { type FloatRows, rowScales, transposed } from "./quantize-rows.ts";
import {
  type ActivationScales,
  GATE_SCALE,
  LOGIT_SCALE,
  type QuantizeOptions,
  STATE_FEATURE_SCALE,
  STATE_SCALE,
} from "./quantize-trace.ts";

export type WeightScales = {
  /** What one step of a row's weights is worth, `[row]`. */
  readonly weight: Float64Array;
  /** And of its bias, which is also that of its sums. */
  readonly bias: Float64Array;
};

/**
 * By name: that of the layer (`stage0.layer0`, `stage1.exit.logits`), a GRU's with `.input` or
 * `.state` behind. `inputScale` is in g per step; `scales` must name every activation.
 */
export function weightScales(
  folded: FoldedStudent,
  inputScale: number,
  scales: ActivationScales,
  { scheme, weightBits }: Pick<QuantizeOptions, "scheme" | "weightBits">,
): Map<string, WeightScales> {
  const found = new Map<string, WeightScales>();
  const put = (name: string, rows: FloatRows): void => {
    const weight = rowScales(rows, scheme, weightBits);
    found.set(name, { weight, bias: weight.map((scale) => scale * rows.inputScale) });
  };
  const scaleOf = (name: string): number => scales.get(name) ?? STATE_FEATURE_SCALE;
  let before = inputScale;
  folded.stages.forEach((stage, s) => {
    for (const layer of stage.layers) {
      const { name } = layer;
      if (layer.kind === "gru") {
        const { inputWeights, inputBias, stateWeights, stateBias } = layer;
        const gates = { outputScale: GATE_SCALE };
        put(`${name}.input`, { weights: inputWeights, bias: inputBias, inputScale, ...gates });
        const state = { weights: stateWeights, bias: stateBias, inputScale: STATE_SCALE };
        put(`${name}.state`, { ...state, ...gates });
        continue;
      }
      const { weights, bias } = layer;
      const rows =
        layer.kind === "conv" ? weights : transposed(weights, layer.kernel, layer.channels);
      const outputScale = scaleOf(name);
      put(name, { weights: rows, bias, inputScale: before, outputScale });
      before = outputScale;
    }
    let features = scaleOf(`stage${s}.exit.pool`);
    for (const { name, weights, bias, output } of stage.head) {
      const outputScale = output === "logits" ? LOGIT_SCALE : scaleOf(name);
      put(name, { weights, bias, inputScale: features, outputScale });
      features = outputScale;
    }
  });
  return found;
}
