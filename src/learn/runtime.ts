/**
 * The numeric engine that learning runs on, as an argument.
 *
 * The pure code builds ONNX models; somebody outside compiles and runs them (ONNX Runtime on the
 * gateway). Tensors are dense, row-major, float32.
 */

export type RuntimeTensor = {
  readonly shape: readonly number[];
  readonly data: Float32Array;
};

/** One compiled model. Runs may be awaited one after another only. */
export type Program = {
  /** Inputs and outputs by name. The arrays of the answer belong to the caller. */
  run(inputs: Readonly<Record<string, RuntimeTensor>>): Promise<Record<string, RuntimeTensor>>;
  /** Frees the native memory; the program must not run afterwards. */
  release(): Promise<void>;
};

export type Runtime = {
  /** Throws an `EdgeError` `onnx-refused` when the engine does not accept the model. */
  compile(onnx: Uint8Array): Promise<Program>;
};
