/**
 * What an encoder costs a node beside its student: memory that follows from the shapes alone.
 *
 * A student runs over the window's buffer. A node that may encode keeps the window, since only the
 * last exit tells whether it is offloaded.
 */

import { codeShape, type QuantizedEncoder } from "./encoder.ts";
import { inChannelsOf, marginSamples, outChannelsOf } from "./student-cost.ts";

/** The kept window, two buffers that maps alternate between, and the packed codes. Each on a multiple
 * of four, as `studentCost` has it; inputs are widened where the student's are. */
export function encoderRamBytes(encoder: QuantizedEncoder): number {
  const { layers } = encoder;
  const sides: [number, number] = [0, 0];
  layers.forEach((layer, l) => {
    const side = l % 2 === 0 ? 0 : 1;
    const next = layers[l + 1];
    const bytes = (layer.outTime + marginSamples(next)) * outChannelsOf(layer);
    sides[side] = Math.max(sides[side], bytes);
  });
  const [first] = layers;
  const window =
    first === undefined ? 0 : (first.inTime + marginSamples(first)) * inChannelsOf(first);
  const parts = [window, ...sides, codeShape(encoder).bytes];
  return parts.reduce((sum, bytes) => sum + 4 * Math.ceil(bytes / 4), 0);
}
