/** The engine benchmark, tiny: it runs, and its peer computes what our engines do. */

import { expect, it } from "vitest";
import { run } from "../bench/engine.ts";
import { hasCompiler } from "../bench/engine-native.ts";
import { onnxRuntimeWeb } from "../bench/engine-web.ts";
import { quickOptions } from "./benchmark-options.ts";

const hasC = hasCompiler();
const hasWeb = (await onnxRuntimeWeb()) !== undefined;
if (!hasC) console.warn("no C compiler: the C runtime is not timed");
if (!hasWeb) console.warn("onnxruntime-web is not installed: it is not timed");

it("times every engine on every shape, and ONNX Runtime names nearly the same classes", async () => {
  const result = await run(quickOptions());
  expect(result.ok).toBe(true);
  const figures = result.figures as Record<string, Record<string, unknown>>;
  expect(figures).toMatchObject({ bitIdentical: true });
  for (const shape of ["cnn", "gru", "collar"]) {
    // Its convolutions saturate at 255 and round ties to even: other bits, the same answers.
    expect(figures[shape]?.agreementWithOnnxruntime, shape).toBeGreaterThan(0.9);
    expect(Object.keys(figures[shape]?.nsPerWindow as object)).toEqual([
      "wasm",
      "reference",
      "onnxruntime-node",
      "onnxruntime-node, 64 at once",
      ...(hasWeb ? ["onnxruntime-web"] : []),
      ...(hasC ? ["c", "c, generated"] : []),
    ]);
    expect(figures.windowsPerSecondOverNodes?.[shape]).toBeGreaterThan(1000);
  }
  expect(figures.wasmNsPerWindow).toBeGreaterThan(0);
  expect(figures.ratio?.wasmOverReference).toBeGreaterThan(3);
  expect(figures.ratio?.wasmOverOnnxruntimeNode).toBeGreaterThan(0);
  expect(figures.ratio?.wasmOverOnnxruntimeWeb).toEqual(hasWeb ? expect.any(Number) : null);
  expect(figures.ratio?.wasmOverC).toEqual(hasC ? expect.any(Number) : null);
  expect(figures.ratio?.wasmOverGeneratedC).toEqual(hasC ? expect.any(Number) : null);
});
