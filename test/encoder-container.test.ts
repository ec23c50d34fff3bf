/** Encoders in containers: their bytes, their bits on both engines, and who is kept from them. */

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { needsOf, unfitReason } from "../gateway/release/release-fit.ts";
import type { Engine } from "../src/engine/engine.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { createWasmEngine } from "../src/engine/wasm.ts";
import { type Container, decodeContainer, encodeContainer } from "../src/model/container.ts";
import { encodeEncoder } from "../src/model/encoder-bytes.ts";
import { modelRamBytes } from "../src/model/encoder-cost.ts";
import { selfTestHashes } from "../src/model/self-test.ts";
import { below, prng } from "../src/prng.ts";
import { windowAt } from "../src/signal/window-set.ts";
import { codeOf } from "./edge-code.ts";
import { arbitraryEncoders, containerWithEncoder, ENCODER_SPEC } from "./encoder-samples.ts";
import { GOLDEN_ENCODER, goldenEncoder } from "./make-golden-encoder.ts";
import {
  COLLAR_SPEC,
  noiseWindows,
  randomContainer,
  SMALL_CNN_SPEC,
  SMALL_GRU_SPEC,
} from "./student-samples.ts";

const wasmEngine = createWasmEngine();
/** Of one window: the codes, before, between and after the exits, and every exit's logits. */
function runOf(engine: Engine, container: Container, window: Int8Array) {
  const loaded = engine.load(container);
  loaded.begin(window);
  const codes = [[...loaded.encode()]];
  const logits = Array.from({ length: loaded.exits }, () => {
    const said = [...loaded.nextExit().logits];
    codes.push([...loaded.encode()]);
    return said;
  });
  return { codes, logits };
}

describe("a container with an encoder", () => {
  it("decodes to what was encoded, of any shape", () => {
    fc.assert(
      fc.property(arbitraryEncoders, fc.integer({ min: 1, max: 99 }), (encoder, seed) => {
        const container = containerWithEncoder(SMALL_CNN_SPEC, encoder, seed);
        expect(decodeContainer(encodeContainer(container))).toEqual(container);
      }),
      { numRuns: 40 },
    );
  });

  it("is of format 2, and one without is what it was", () => {
    const { encoder: _, ...without } = containerWithEncoder(COLLAR_SPEC, ENCODER_SPEC, 1);
    const bytes = encodeContainer(without);
    expect([bytes[4], bytes[6]]).toEqual([1, 8]);
    expect(bytes).toEqual(encodeContainer(randomContainer(COLLAR_SPEC, 1)));
    const more = encodeContainer(containerWithEncoder(COLLAR_SPEC, ENCODER_SPEC, 1));
    expect([more[4], more[6]]).toEqual([2, 9]);
    expect(codeOf(() => decodeContainer(more.with(4, 1)))).toBe("container-sections");
    expect(codeOf(() => decodeContainer(bytes.with(4, 2)))).toBe("container-sections");
    expect(codeOf(() => decodeContainer(bytes.with(4, 4)))).toBe("container-version");
  });

  it("knows its encoder by the same bytes beside any student", () => {
    const { encoder } = containerWithEncoder(COLLAR_SPEC, ENCODER_SPEC, 1);
    const beside = [COLLAR_SPEC, SMALL_CNN_SPEC, SMALL_GRU_SPEC].map((spec) => {
      const bytes = encodeContainer({ ...randomContainer(spec, 3), ...(encoder && { encoder }) });
      const read = decodeContainer(bytes).encoder;
      return read && Buffer.from(encodeEncoder(read)).toString("hex");
    });
    expect(beside[0]).toBeDefined();
    expect(new Set(beside).size).toBe(1);
  });

  it("is refused with an encoder of other windows, of no layer, or of a student's own map", () => {
    const container = containerWithEncoder(COLLAR_SPEC, ENCODER_SPEC, 1);
    const { encoder } = container;
    if (encoder === undefined) throw new Error("an encoder");
    const refused = (more: Partial<typeof encoder>) =>
      codeOf(() => encodeContainer({ ...container, encoder: { ...encoder, ...more } }));
    expect(refused({})).toBe("accepted");
    expect(refused({ afterStages: 1 })).toBe("encoder-trunk");
    expect(refused({ layers: [] })).toBe("encoder-range");
    expect(refused({ codeBits: 8 })).toBe("encoder-range");
    expect(refused({ layers: encoder.layers.slice(1) })).toBe("student-shape");
  });

  it("is refused when cut short anywhere; 3,000 mutated are refused, or are containers and run", () => {
    const original = encodeContainer(containerWithEncoder(COLLAR_SPEC, ENCODER_SPEC, 1));
    for (let length = original.length - 900; length < original.length; length++) {
      expect(codeOf(() => decodeContainer(original.subarray(0, length)))).not.toBe("accepted");
    }
    const random = prng(2, "mutated-encoders");
    let accepted = 0;
    for (let round = 0; round < 3_000; round++) {
      const bytes = original.slice();
      // The encoder stands at the end.
      const from = below(random, 3) === 0 ? 0 : bytes.length - 900;
      bytes[from + below(random, bytes.length - from)] = below(random, 256);
      let decoded: Container | undefined;
      const code = codeOf(() => {
        decoded = decodeContainer(bytes);
      });
      if (decoded === undefined) {
        expect(code).not.toBe("accepted");
        continue;
      }
      accepted++;
      expect(encodeContainer(decoded)).toEqual(bytes);
      runOf(referenceEngine, decoded, new Int8Array(150).fill(-128));
    }
    expect(accepted).toBeGreaterThan(300);
    expect(accepted).toBeLessThan(2_900);
  });
});

