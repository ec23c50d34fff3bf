/**
 * ONNX Runtime as the numeric engine of training and of the teacher.
 *
 * One thread per operator: on small networks more threads made training slower on every machine
 * that was measured, and the gateway has other work for its cores. Parallel work runs in workers.
 * The only file that imports onnxruntime-node.
 */
// First, for its effect on what is loaded next.
import "./onnx-silence.ts";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { EdgeError } from "../../src/assert.ts";
import type { Program, RuntimeTensor } from "../../src/learn/runtime.ts";

/** A model that this process serves or trains with, and what its file says about itself. */
export type LoadedProgram = Program & {
  /** Input and output names with their shapes; a symbolic dimension is its name. */
  readonly inputs: readonly { readonly name: string; readonly shape: readonly Dimension[] }[];
  readonly outputs: readonly { readonly name: string; readonly shape: readonly Dimension[] }[];
};
export type Dimension = number | string;

export type OnnxRuntime = { compile(onnx: Uint8Array): Promise<LoadedProgram> };

export function onnxRuntime(options: { readonly threads?: number } = {}): OnnxRuntime {
  return {
    async compile(onnx: Uint8Array): Promise<LoadedProgram> {
      const session = await createSession(onnx, options.threads ?? 1);
      return {
        inputs: session.inputMetadata.map(shapeOf),
        outputs: session.outputMetadata.map(shapeOf),
        run: (inputs) => runSession(session, inputs),
        release: () => session.release(),
      };
    },
  };
}

async function createSession(onnx: Uint8Array, threads: number): Promise<InferenceSession> {
  try {
    return await InferenceSession.create(onnx, {
      executionProviders: ["cpu"],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: "sequential",
      graphOptimizationLevel: "all",
      // Errors come back as exceptions; warnings about unused initialisers are only noise.
      logSeverityLevel: 3,
    });
  } catch (error) {
    throw new EdgeError({
      code: "onnx-refused",
      message: `ONNX Runtime does not accept the model: ${messageOf(error)}`,
      where: "ONNX model",
      hint: "Export with standard operators and float32 inputs, opset 21 or lower.",
    });
  }
}

async function runSession(
  session: InferenceSession,
  inputs: Readonly<Record<string, RuntimeTensor>>,
): Promise<Record<string, RuntimeTensor>> {
  const feeds: Record<string, Tensor> = {};
  for (const [name, { shape, data }] of Object.entries(inputs)) {
    feeds[name] = new Tensor("float32", data, shape);
  }
  const results = await session.run(feeds);
  const outputs: Record<string, RuntimeTensor> = {};
  for (const [name, tensor] of Object.entries(results)) {
    outputs[name] = { shape: tensor.dims, data: tensor.data as Float32Array };
  }
  return outputs;
}

function shapeOf(value: InferenceSession.ValueMetadata): {
  name: string;
  shape: readonly Dimension[];
} {
  return { name: value.name, shape: value.isTensor ? value.shape : [] };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
