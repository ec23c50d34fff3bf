/** Bytes of packed weights, and rescalings, counted by hand. */
import { describe, expect, it } from "vitest";
import { planOf } from "../src/learn/quantization-plan.ts";
import { packedCost } from "../src/model/packed-cost.ts";
import { quantizeStudent } from "../src/model/quantize.ts";
import type { Scheme } from "../src/model/requantize.ts";
import { studentCost } from "../src/model/student-cost.ts";
import type { StudentSpec } from "../src/model/student-spec.ts";
import {
  noiseWindows,
  randomFloatStudent,
  SMALL_CNN_SPEC,
  SMALL_GRU_SPEC,
} from "./student-samples.ts";

const quantized = (spec: StudentSpec, scheme: Scheme, weightBits: number) =>
  quantizeStudent(randomFloatStudent(spec, 1), noiseWindows(spec, 8, 1), 31.25, {
    scheme,
    weightBits,
  });

describe("packed cost", () => {
  it("is what a container holds at 8 bits and int8, and a GRU's tables beside", () => {
    const cnn = quantized(SMALL_CNN_SPEC, "int8", 8);
    expect(packedCost(cnn, "int8", 8).map(({ bytes }) => bytes)).toEqual(
      studentCost(cnn).map(({ weightBytes }) => weightBytes),
    );
    const gru = quantized(SMALL_GRU_SPEC, "int8", 8);
    const inContainer = studentCost(gru).map(({ weightBytes }) => weightBytes);
    // Two tables of 257 int16; a state's pool has no multiplier and shift, for which a container has
    // three bytes at each exit.
    expect(packedCost(gru, "int8", 8).map(({ bytes }) => bytes)).toEqual([
      (inContainer[0] as number) + 1028 - 3,
      (inContainer[1] as number) + 1028 - 6,
    ]);
  });

  it("counts half a byte for 4 bits, and no multiplier for powers of two", () => {
    const cnn = quantized(SMALL_CNN_SPEC, "dynamic-fixed-point", 4);
    // Exit 1: 9 filters of 5 x 3, and 3 logits of 9 features; bias and shift per row, a pool's shift.
    expect(packedCost(cnn, "dynamic-fixed-point", 4)[0]?.bytes).toBe(68 + 9 * 5 + 14 + 3 * 5 + 1);
  });

  it("counts one rescaling for each output of each layer", () => {
    // 25 samples of 9 filters, 9 means, 3 logits.
    const [first] = packedCost(quantized(SMALL_CNN_SPEC, "int8", 8), "int8", 8);
    expect(first?.rescalings).toBe(25 * 9 + 9 + 3);
    // 33 rows from the input and as many from the state at each of 4 and 6 patches; heads of 5, and of
    // 6 and 5.
    const gru = packedCost(quantized(SMALL_GRU_SPEC, "int8", 8), "int8", 8);
    expect(gru.map(({ rescalings }) => rescalings)).toEqual([4 * 66 + 5, 10 * 66 + 5 + 11]);
  });
});

describe("the plan of a student", () => {
  it("is read from its weights and multipliers", () => {
    for (const spec of [SMALL_CNN_SPEC, SMALL_GRU_SPEC]) {
      for (const scheme of ["int8", "dynamic-fixed-point"] as const) {
        for (const weightBits of [8, 6, 4]) {
          const plan = planOf(quantized(spec, scheme, weightBits));
          expect(plan).toEqual({ scheme, weightBits, fineTune: weightBits < 8 });
        }
      }
    }
  });
});
