/**
 * A quantized encoder: the integer layers that turn a window into a code of few bytes.
 *
 * It is a chain of a student's own convolutions and nothing else, so that every engine has its
 * kernels already. The code is the last layer's output, which ReLU keeps from 0 to 127, clipped to
 * what its bits can say: `min(y, 2^codeBits - 1)`, `[codeTime][codeChannels]`. Time stays in it; a
 * code that is pooled knows no more than a student's features do.
 */

import { EdgeError } from "../assert.ts";
import { packedCodeBytes } from "../wire/codes.ts";
import { checkConvolution } from "./check-student.ts";
import { encoderRamBytes } from "./encoder-cost.ts";
import { MODEL_LIMITS as LIMITS } from "./limits.ts";
import type { ConvLayer, DepthwiseLayer } from "./student.ts";
import { outChannelsOf } from "./student-cost.ts";

export type QuantizedEncoder = {
  /** What it reads: 0 for the window, s for the map that the student's first s stages left. */
  readonly afterStages: number;
  readonly layers: readonly (ConvLayer | DepthwiseLayer)[];
  /** 1..7 a value. */
  readonly codeBits: number;
};

export type CodeShape = {
  readonly time: number;
  readonly channels: number;
  readonly bits: number;
  /** Packed, the last byte filled up. */
  readonly bytes: number;
};

export function codeShape({ layers, codeBits }: QuantizedEncoder): CodeShape {
  const last = layers.at(-1);
  const channels = last === undefined ? 0 : outChannelsOf(last);
  const time = last?.outTime ?? 0;
  return { time, channels, bits: codeBits, bytes: packedCodeBytes(time * channels, codeBits) };
}

/** Multiply-accumulates of one window, after whatever it reads from. */
export function encoderMacs({ layers }: QuantizedEncoder): number {
  return layers.reduce((sum, { outTime, weights }) => sum + outTime * weights.length, 0);
}

/**
 * Returns normally for an encoder that every engine can run on an input of this shape.
 *
 * @throws EdgeError `encoder-range`, and what `checkStudent` says of a layer
 */
export function checkEncoder(
  encoder: QuantizedEncoder,
  input: { readonly time: number; readonly channels: number },
): void {
  within("bits of a code", encoder.codeBits, 1, LIMITS.codeBits);
  within("stages before", encoder.afterStages, 0, LIMITS.stages);
  within("layers", encoder.layers.length, 1, LIMITS.layersPerStage);
  let shape = input;
  encoder.layers.forEach((layer, l) => {
    shape = checkConvolution(`encoder, layer ${l}`, layer, shape);
  });
  within("bytes of a code", codeShape(encoder).bytes, 1, LIMITS.codeBytes);
  within("bytes of RAM", encoderRamBytes(encoder), 1, LIMITS.ramBytes);
  within("multiply-accumulates", encoderMacs(encoder), 1, LIMITS.multiplyAccumulates);
}

function within(what: string, value: number, low: number, high: number): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  throw new EdgeError({
    code: "encoder-range",
    message: `${what}: ${value}, must be in ${low}..${high}`,
    where: "model, encoder",
    hint: "The container is damaged, or was made by a program that disagrees with docs/FORMATS.md.",
  });
}
