/** The benchmark of the emulator, tiny, on a herd that swings. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../bench/emulator.ts";
import { quickOptions } from "./benchmark-options.ts";
import { writeSwingingHerd } from "./swinging-herd.ts";

const data = mkdtempSync(join(tmpdir(), "swinging-herd-"));
beforeAll(() => writeSwingingHerd(join(data, "cows"), "cows", ["1", "2", "3", "4"]));
afterAll(() => rmSync(data, { recursive: true }));

const OPTIONS = quickOptions({ data, dataset: "cows", test: ["4"], seeds: 1 });

describe("bench emulator", () => {
  it("trains on real and on emulated signal and tests both on a subject that neither saw", async () => {
    const { ok, figures, lines } = await run(OPTIONS);
    expect(ok).toBe(true);
    expect(figures).toMatchObject({ dataset: "cows", folds: 1, seeds: 1 });
    const scores = figures as Record<string, Record<string, number>>;
    for (const kind of ["trtr", "tstr", "realOnEmulated"]) {
      for (const key of ["accuracy", "macroF1", "subjectMean", "subjectWorst"]) {
        expect(scores[kind]?.[key], `${kind} ${key}`).toBeGreaterThanOrEqual(0);
        expect(scores[kind]?.[key], `${kind} ${key}`).toBeLessThanOrEqual(1);
      }
    }
    expect(figures.gap).toBeCloseTo(
      (scores.trtr?.accuracy ?? 0) - (scores.tstr?.accuracy ?? 0),
      12,
    );
    expect(lines.join("\n")).toContain("TSTR");
  });

  it("refuses unknown data and amounts that are none", async () => {
    await expect(run({ ...OPTIONS, dataset: "goats" })).rejects.toThrow(/no-recordings.*cows/s);
    const extra = { amount: "much" };
    await expect(run({ ...OPTIONS, extra })).rejects.toThrow(/--amount much/);
  });
});
