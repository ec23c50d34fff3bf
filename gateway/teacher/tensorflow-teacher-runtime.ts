/**
 * Which TensorFlow.js runs here: the native one where it is installed, else WebAssembly.
 *
 * `@tensorflow/tfjs-node` is an optional peer: installing it downloads libtensorflow, which fails on
 * many machines, and its last release (4.22.0) calls `util.isNullOrUndefined`, which Node 23 removed.
 * So the function is put back before the import, and where the import still fails the reason is kept
 * and the same models run on the WASM backend.
 */

import { createRequire } from "node:module";
import path from "node:path";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import { loadGraphModel } from "@tensorflow/tfjs-converter";
import * as core from "@tensorflow/tfjs-core";
import { model as layersModel, loadLayersModel } from "@tensorflow/tfjs-layers";

/** What the adapter uses of TensorFlow.js; both builds export it. */
export type TensorflowApi = {
  readonly tensor: typeof core.tensor;
  readonly loadLayersModel: typeof loadLayersModel;
  readonly loadGraphModel: typeof loadGraphModel;
  readonly model: typeof layersModel;
};

/** A SavedModel's serving signature as `tfjs-node` loads it, with the signature's own names. */
export type SavedModel = {
  readonly input: { readonly name: string; readonly shape: readonly (number | null)[] };
  predict(input: core.Tensor): Record<string, core.Tensor>;
  dispose(): void;
};

export type TensorflowRuntime = {
  readonly backend: "native" | "wasm";
  /** Why it is not the native one; undefined where it is. */
  readonly fallbackReason: string | undefined;
  readonly api: TensorflowApi;
  /** Only the native build reads these. */
  readonly loadSavedModel: ((folder: string) => Promise<SavedModel>) | undefined;
};

/** What `tfjs-node` 4.22.0 has for SavedModels. Sizes of a shape are protobuf messages, whatever its
 * declarations say. */
type NativeNode = {
  loadSavedModel(
    folder: string,
    tags: string[],
    signature: string,
  ): Promise<{
    predict(inputs: Record<string, core.Tensor>): Record<string, core.Tensor>;
    dispose(): void;
  }>;
  getMetaGraphsFromSavedModel(folder: string): Promise<
    readonly {
      readonly tags: readonly string[];
      readonly signatureDefs: Readonly<
        Record<string, { readonly inputs: Readonly<Record<string, SignatureInput>> }>
      >;
    }[]
  >;
};
type SignatureInput = { readonly shape: readonly (number | { getSize(): number })[] };
type NativeModule = TensorflowApi & { readonly node: NativeNode };

const SERVING_TAG = "serve";
const SERVING_SIGNATURE = "serving_default";

type RemovedUtil = Partial<Record<"isNullOrUndefined" | "isArray", (value: unknown) => boolean>>;

const NATIVE_PACKAGE = "@tensorflow/tfjs-node";

/** Chooses once per call; `wasm` asks for the fallback even where the native build is installed. */
export async function tensorflowRuntime(
  wish: "native-first" | "wasm" = "native-first",
): Promise<TensorflowRuntime> {
  if (wish === "wasm") return wasmRuntime("WebAssembly was asked for");
  try {
    restoreRemovedUtil();
    const native = await importNative();
    return {
      backend: "native",
      fallbackReason: undefined,
      api: native,
      loadSavedModel: (folder) => loadSavedModel(native.node, folder),
    };
  } catch (error) {
    const message = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    const missing = (error as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND";
    return wasmRuntime(
      missing
        ? `${NATIVE_PACKAGE} is not installed`
        : `${NATIVE_PACKAGE} does not load: ${message}`,
    );
  }
}

async function loadSavedModel(node: NativeNode, folder: string): Promise<SavedModel> {
  const graphs = await node.getMetaGraphsFromSavedModel(folder);
  const graph = graphs.find(({ tags }) => tags.includes(SERVING_TAG));
  const [named, second] = Object.entries(graph?.signatureDefs[SERVING_SIGNATURE]?.inputs ?? {});
  if (named === undefined || second !== undefined) {
    throw new Error(`its signature ${SERVING_SIGNATURE} does not have exactly one input`);
  }
  const [name, { shape }] = named;
  const model = await node.loadSavedModel(folder, [SERVING_TAG], SERVING_SIGNATURE);
  const sizes = shape.map((size) => (typeof size === "number" ? size : size.getSize()));
  return {
    input: { name, shape: sizes.map((size) => (size > 0 ? size : null)) },
    predict: (input) => model.predict({ [name]: input }),
    dispose: () => model.dispose(),
  };
}

async function importNative(): Promise<NativeModule> {
  // The name is a variable so that neither the compiler nor a bundler asks for the package.
  const name: string = NATIVE_PACKAGE;
  const imported = (await import(name)) as { default?: NativeModule } & Partial<NativeModule>;
  const native = imported.default ?? imported;
  if (native.node === undefined || native.loadLayersModel === undefined) {
    throw new Error("it exports neither models nor SavedModel");
  }
  return native as NativeModule;
}

async function wasmRuntime(fallbackReason: string): Promise<TensorflowRuntime> {
  const entry = createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm");
  setWasmPaths(`${path.dirname(entry)}${path.sep}`);
  if (!(await core.setBackend("wasm"))) throw new Error("the WASM backend did not start");
  return {
    backend: "wasm",
    fallbackReason,
    api: { tensor: core.tensor, loadLayersModel, loadGraphModel, model: layersModel },
    loadSavedModel: undefined,
  };
}

/** `tfjs-node` 4.22.0 calls what Node 23 removed (tensorflow/tfjs#8425, merged, never released). */
function restoreRemovedUtil(): void {
  const util = createRequire(import.meta.url)("node:util") as RemovedUtil;
  util.isNullOrUndefined ??= (value) => value === null || value === undefined;
  util.isArray ??= (value) => Array.isArray(value);
}
