/** The update benchmark, tiny, and what its figures must not exceed. */

import { expect, it } from "vitest";
import { type Cost, run } from "../bench/update.ts";
import { canEmulate } from "../deploy/firmware/tools/emulator.ts";
import { findProgram } from "../deploy/firmware/tools/toolchain.ts";
import { quickOptions } from "./benchmark-options.ts";

const there = findProgram("arm-none-eabi-gcc") !== undefined && canEmulate("mps2-an386");
if (!there) console.log("the update's cost is skipped: it needs arm-none-eabi-gcc and QEMU");

it.skipIf(!there)(
  "counts what a signature costs on a Cortex-M4, and it is affordable",
  async () => {
    const result = await run(quickOptions());
    expect(result.ok).toBe(true);
    const figures = result.figures as Record<"cortex-m4", Record<string, Cost>>;
    for (const flag of ["O2", "Os"]) {
      const cost = figures["cortex-m4"][flag];
      expect(cost?.whole?.boot.stackBytes).toBeLessThan(3_072);
      expect(cost?.whole?.check.instructions).toBeGreaterThan(100_000);
      expect(cost?.verifyInstructions).toBeLessThan(2_500_000);
      expect(cost?.verifyStackBytes).toBeLessThan(2_560);
      expect(cost?.cryptoBytes).toBeLessThan(8_192);
      expect(cost?.updateBytes).toBeLessThan(10_240);
      expect(cost?.ramBytes).toBeLessThan(1_024);
    }
  },
);
