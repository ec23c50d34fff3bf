/**
 * What an encoder costs one processor for one window: an estimate, as `student-on-target.ts` makes
 * them, from the same counts of the C runtime's layers. No firmware has an encoder yet.
 */

import type { QuantizedEncoder } from "../model/encoder.ts";
import { FITTED } from "./fitted-sets.ts";
import { instructionsOfWork } from "./instruction-model.ts";
import { type ExitEstimate, estimateOf } from "./student-on-target.ts";
import { TARGETS, type TargetName } from "./targets.ts";
import { layerWork, type Work } from "./work.ts";

/** From the window to the codes, the copy of its samples among it; packing is some instructions a
 * code and not counted. */
export function encoderOn(target: TargetName, { layers }: QuantizedEncoder): ExitEstimate {
  const { model } = FITTED[TARGETS[target].instructionSet];
  const [first] = layers;
  const channels = first?.kind === "conv" ? first.inChannels : (first?.channels ?? 0);
  const samples = (first?.inTime ?? 0) * channels;
  const copy: Work = { kind: "window", macs: 0, outputs: samples, rows: 1 };
  const work = [copy, ...layers.map(layerWork)];
  const sum = work.reduce((total, one) => total + instructionsOfWork(one, model), 0);
  return estimateOf(target, Math.round(sum));
}
