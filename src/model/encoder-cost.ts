/**
 * What an encoder costs a node beside its student: memory that follows from the shapes alone.
 *
 * It runs when the exits have, in the same block of memory, with the window handed to it once more:
 * only where its maps are larger than the student's does a node need more than for the student.
 */

import type { ConvLayer, DepthwiseLayer, QuantizedStudent } from "./student.ts";
import {
  inChannelsOf,
  layerScratchBytes,
  marginSamples,
  outChannelsOf,
  saidBytes,
  studentCost,
} from "./student-cost.ts";

/** As much of an encoder as its memory follows from. */
type EncoderLayers = { readonly layers: readonly (ConvLayer | DepthwiseLayer)[] };

/** What one window takes, in the C runtime's layout: two buffers that maps alternate between, with
 * their margins, the window in the first; and one layer's inputs, widened. */
export function encoderRamBytes({ layers }: EncoderLayers): number {
  const [first] = layers;
  const window =
    first === undefined ? 0 : (first.inTime + marginSamples(first)) * inChannelsOf(first);
  const sides: [number, number] = [window, 0];
  let scratchBytes = 0;
  layers.forEach((layer, l) => {
    const side = l % 2 === 0 ? 1 : 0;
    const bytes = (layer.outTime + marginSamples(layers[l + 1])) * outChannelsOf(layer);
    sides[side] = Math.max(sides[side], bytes);
    scratchBytes = Math.max(scratchBytes, layerScratchBytes(layer));
  });
  return [...sides, scratchBytes].reduce((sum, bytes) => sum + 4 * Math.ceil(bytes / 4), 0);
}

/** What a node gives a whole model: the larger of student and encoder, and what exits say. */
export function modelRamBytes({
  student,
  encoder,
}: {
  readonly student: QuantizedStudent;
  readonly encoder?: EncoderLayers;
}): number {
  const whole = studentCost(student).at(-1)?.ramBytes ?? 0;
  if (encoder === undefined) return whole;
  const said = saidBytes(student);
  return said + Math.max(whole - said, encoderRamBytes(encoder));
}
