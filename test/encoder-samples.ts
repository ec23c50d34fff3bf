/** Encoders with random weights, and containers that hold one, for tests of bits and bytes. */

import { createHash } from "node:crypto";
import fc from "fast-check";
import { untrainedEncoder, untrainedSplit } from "../bench/untrained-encoder.ts";
import { withOnnxMetadata } from "../src/learn/onnx-model.ts";
import { type FloatSplit, tailOnnx } from "../src/learn/tail-network.ts";
import type { Container } from "../src/model/container.ts";
import type { QuantizedEncoder } from "../src/model/encoder.ts";
import { encodeEncoder } from "../src/model/encoder-bytes.ts";
import type { EncoderSpec } from "../src/model/encoder-spec.ts";
import { quantizeEncoder } from "../src/model/quantize-encoder.ts";
import type { StudentSpec } from "../src/model/student-spec.ts";
import { noiseWindows, randomContainer, randomFloatStudent } from "./student-samples.ts";

/** For a collar's windows; 25 x 2 codes of 4 bits are 25 bytes. */
export const ENCODER_SPEC: EncoderSpec = {
  windowSamples: 50,
  channels: 3,
  layers: [
    { kind: "conv", filters: 9, kernel: 5, stride: 2 },
    { kind: "separable", filters: 11, kernel: 4, stride: 1 },
    { kind: "conv", filters: 2, kernel: 1, stride: 1 },
  ],
  codeBits: 4,
};

const layer = fc.record({
  kind: fc.constantFrom("conv" as const, "separable" as const),
  filters: fc.integer({ min: 1, max: 6 }),
  kernel: fc.integer({ min: 1, max: 6 }),
  stride: fc.integer({ min: 1, max: 3 }),
});

/** The layers and the bits of encoders of any shape, small. */
export const arbitraryEncoders: fc.Arbitrary<Pick<EncoderSpec, "layers" | "codeBits">> = fc.record({
  layers: fc.array(layer, { minLength: 1, maxLength: 4 }),
  codeBits: fc.integer({ min: 1, max: 7 }),
});

export function randomEncoder(spec: EncoderSpec, seed: number): QuantizedEncoder {
  const { windowSamples, channels, layers } = spec;
  const stages = [{ layers, exit: { hidden: 0 } }];
  const around = { windowSamples, channels, classes: 2, stages };
  const { tensors } = randomFloatStudent(around, seed);
  return quantizeEncoder({ spec, tensors }, noiseWindows(around, 8, seed), 31.25);
}

/** An encoder of the given layers for the student's own windows. */
export function containerWithEncoder(
  student: StudentSpec,
  encoder: Pick<EncoderSpec, "layers" | "codeBits">,
  seed: number,
): Container {
  const { windowSamples, channels } = student;
  return {
    ...randomContainer(student, seed),
    encoder: randomEncoder({ windowSamples, channels, ...encoder }, seed),
  };
}

/** An encoder and a small tail as training begins with them, for `classes` behaviours. */
export function sampleSplit(encoder: EncoderSpec, classes: number, seed: number): FloatSplit {
  const tail = { widths: [6, 8], strides: [1, 2], kernels: [3, 3] };
  return untrainedSplit({ encoder, tail, classes }, seed);
}

/** The split's encoder in integers, and its tail's file, for a profile of these classes. */
export function packedSplit(
  split: FloatSplit,
  about: { readonly classes: readonly string[]; readonly rateHz: number },
): { readonly encoder: QuantizedEncoder; readonly tail: Uint8Array } {
  const encoder = untrainedEncoder(split, 16);
  const hash = createHash("sha256").update(encodeEncoder(encoder)).digest("hex");
  const tail = tailOnnx(split, { ...about, encoder: hash });
  return { encoder, tail: withOnnxMetadata(tail, { studentWeight: "0.5" }) };
}
