import { describe, expect, it } from "vitest";
import type { LoadedStudent } from "../src/engine/engine.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { quantizeStudent } from "../src/model/quantize.ts";
import { hashLogits, selfTestHashes } from "../src/model/self-test.ts";
import {
  containerAround,
  noiseWindows,
  randomFloatStudent,
  SMALL_CNN_SPEC,
} from "./student-samples.ts";

function student(seed = 1): LoadedStudent {
  const calibration = noiseWindows(SMALL_CNN_SPEC, 8, 1);
  const float = randomFloatStudent(SMALL_CNN_SPEC, seed);
  return referenceEngine.load(containerAround(quantizeStudent(float, calibration, 31.25)));
}

describe("hashLogits", () => {
  it("is FNV-1a over little-endian bytes", () => {
    // Published: FNV-1a of "foobar" is 0xbf9cf968 (draft-eastlake-fnv).
    const foobar = Int16Array.of(0x6f66, 0x626f, 0x7261);
    expect(hashLogits(0x811c9dc5, foobar)).toBe(0xbf9cf968);
    expect(hashLogits(0x811c9dc5, Int16Array.of(-1))).not.toBe(
      hashLogits(0x811c9dc5, Int16Array.of(255)),
    );
  });
});

describe("selfTestHashes", () => {
  it("draws the windows that xorshift32 gives", () => {
    const loaded = student();
    const seen: number[] = [];
    const spy: LoadedStudent = {
      ...loaded,
      begin(window) {
        seen.push(...window.subarray(0, 2));
        loaded.begin(window);
      },
    };
    selfTestHashes(spy, 1);
    // xorshift32 from 1 (Marsaglia's 13, 17, 5): gravity from the first three, then two samples.
    const draws = [270_369, 67_634_689, 2_647_435_461, 307_599_695, 2_398_689_233];
    const bytes = draws.map((draw) => (draw | 0) >> 25);
    const [x = 0, y = 0, , first = 0, second = 0] = bytes;
    const firstTwo = [x + first, y + second];
    expect(seen).toHaveLength(16);
    expect(seen.slice(0, 2)).toEqual(firstTwo);
  });

  it("gives one 32-bit hash per exit, the same every time, another for another seed", () => {
    const hashes = selfTestHashes(student(), 5);
    expect(hashes).toHaveLength(2);
    for (const hash of hashes) {
      expect(Number.isInteger(hash) && hash >= 0 && hash <= 0xffff_ffff).toBe(true);
    }
    expect(selfTestHashes(student(), 5)).toEqual(hashes);
    expect(selfTestHashes(student(), 6)).not.toEqual(hashes);
    expect(selfTestHashes(student(), 0)).toEqual(selfTestHashes(student(), 0x9e37_79b9));
  });

  it("tells any weight of the first layer, and most of those behind it, from another", () => {
    const container = student().container;
    const expected = selfTestHashes(referenceEngine.load(container), 5).join();
    let [told, all] = [0, 0];
    container.student.stages.forEach((stage, s) => {
      for (const [l, layer] of [...stage.layers, ...stage.exit.layers].entries()) {
        if (layer.kind === "gru") continue;
        for (let i = 0; i < layer.weights.length; i += 3, all++) {
          const kept = layer.weights[i] as number;
          layer.weights[i] = kept > 0 ? kept - 9 : kept + 9;
          const changed = selfTestHashes(referenceEngine.load(container), 5).join() !== expected;
          layer.weights[i] = kept;
          if (changed) told++;
          else expect(s + l, "the first layer").toBeGreaterThan(0);
        }
      }
    });
    // The others feed channels that this student's ReLU keeps shut.
    expect(told / all).toBeGreaterThan(0.6);
  });

  it("takes seeds of 32 bits only", () => {
    for (const seed of [-1, 0.5, 2 ** 32]) {
      expect(() => selfTestHashes(student(), seed)).toThrow("32-bit seed");
    }
  });
});
