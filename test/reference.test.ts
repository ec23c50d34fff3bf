import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { referenceEngine } from "../src/engine/reference.ts";
import { quantizeStudent } from "../src/model/quantize.ts";
import type { QuantizedStudent } from "../src/model/student.ts";
import { windowAt } from "../src/signal/window-set.ts";
import { oracleExits } from "./integer-oracle.ts";
import {
  containerAround,
  noiseWindows,
  randomFloatStudent,
  SMALL_CNN_SPEC,
  SMALL_GRU_SPEC,
  SPECS,
  scrambled,
} from "./student-samples.ts";

function quantized(
  spec: (typeof SPECS)[keyof typeof SPECS],
  scheme: "int8" | "dynamic-fixed-point",
) {
  return quantizeStudent(randomFloatStudent(spec, 2), noiseWindows(spec, 8, 1), 31.25, { scheme });
}

function engineExits(student: QuantizedStudent, window: Int8Array) {
  const loaded = referenceEngine.load(containerAround(student));
  loaded.begin(window);
  return Array.from({ length: loaded.exits }, () => {
    const { logits, features } = loaded.nextExit();
    return { logits: [...logits], features: [...features] };
  });
}

describe("the reference engine", () => {
  for (const [name, spec] of Object.entries(SPECS)) {
    it.each(["int8", "dynamic-fixed-point"] as const)(
      `agrees with the oracle on ${name}, %s, noise and saturation`,
      (scheme) => {
        const student = quantized(spec, scheme);
        const windows = noiseWindows(spec, 2, 3);
        const length = spec.windowSamples * spec.channels;
        const extremes = [
          new Int8Array(length).fill(-128),
          Int8Array.from({ length }, (_, i) => ((i * 7) % 3 === 0 ? 127 : -128)),
        ];
        for (const window of [windowAt(windows, 0), windowAt(windows, 1), ...extremes]) {
          expect(engineExits(student, window)).toEqual(oracleExits(student, window));
        }
      },
    );
  }

  it("agrees with the oracle where every multiplier, shift and weight is arbitrary", () => {
    for (const spec of [SMALL_CNN_SPEC, SMALL_GRU_SPEC]) {
      const length = spec.windowSamples * spec.channels;
      fc.assert(
        fc.property(
          fc.integer({ min: 0, max: 2 ** 31 - 1 }),
          fc.int8Array({ minLength: length, maxLength: length }),
          (seed, window) => {
            const student = scrambled(quantized(spec, "int8"), seed);
            expect(engineExits(student, window)).toEqual(oracleExits(student, window));
          },
        ),
        { numRuns: 20 },
      );
    }
  });

  it("starts each window afresh", () => {
    const student = quantized(SMALL_GRU_SPEC, "int8");
    const loaded = referenceEngine.load(containerAround(student));
    const windows = noiseWindows(SMALL_GRU_SPEC, 2, 5);
    loaded.begin(windowAt(windows, 0));
    const first = [...loaded.nextExit().logits];
    loaded.begin(windowAt(windows, 1));
    loaded.nextExit();
    loaded.nextExit();
    loaded.begin(windowAt(windows, 0));
    expect([...loaded.nextExit().logits]).toEqual(first);
  });

  it("keeps two loaded students apart", () => {
    const container = containerAround(quantized(SMALL_CNN_SPEC, "int8"));
    const [one, other] = [referenceEngine.load(container), referenceEngine.load(container)];
    const windows = noiseWindows(SMALL_CNN_SPEC, 2, 5);
    one.begin(windowAt(windows, 0));
    other.begin(windowAt(windows, 1));
    one.nextExit();
    other.nextExit();
    const expected = oracleExits(container.student, windowAt(windows, 0))[1]?.logits;
    expect([...one.nextExit().logits]).toEqual(expected);
  });

  it("asserts the order of calls and the window's length", () => {
    const loaded = referenceEngine.load(containerAround(quantized(SMALL_CNN_SPEC, "int8")));
    expect(() => loaded.nextExit()).toThrow("begin()");
    expect(() => loaded.begin(new Int8Array(149))).toThrow("a window of 149 values");
    loaded.begin(new Int8Array(150));
    loaded.nextExit();
    loaded.nextExit();
    expect(() => loaded.nextExit()).toThrow("begin()");
  });
});
