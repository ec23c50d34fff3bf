/** The choice of an engine: the fast one where it can run. */

import { afterEach, expect, it, vi } from "vitest";
import { chooseEngine } from "../src/engine/choose-engine.ts";

afterEach(() => {
  vi.unstubAllGlobals();
});

it("takes WebAssembly where it has SIMD", () => {
  expect(chooseEngine().name).toBe("wasm");
});

it("falls back where there is no WebAssembly, or none with SIMD", () => {
  vi.stubGlobal("WebAssembly", { validate: () => false });
  expect(chooseEngine().name).toBe("reference");
  vi.stubGlobal("WebAssembly", undefined);
  expect(chooseEngine().name).toBe("reference");
});

it("takes the one asked for", () => {
  expect(chooseEngine("reference").name).toBe("reference");
  expect(chooseEngine("wasm").name).toBe("wasm");
});

it("says what is missing where WebAssembly is asked for and cannot be had", async () => {
  vi.resetModules();
  vi.stubGlobal("WebAssembly", { validate: () => false });
  const fresh = await import("../src/engine/choose-engine.ts");
  expect(() => fresh.chooseEngine("wasm")).toThrow("no-simd");
  expect(fresh.chooseEngine().name).toBe("reference");
});
