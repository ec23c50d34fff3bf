/** What an encoder looks like before it has integers: see `encoder.ts` for what it is. */
import type { LayerSpec, Tensor } from "./student-spec.ts";

/** A convolution with its normalisation and ReLU, as students have them. */
export type EncoderLayer = Exclude<LayerSpec, { readonly kind: "gru" }>;

export type EncoderSpec = {
  readonly windowSamples: number;
  readonly channels: number;
  readonly layers: readonly EncoderLayer[];
  /** 1..7 a value. */
  readonly codeBits: number;
};

/** Tensors are named as those of a student's first stage; see `src/learn/student-network.ts`. */
export type FloatEncoder = {
  readonly spec: EncoderSpec;
  readonly tensors: ReadonlyMap<string, Tensor>;
};

/** Where a channel of the code starts out in training, in deviations of 1: the codes span twice that,
 * two deviations to each side. */
export const CODE_CENTRE = 2;

/** What one step of a code is worth. */
export function codeStep(codeBits: number): number {
  return (2 * CODE_CENTRE) / (2 ** codeBits - 1);
}

/** The name of the activation that is the code, among a student's. */
export function codeActivation({ layers }: EncoderSpec): string {
  const name = `stage0.layer${layers.length - 1}`;
  return layers.at(-1)?.kind === "separable" ? `${name}.pointwise` : name;
}
