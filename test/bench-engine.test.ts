/** The engine benchmark, tiny: it runs, and its peer computes what our engines do. */

import { expect, it } from "vitest";
import type { BenchmarkOptions } from "../bench/benchmark.ts";
import { run } from "../bench/engine.ts";

it("times every engine on every shape, and ONNX Runtime names nearly the same classes", async () => {
  const result = await run({
    data: undefined,
    quick: true,
    dataset: undefined,
    train: [],
    test: [],
    shift: [],
    seeds: undefined,
    student: undefined,
    rotate: undefined,
    extra: {},
    progress: () => undefined,
    signal: new AbortController().signal,
  } satisfies BenchmarkOptions);
  expect(result.ok).toBe(true);
  const figures = result.figures as Record<string, Record<string, unknown>>;
  expect(figures).toMatchObject({ bitIdentical: true });
  for (const shape of ["cnn", "gru", "collar"]) {
    // Its convolutions saturate at 255 and round ties to even: other bits, the same answers.
    expect(figures[shape]?.agreementWithOnnxruntime, shape).toBeGreaterThan(0.9);
    expect(Object.values(figures[shape]?.nsPerWindow as object)).toHaveLength(4);
  }
  expect(figures.ratio?.wasmOverReference).toBeGreaterThan(3);
});
