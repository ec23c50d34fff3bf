/** The benchmark of exports, tiny: it runs, and what leaves a container stays near it. */

import { expect, it } from "vitest";
import { run } from "../bench/export.ts";
import { findProgram, TARGETS } from "../deploy/firmware/tools/toolchain.ts";
import { quickOptions } from "./benchmark-options.ts";

it("compares ONNX files with the node, and sizes generated C where there is a compiler", async () => {
  const { ok, figures } = await run(quickOptions());
  expect(ok).toBe(true);
  const { onnx, c } = figures as {
    onnx: Record<string, { answers: number }>;
    c: Record<string, { codeBytes: number; constantBytes: number }>;
  };
  expect(Object.keys(onnx)).toHaveLength(6);
  for (const { answers } of Object.values(onnx)) expect(answers).toBeGreaterThanOrEqual(40);
  const hasCompiler = findProgram(TARGETS["cortex-m4"].compiler) !== undefined;
  const whole = Object.keys(c).filter((name) => !name.endsWith(", exits alone"));
  expect(whole).toEqual(hasCompiler ? Object.keys(onnx) : []);
  for (const [name, exits] of Object.entries(c)) {
    const { codeBytes, constantBytes } = c[name.replace(", exits alone", "")] ?? exits;
    expect(exits.codeBytes + exits.constantBytes).toBeLessThanOrEqual(codeBytes + constantBytes);
  }
  for (const { codeBytes, constantBytes } of Object.values(c)) {
    expect(codeBytes).toBeGreaterThan(1000);
    expect(constantBytes).toBeGreaterThan(1000);
  }
});
