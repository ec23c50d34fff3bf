/** The compiled kernels in the repository are those of their source. */

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { wasmModuleBytes } from "../src/engine/wasm-module.ts";
import { WASM_MODULE_FILE, wasmModuleText } from "./build-wasm-module.ts";

it("the module is what its command makes from its source", async () => {
  expect(readFileSync(WASM_MODULE_FILE, "utf8")).toBe(await wasmModuleText());
});

it("the module imports nothing but its memory, and exports one function beside it", () => {
  type Entry = { readonly module?: string; readonly name: string; readonly kind: string };
  type ModuleClass = {
    new (bytes: Uint8Array): object;
    imports(module: object): readonly Entry[];
    exports(module: object): readonly Entry[];
  };
  const { Module } = Reflect.get(globalThis, "WebAssembly") as { readonly Module: ModuleClass };
  const module = new Module(wasmModuleBytes());
  expect(Module.imports(module)).toEqual([{ module: "env", name: "memory", kind: "memory" }]);
  const names = Module.exports(module).map(({ name }) => name);
  expect(names.sort()).toEqual(["memory", "run"]);
});
