/** The cost of a student: against the shapes that other engines were counted on, and by hand. */

import { describe, expect, it } from "vitest";
import { encodeContainer } from "../src/model/container.ts";
import { quantizeStudent } from "../src/model/quantize.ts";
import { studentCost } from "../src/model/student-cost.ts";
import type { StudentSpec } from "../src/model/student-spec.ts";
import {
  CNN_SPEC,
  containerAround,
  GRU_SPEC,
  noiseWindows,
  randomFloatStudent,
  SMALL_CNN_SPEC,
  SPECS,
} from "./student-samples.ts";

function quantized(spec: StudentSpec) {
  return quantizeStudent(randomFloatStudent(spec, 1), noiseWindows(spec, 2, 1), 31.25);
}
const costOf = (spec: StudentSpec) => studentCost(quantized(spec));

describe("studentCost", () => {
  it("counts the multiply-accumulates of the CNN that engines are compared on", () => {
    // conv 128 * 16 * 24, four depthwise and pointwise pairs, three heads.
    expect(costOf(CNN_SPEC).map((exit) => exit.macs)).toEqual([87_232, 194_880, 267_776]);
  });

  it("counts a GRU by the patches that an exit has read", () => {
    const [first, second, third] = costOf(GRU_SPEC).map((exit) => exit.macs);
    const patch = 3 * 48 * (24 + 48);
    expect(first).toBe(8 * patch + 48 * 6);
    expect(second).toBe(16 * patch + 2 * 48 * 6);
    expect(third).toBe(32 * patch + 2 * 48 * 6 + 48 * 48 + 48 * 6);
  });

  it("counts the memory of a small CNN", () => {
    // Window: 50 samples and 3 of margin, 3 channels. Then 25 x 9 with a margin of 1 + 2 samples for
    // kernel 4 and stride 3, 9 x 9 without (kernel 1 follows), 9 x 13 with 1 + 1, 9 x 13, 9 x 10.
    // The window shares its buffer with every second activation. Four positions of the first
    // convolution's 15 columns, filled up to 16, are widened to int16; so is the head's hidden layer.
    const first = Math.max((50 + 3) * 3, 9 * 9, 9 * 13);
    const second = Math.max(28 * 9, 11 * 13, 9 * 10);
    const scratch = 2 * 4 * 16;
    const hidden = 2 * 7;
    const exits = [9, 2 * 3, 10, 2 * 3];
    const fours = (bytes: number) => 4 * Math.ceil(bytes / 4);
    const parts = [first, second, scratch, hidden, ...exits];
    const sum = parts.reduce((total, bytes) => total + fours(bytes), 0);
    expect(costOf(SMALL_CNN_SPEC)[1]?.ramBytes).toBe(sum);
  });

  it("never falls from one exit to the next", () => {
    for (const spec of Object.values(SPECS)) {
      costOf(spec).reduce((before, exit) => {
        expect(exit.macs).toBeGreaterThan(before.macs);
        expect(exit.weightBytes).toBeGreaterThan(before.weightBytes);
        expect(exit.ramBytes).toBeGreaterThanOrEqual(before.ramBytes);
        return exit;
      });
    }
  });

  it("counts the flash that the tables take in a container", () => {
    for (const spec of Object.values(SPECS)) {
      const student = quantized(spec);
      const bytes = encodeContainer(containerAround(student)).length;
      const tables = studentCost(student).at(-1)?.weightBytes ?? 0;
      expect(bytes).toBeGreaterThan(tables);
      // Header, records, names, and zeros that align each table.
      expect(bytes - tables).toBeLessThan(1500);
    }
  });
});
