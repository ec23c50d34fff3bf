/** The quantization benchmark as a whole, on a herd that swings. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../bench/quantize.ts";
import type { Row } from "../bench/quantize-figures.ts";
import { quickOptions } from "./benchmark-options.ts";
import { writeSwingingHerd } from "./swinging-herd.ts";

const data = mkdtempSync(join(tmpdir(), "quantized-herd-"));
beforeAll(() => writeSwingingHerd(join(data, "cows"), "cows", ["1", "2", "3", "4"]));
afterAll(() => rmSync(data, { recursive: true }));

const OPTIONS = quickOptions({ data, dataset: "cows" });

describe("bench quantize", () => {
  it("fills every cell, and gives the same from students that it kept", async () => {
    const svg = join(data, "quantize.svg");
    const students = join(data, "students");
    const extra = { students, svg, threads: "1" };
    const { ok, figures, lines } = await run({ ...OPTIONS, extra });
    expect(ok).toBe(true);
    const { rows, int8, dynamicFixedPoint } = figures as {
      rows: readonly Row[];
      int8: { lossPoints: number };
      dynamicFixedPoint: { lossPoints: number };
    };
    // Two families: the float student, and two schemes of 8 and 4 bits in five ways.
    expect(rows).toHaveLength(2 * (1 + 2 * 2 * 5));
    for (const { scheme, exits } of rows) {
      expect(exits).toHaveLength(2);
      for (const exit of exits) {
        const parts = [exit.macroF1, exit.accuracy, exit.lossPoints, exit.accuracyLossPoints];
        for (const { mean } of parts) expect(Number.isFinite(mean)).toBe(true);
        expect(exit.bytes === undefined).toBe(scheme === "float");
      }
    }
    const bytesOf = (bits: number): number =>
      rows.find((row) => row.bits === bits)?.exits.at(-1)?.bytes ?? 0;
    expect(bytesOf(4)).toBeLessThan(bytesOf(8));
    expect(int8.lossPoints).toBeTypeOf("number");
    expect(dynamicFixedPoint.lossPoints).toBeTypeOf("number");
    expect(lines.join("\n")).toContain("fine-tuned");
    expect(readFileSync(svg, "utf8").match(/<circle/g)?.length).toBeGreaterThan(16);

    expect(readdirSync(students)).toHaveLength(2);
    const again = await run({ ...OPTIONS, extra });
    expect(again.figures).toEqual(figures);
  });
});