describe("codes", () => {
  it("are the same on both engines, whenever they are asked for, and leave exits as they are", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(SMALL_CNN_SPEC, SMALL_GRU_SPEC, COLLAR_SPEC),
        arbitraryEncoders,
        fc.integer({ min: 1, max: 99 }),
        (spec, encoder, seed) => {
          const container = containerWithEncoder(spec, encoder, seed);
          const { encoder: _, ...without } = container;
          const windows = noiseWindows(spec, 2, seed);
          for (let w = 0; w < windows.count; w++) {
            const window = windowAt(windows, w);
            const [ours, theirs] = [
              runOf(wasmEngine, container, window),
              runOf(referenceEngine, container, window),
            ];
            expect(ours).toEqual(theirs);
            expect(new Set(ours.codes.map((codes) => codes.join())).size).toBe(1);
            expect(Math.max(...ours.codes.flat())).toBeLessThan(2 ** encoder.codeBits);
            const loaded = wasmEngine.load(without);
            loaded.begin(window);
            const bare = Array.from({ length: loaded.exits }, () => [...loaded.nextExit().logits]);
            expect(ours.logits).toEqual(bare);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it("of two nodes that share a student are each of their own window", () => {
    const container = containerWithEncoder(COLLAR_SPEC, ENCODER_SPEC, 5);
    const windows = noiseWindows(COLLAR_SPEC, 2, 5);
    const [a, b] = [wasmEngine.load(container), wasmEngine.load(container)];
    a.begin(windowAt(windows, 0));
    a.nextExit();
    b.begin(windowAt(windows, 1));
    const expected = [0, 1].map(
      (w) => runOf(referenceEngine, container, windowAt(windows, w)).codes[0],
    );
    expect([[...b.encode()], [...a.encode()]].reverse()).toEqual(expected);
  });

  it.each([referenceEngine, wasmEngine])("are those that are written down: $name", (engine) => {
    expect(goldenEncoder(engine)).toEqual(JSON.parse(readFileSync(GOLDEN_ENCODER, "utf8")));
  });

  it("are in the self-test: another encoder changes the last exit's hash and no other", () => {
    const hashes = (container: Container) => selfTestHashes(referenceEngine.load(container), 7);
    const [one, other] = [1, 2].map((seed) => {
      const { encoder } = containerWithEncoder(COLLAR_SPEC, ENCODER_SPEC, seed);
      return hashes({ ...randomContainer(COLLAR_SPEC, 1), ...(encoder && { encoder }) });
    });
    expect(one?.slice(0, -1)).toEqual(other?.slice(0, -1));
    expect(one?.at(-1)).not.toBe(other?.at(-1));
  });
});

describe("the memory of an encoder", () => {
  it("is the student's as far as that goes: more is needed only for larger maps", () => {
    const plain = randomContainer(COLLAR_SPEC, 1);
    const [small, large] = [3, 60].map((filters) => {
      const layers = [{ kind: "conv", filters, kernel: 5, stride: 1 }] as const;
      return containerWithEncoder(COLLAR_SPEC, { layers, codeBits: 2 }, 1);
    });
    expect(small && modelRamBytes(small)).toBe(modelRamBytes(plain));
    // The window and two zeros to each side, 50 x 60 codes, 15 columns of four positions widened.
    const said = 24 + 8 + 36 + 8;
    expect(large && modelRamBytes(large)).toBe(164 + 3000 + 2 * 4 * 16 + said);
  });
});

describe("a node that knows no encoders", () => {
  it("is withheld a container that has one, and given one that has none", () => {
    const node = { slotBytes: 262_144, ramBytes: 65_536 };
    const needs = needsOf(encodeContainer(containerWithEncoder(COLLAR_SPEC, ENCODER_SPEC, 1)));
    expect(unfitReason({ ...node, formatVersion: 1 }, needs)).toBe("wrong-format");
    expect(unfitReason({ ...node, formatVersion: 2 }, needs)).toBeUndefined();
    const plain = needsOf(encodeContainer(randomContainer(COLLAR_SPEC, 1)));
    expect(unfitReason({ ...node, formatVersion: 1 }, plain)).toBeUndefined();
  });
});
