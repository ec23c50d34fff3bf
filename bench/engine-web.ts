/**
 * ONNX Runtime in WebAssembly, as a browser would run it: a peer of the engines.
 *
 * One thread, like everything that it is timed beside. The only file that knows onnxruntime-web, which
 * is there for this benchmark alone: the package is asked for when it runs, and may be missing.
 */

import type { Program, Runtime } from "../src/learn/runtime.ts";

const PACKAGE = "onnxruntime-web";

type WebTensor = { readonly dims: readonly number[]; readonly data: Float32Array };
type WebSession = {
  run(feeds: Readonly<Record<string, WebTensor>>): Promise<Record<string, WebTensor>>;
  release(): Promise<void>;
};
/** What is used of the package. */
type WebRuntime = {
  readonly env: { readonly wasm: { numThreads: number }; logLevel: string };
  readonly Tensor: new (type: "float32", data: Float32Array, shape: readonly number[]) => WebTensor;
  readonly InferenceSession: {
    create(onnx: Uint8Array, options: Readonly<Record<string, unknown>>): Promise<WebSession>;
  };
};

/** Undefined where the package is not installed. */
export async function onnxRuntimeWeb(): Promise<Runtime | undefined> {
  const web = await importWeb();
  if (web === undefined) return undefined;
  web.env.wasm.numThreads = 1;
  web.env.logLevel = "error";
  return {
    async compile(onnx: Uint8Array): Promise<Program> {
      const session = await web.InferenceSession.create(onnx, {
        executionProviders: ["wasm"],
        graphOptimizationLevel: "all",
      });
      return {
        async run(inputs) {
          const feeds = Object.entries(inputs).map(
            ([name, { shape, data }]) => [name, new web.Tensor("float32", data, shape)] as const,
          );
          const outputs = await session.run(Object.fromEntries(feeds));
          return Object.fromEntries(
            Object.entries(outputs).map(([name, { dims, data }]) => [name, { shape: dims, data }]),
          );
        },
        release: () => session.release(),
      };
    },
  };
}

async function importWeb(): Promise<WebRuntime | undefined> {
  // The name is a variable, so that the compiler does not ask for the package.
  const name: string = PACKAGE;
  try {
    return (await import(name)) as WebRuntime;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND") return undefined;
    throw error;
  }
}
