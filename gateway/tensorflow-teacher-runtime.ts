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
import { loadLayersModel, model as layersModel } from "@tensorflow/tfjs-layers";

/** What the adapter uses of TensorFlow.js; both builds export it. */
export type TensorflowApi = {
  readonly tensor: typeof core.tensor;
  readonly loadLayersModel: typeof loadLayersModel;
  readonly loadGraphModel: typeof loadGraphModel;
  readonly model: typeof layersModel;
};

/** A SavedModel as `tfjs-node` loads it. */
export type SavedModel = {
  readonly inputs: readonly { readonly name: string; readonly shape?: readonly number[] }[];
  predict(input: core.Tensor): core.Tensor | core.Tensor[] | Record<string, core.Tensor>;
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

type NativeModule = TensorflowApi & {
  readonly node: { loadSavedModel(folder: string): Promise<SavedModel> };
};

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
      loadSavedModel: (folder) => native.node.loadSavedModel(folder),
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
