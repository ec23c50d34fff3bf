/**
 * What the steps of quantization share: the calibration windows on their way through the layers, and
 * the two things that are learned from them, ranges and biases.
 */

import { activationScale, type RangeRule } from "./activation-scale.ts";
import { BIAS_MAX, type QuantizedRows } from "./quantize-rows.ts";
import type { Scheme } from "./requantize.ts";

export type QuantizeOptions = {
  readonly scheme: Scheme;
  /** How activations get their range. */
  readonly range: RangeRule;
  /** 2..8; fewer than 8 is an experiment in accuracy, weights are stored as bytes all the same. */
  readonly weightBits: number;
  readonly correctBias: boolean;
  /** At most so many windows, spread evenly over the set. */
  readonly calibrationWindows: number;
  /** Scales that fine-tuning has settled on; those that are not here are calibrated by `range`. */
  readonly scales?: ActivationScales;
};

/** What one step of each activation is worth, by name: that of the layer (`stage0.layer1.pointwise`,
 * `stage0.exit.hidden`), `stage0.exit.pool` for pooled features. */
export type ActivationScales = ReadonlyMap<string, number>;

/** The options, and the scales that quantization has come to use. */
export type Settings = QuantizeOptions & { readonly chosen: Map<string, number> };

/** The scale of an activation: the one given, else one calibrated from its values. */
export function settledScale(
  name: string,
  floats: readonly Float64Array[],
  { scales, range, chosen }: Settings,
): number {
  const scale = scales?.get(name) ?? activationScale(floats, range);
  chosen.set(name, scale);
  return scale;
}

/** What one step of a logit, of a pre-activation and of a GRU's state is worth. */
export const LOGIT_SCALE = 2 ** -8;
export const GATE_SCALE = 2 ** -12;
export const STATE_SCALE = 2 ** -15;
/** What one step of the features is worth that an exit takes from a GRU's state. */
export const STATE_FEATURE_SCALE = 2 ** -7;

/** One activation of every calibration window, in float and as integers. */
export type Trace = {
  readonly floats: readonly Float64Array[];
  readonly ints: readonly Int8Array[];
  /** What one step of the integers is worth. */
  readonly scale: number;
};
export type GruTrace = {
  readonly floats: readonly Float64Array[];
  readonly ints: readonly Int16Array[];
};

/** Shifts each bias so that the mean sum over the calibration windows is the float layer's. */
export function correctBias(
  rows: QuantizedRows,
  wanted: Float64Array,
  sums: readonly Float64Array[],
): void {
  channelMeans(sums, wanted.length).forEach((mean, row) => {
    const sum = (wanted[row] as number) / (rows.sumScales[row] as number);
    rows.bias[row] = Math.max(-BIAS_MAX, Math.min(BIAS_MAX, Math.round(sum - mean)));
  });
}

export function channelMeans(batches: readonly Float64Array[], channels: number): Float64Array {
  const means = new Float64Array(channels);
  let rows = 0;
  for (const values of batches) {
    for (let i = 0; i < values.length; i++) {
      means[i % channels] = (means[i % channels] as number) + (values[i] as number);
    }
    rows += values.length / channels;
  }
  return means.map((sum) => sum / rows);
}
