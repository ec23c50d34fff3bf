/**
 * The reference run of an encoder: the definition of a code's bits, as `kernels.ts` is of a layer's.
 */

import { assert } from "../assert.ts";
import { codeShape, type QuantizedEncoder } from "../model/encoder.ts";
import { requantizationFactors } from "../model/requantize.ts";
import { inChannelsOf, marginSamples } from "../model/student-cost.ts";
import { conv, depthwise } from "./kernels.ts";

/** From the input, int8 `[time][channel]`, to the codes `[time][channel]`, one a byte, valid until the
 * next call. */
export type Encode = (input: Int8Array) => Uint8Array;

/** Lays out every buffer; a run only fills them. The encoder must have passed `checkEncoder`. */
export function loadEncoder(encoder: QuantizedEncoder): Encode {
  const { layers, codeBits } = encoder;
  const { time, channels } = codeShape(encoder);
  const codes = new Uint8Array(time * channels);
  const most = 2 ** codeBits - 1;
  const runs = layers.map((layer) => {
    const inChannels = inChannelsOf(layer);
    return {
      layer,
      factors: requantizationFactors(layer.requantization),
      start: layer.padLeft * inChannels,
      values: layer.inTime * inChannels,
      buffer: new Int8Array((layer.inTime + marginSamples(layer)) * inChannels),
    };
  });
  const last = new Int8Array(codes.length);
  return (input) => {
    assert(input.length === runs[0]?.values, "the input has the encoder's shape");
    runs[0].buffer.set(input, runs[0].start);
    runs.forEach(({ layer, factors, buffer }, l) => {
      const next = runs[l + 1];
      const [out, at] = next === undefined ? [last, 0] : [next.buffer, next.start];
      if (layer.kind === "conv") conv(layer, factors, buffer, out, at);
      else depthwise(layer, factors, buffer, out, at);
    });
    last.forEach((value, i) => {
      codes[i] = Math.min(value, most);
    });
    return codes;
  };
}
