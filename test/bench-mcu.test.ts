/** The microcontroller benchmark, tiny: on one processor, with one window. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { run } from "../bench/mcu.ts";
import { missingFor } from "../deploy/firmware/tools/runtime-program.ts";
import { FIRMWARE_FOLDER } from "../deploy/firmware/tools/toolchain.ts";
import { STACK_BYTES } from "../src/export/student-c-header.ts";
import { quickOptions } from "./benchmark-options.ts";

const missing = missingFor("mps2-an386");
if (missing.length > 0) console.log(`bench -- mcu is skipped: no ${missing.join(", no ")}`);

it.skipIf(missing.length > 0)("counts instructions of students on a Cortex-M4", async () => {
  const result = await run(quickOptions());
  // Instructions are exact, so that even the quick form knows whether bounds are kept.
  expect(result.ok, result.lines.join("\n")).toBe(true);
  type Variant = { instructionsPerMac: number; runStackBytes: number };
  const figures = result.figures as Record<
    string,
    { m4: Variant & { interpreter: Variant; generated: Variant } }
  >;
  const header = readFileSync(join(FIRMWARE_FOLDER, "runtime/bw.h"), "utf8");
  const promised = Number(/#define BW_STACK_BYTES (\d+)u/.exec(header)?.[1]);
  for (const student of ["cnn", "gru"]) {
    const m4 = figures[student]?.m4;
    expect(m4?.instructionsPerMac, student).toBeGreaterThan(1);
    expect(m4?.interpreter.runStackBytes, student).toBeGreaterThan(0);
    expect(m4?.interpreter.runStackBytes, student).toBeLessThanOrEqual(promised);
    expect(m4?.generated.runStackBytes, student).toBeGreaterThan(0);
    expect(m4?.generated.runStackBytes, student).toBeLessThanOrEqual(STACK_BYTES);
  }
});
