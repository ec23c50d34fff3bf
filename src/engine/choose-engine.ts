/** Which engine to run: WebAssembly where the platform has its SIMD, else the reference engine. */

import { unreachable } from "../assert.ts";
import type { Engine } from "./engine.ts";
import { referenceEngine } from "./reference.ts";
import { createWasmEngine, wasmIsSupported } from "./wasm.ts";

/** Compiled once: what the platform learns about the code while it runs is kept with the module. */
let wasmEngine: Engine | undefined;

/** The same bits either way; `wasm` is some twenty-five times as fast. */
export function chooseEngine(
  wanted: Engine["name"] = wasmIsSupported() ? "wasm" : "reference",
): Engine {
  switch (wanted) {
    case "wasm":
      wasmEngine ??= createWasmEngine();
      return wasmEngine;
    case "reference":
      return referenceEngine;
    default:
      return unreachable(wanted);
  }
}
