/** The loop on 64-bit ARM, tiny: npm's binaries load there, and nothing would stop a gateway. */

import { expect, it } from "vitest";
import { run } from "../bench/arm64.ts";
import { missingForArm64 } from "../deploy/arm64/emulated-node.ts";
import { quickOptions } from "./benchmark-options.ts";

const missing = process.arch === "arm64" ? undefined : missingForArm64();
if (missing !== undefined) console.log(`nothing is tried on ARM: ${missing}`);

it.skipIf(missing !== undefined)(
  "loads Node, ONNX Runtime and a teacher",
  async () => {
    const { ok, figures } = await run(quickOptions());
    expect(figures.doctor).toContain("linux/arm64");
    expect(figures.doctor).toContain("onnx runtime");
    expect(ok).toBe(true);
  },
  300_000,
);
