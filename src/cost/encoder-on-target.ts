/**
 * What an encoder costs one processor for one window: an estimate, as `student-on-target.ts` makes
 * them, from the same counts of the C runtime's layers. `bench -- mcu` counts encoders themselves.
 */

import type { QuantizedEncoder } from "../model/encoder.ts";
import { inChannelsOf } from "../model/student-cost.ts";
import { FITTED } from "./fitted-sets.ts";
import { instructionsOfLayers } from "./instruction-model.ts";
import { type ExitEstimate, estimateOf } from "./student-on-target.ts";
import { TARGETS, type TargetName } from "./targets.ts";

/** From the window to the codes, the copy of its samples among it; packing is some instructions a
 * code and not counted. */
export function encoderOn(target: TargetName, { layers }: QuantizedEncoder): ExitEstimate {
  const { model } = FITTED[TARGETS[target].instructionSet];
  const [first] = layers;
  const samples = first === undefined ? 0 : first.inTime * inChannelsOf(first);
  return estimateOf(target, instructionsOfLayers(samples, layers, model));
}
