/**
 * A quantized student: the integer program that every engine runs, bit for bit.
 *
 * Activations are int8 `[time][channel]`, symmetric around 0; weights are int8 with one scale per
 * output channel; accumulators are int32. After each layer `y = (acc * m + 2^(s-1)) >> s`, m in
 * 16384..32767, then saturation, and `max(0, y)` where the layer has a ReLU. This one rule is exact
 * in a double, in WebAssembly's f64x2, and in C with one SMMUL.
 *
 * An exit's logits are int16 in Q8: the float logit times 256, saturated.
 */

/** Per output channel: multiplier in 16384..32767 and right shift in 1..46. */
export type Requantization = { readonly multipliers: Int16Array; readonly shifts: Uint8Array };

export type ConvLayer = {
  readonly kind: "conv";
  readonly inTime: number;
  readonly outTime: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernel: number;
  readonly stride: number;
  /** Zeros before the first sample; those behind the last follow from the shapes. */
  readonly padLeft: number;
  /** `[outChannel][kernel][inChannel]` */
  readonly weights: Int8Array;
  readonly bias: Int32Array;
  readonly requantization: Requantization;
};

/** One filter per channel: `outChannels = inChannels = channels`. */
export type DepthwiseLayer = {
  readonly kind: "depthwise";
  readonly inTime: number;
  readonly outTime: number;
  readonly channels: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padLeft: number;
  /** `[kernel][channel]` */
  readonly weights: Int8Array;
  readonly bias: Int32Array;
  readonly requantization: Requantization;
};

/** GRU over patches; int16 Q15 state, Q3.12 pre-activations, 257-entry tables. PyTorch's form: the
 * reset gate multiplies `W_hn h + b_hn`. Gate order reset, update, new. */
export type GruLayer = {
  readonly kind: "gru";
  readonly patchSamples: number;
  readonly channels: number;
  readonly hidden: number;
  readonly firstPatch: number;
  readonly patches: number;
  /** True when it goes on from the state that the stage before left. */
  readonly continues: boolean;
  /** `[3 * hidden][patchSamples * channels]` and `[3 * hidden][hidden]`; a continuing layer holds the
   * same arrays as the layer it continues, and the container stores them once. */
  readonly inputWeights: Int8Array;
  readonly stateWeights: Int8Array;
  readonly inputBias: Int32Array;
  readonly stateBias: Int32Array;
  /** To Q3.12, one entry per row. */
  readonly inputRequantization: Requantization;
  readonly stateRequantization: Requantization;
};

export type DenseLayer = {
  readonly kind: "dense";
  readonly inputs: number;
  readonly outputs: number;
  /** `[output][input]` */
  readonly weights: Int8Array;
  readonly bias: Int32Array;
  readonly requantization: Requantization;
  /** ReLU and int8 out, or int16 Q8 logits out. */
  readonly output: "relu" | "logits";
};

export type ExitHead = {
  /** Mean over time, requantized with the one multiplier and shift; the GRU's state is instead taken
   * from Q15 to int8 by `(h + 128) >> 8`, saturated. */
  readonly pool: "mean" | "state";
  /** One entry; unused by `state`. */
  readonly poolRequantization: Requantization;
  /** Int8 features per window: the input of the first dense layer, and what novelty looks at. */
  readonly features: number;
  readonly layers: readonly DenseLayer[];
};

export type Stage = {
  readonly layers: readonly (ConvLayer | DepthwiseLayer | GruLayer)[];
  readonly exit: ExitHead;
};

export type QuantizedStudent = {
  readonly windowSamples: number;
  readonly channels: number;
  readonly classes: number;
  readonly stages: readonly Stage[];
};
