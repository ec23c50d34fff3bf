/**
 * What a student looks like before it has weights: a chain of stages, an exit after each.
 *
 * Shapes are `[time][channel]`. Convolutions pad with zeros so that `outTime = ceil(inTime/stride)`
 * (the extra zero, when their number is odd, goes to the end), each is followed by batch
 * normalisation, which quantization folds away, and ReLU.
 */

export type LayerSpec =
  /** Dense 1-D convolution. */
  | {
      readonly kind: "conv";
      readonly filters: number;
      readonly kernel: number;
      readonly stride: number;
    }
  /** Depthwise convolution, then pointwise (kernel 1), each with normalisation and ReLU
   * (MobileNet, arXiv 1704.04861). */
  | {
      readonly kind: "separable";
      readonly filters: number;
      readonly kernel: number;
      readonly stride: number;
    }
  /** GRU over patches: `patchSamples * channels` inputs a step. A later stage's `gru` layer with
   * `continues` goes on from the state of the stage before, with the same weights, over the next
   * patches: leaving early means not reading the rest of the window. */
  | {
      readonly kind: "gru";
      readonly patchSamples: number;
      readonly hidden: number;
      readonly patches: number;
      readonly continues: boolean;
    };

/** Mean over time (or the GRU's state), an optional hidden layer with ReLU, then the logits. */
export type ExitSpec = { readonly hidden: number };

export type StageSpec = { readonly layers: readonly LayerSpec[]; readonly exit: ExitSpec };

export type StudentSpec = {
  readonly windowSamples: number;
  readonly channels: number;
  readonly classes: number;
  readonly stages: readonly StageSpec[];
};

/** Float tensors by name, as training leaves them; see `src/learn/student-network.ts` for names. */
export type Tensor = { readonly shape: readonly number[]; readonly data: Float32Array };
export type FloatStudent = {
  readonly spec: StudentSpec;
  readonly tensors: ReadonlyMap<string, Tensor>;
};
