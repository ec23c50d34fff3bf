/** The microcontroller benchmark, tiny: on one processor, with one window. */

import { expect, it } from "vitest";
import { run } from "../bench/mcu.ts";
import { missingFor } from "../deploy/firmware/tools/runtime-program.ts";
import { quickOptions } from "./benchmark-options.ts";

const missing = missingFor("mps2-an386");
if (missing.length > 0) console.log(`bench -- mcu is skipped: no ${missing.join(", no ")}`);

it.skipIf(missing.length > 0)("counts instructions of students on a Cortex-M4", async () => {
  const result = await run(quickOptions());
  // Instructions are exact, so that even the quick form knows whether bounds are kept.
  expect(result.ok, result.lines.join("\n")).toBe(true);
  const figures = result.figures as Record<string, Record<string, Record<string, number>>>;
  for (const student of ["cnn", "gru"]) {
    expect(figures[student]?.m4?.instructionsPerMac, student).toBeGreaterThan(1);
    expect(figures[student]?.m4?.runStackBytes, student).toBeLessThan(1024);
  }
});
