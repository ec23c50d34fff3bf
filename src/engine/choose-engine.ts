/** Which engine to run: WebAssembly where the platform has its SIMD, else the reference engine. */

import { EdgeError, unreachable } from "../assert.ts";
import type { Engine, EngineName } from "./engine.ts";
import { referenceEngine } from "./reference.ts";
import { createWasmEngine, wasmIsSupported } from "./wasm.ts";

/** Compiled once: what the platform learns about the code while it runs is kept with the module. */
let wasmEngine: Engine | undefined;

/** The same bits either way; `wasm` is some thirty times as fast. Throws `EdgeError` `no-simd` where
 * it was asked for by name and cannot be had. */
export function chooseEngine(
  wanted: EngineName = wasmIsSupported() ? "wasm" : "reference",
): Engine {
  switch (wanted) {
    case "wasm":
      if (wasmEngine === undefined && !wasmIsSupported()) refuseWasm();
      wasmEngine ??= createWasmEngine();
      return wasmEngine;
    case "reference":
      return referenceEngine;
    default:
      return unreachable(wanted);
  }
}

function refuseWasm(): never {
  throw new EdgeError({
    code: "no-simd",
    message: "this platform's WebAssembly has no SIMD",
    where: "engine",
    hint: "Take the reference engine, which gives the same bits.",
  });
}
