import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { referenceEngine } from "../src/engine/reference.ts";
import { type Container, decodeContainer, encodeContainer } from "../src/model/container.ts";
import { MODEL_LIMITS } from "../src/model/limits.ts";
import { selfTestHashes } from "../src/model/self-test.ts";
import { below, prng } from "../src/prng.ts";
import { codeOf } from "./edge-code.ts";
import {
  arbitrarySpecs,
  randomContainer,
  SMALL_CNN_SPEC,
  SMALL_GRU_SPEC,
  SPECS,
} from "./student-samples.ts";

describe("a container", () => {
  it.each(Object.entries(SPECS))("of %s decodes to what was encoded", (_, spec) => {
    const container = randomContainer(spec, 1);
    const decoded = decodeContainer(encodeContainer(container));
    expect(decoded).toEqual(container);
    const hashes = selfTestHashes(referenceEngine.load(container), 7);
    expect(selfTestHashes(referenceEngine.load(decoded), 7)).toEqual(hashes);
  });

  it("of any convolutional shape decodes to what was encoded", () => {
    fc.assert(
      fc.property(arbitrarySpecs, fc.integer({ min: 0, max: 1000 }), (spec, seed) => {
        const container = randomContainer(spec, seed);
        expect(decodeContainer(encodeContainer(container))).toEqual(container);
      }),
      { numRuns: 60 },
    );
  });

  it("stores a GRU's weights once, however many exits go on with it", () => {
    const weights = 3 * SMALL_GRU_SPEC.channels * 5 * 11 + 3 * 11 * 11;
    expect(encodeContainer(randomContainer(SMALL_GRU_SPEC, 1)).length).toBeLessThan(
      2 * weights + 900,
    );
  });

  it("stays what it is when the bytes it came from are overwritten", () => {
    const bytes = encodeContainer(randomContainer(SMALL_CNN_SPEC, 1));
    const decoded = decodeContainer(bytes);
    bytes.fill(0xff);
    expect(decoded).toEqual(randomContainer(SMALL_CNN_SPEC, 1));
  });

  it("is refused when cut short anywhere, or longer than it says", () => {
    const bytes = encodeContainer(randomContainer(SMALL_CNN_SPEC, 1));
    for (let length = 0; length < bytes.length; length++) {
      expect(codeOf(() => decodeContainer(bytes.subarray(0, length)))).toBeDefined();
    }
    const longer = new Uint8Array(bytes.length + 4);
    longer.set(bytes);
    expect(codeOf(() => decodeContainer(longer))).toBe("container-length");
  });

  it.each([
    ["container-magic", 0],
    ["container-sections", 4],
    ["container-sections", 6],
    ["container-length", 8],
    ["student-shape", 15],
  ])("is refused as %s when byte %i is another", (code, at) => {
    const bytes = encodeContainer(randomContainer(SMALL_CNN_SPEC, 1));
    bytes[at] = (bytes[at] as number) + 1;
    // A header of one class more asks for a name that is not there.
    expect([code, "truncated"]).toContain(codeOf(() => decodeContainer(bytes)));
  });

  it("is refused above the largest size before it is looked at", () => {
    const bytes = new Uint8Array(MODEL_LIMITS.containerBytes + 1);
    expect(codeOf(() => decodeContainer(bytes))).toBe("container-too-large");
  });

  it.each<[string, Partial<Container>]>([
    ["too few names", { classes: ["a", "b"] }],
    ["a name twice", { classes: ["a", "a", "b"] }],
    ["an empty name", { classes: ["a", "", "b"] }],
    ["a name that is not ASCII", { classes: ["a", "ä", "b"] }],
    ["a name of 33 letters", { classes: ["a", "x".repeat(33), "b"] }],
    ["no cohort", { cohort: "" }],
    ["no hop", { hopSamples: 0 }],
    ["no rate", { rateCentihertz: 0 }],
    ["a step of 0", { inputMilligPerStep: 0 }],
    ["a step of a third", { inputMilligPerStep: 1 / 3 }],
    ["a gate that is too large", { gate: new Uint8Array(MODEL_LIMITS.gateBytes + 1) }],
  ])("is not written with %s", (_, wrong) => {
    const container = { ...randomContainer(SMALL_CNN_SPEC, 1), ...wrong };
    expect(codeOf(() => encodeContainer(container))).toBe("container-setting");
  });
});

describe("mutated containers", () => {
  it.each([
    ["CNN", SMALL_CNN_SPEC],
    ["GRU", SMALL_GRU_SPEC],
  ])("5,000 of a %s are refused, or are containers and run", (_, spec) => {
    const original = encodeContainer(randomContainer(spec, 1));
    const random = prng(1, `mutated-containers-${spec.classes}`);
    let accepted = 0;
    for (let round = 0; round < 5_000; round++) {
      const bytes = original.slice();
      const changes = 1 + below(random, 3);
      for (let i = 0; i < changes; i++) {
        // Half of the changes hit the header, the tables of contents and the records.
        const at = below(random, below(random, 2) === 0 ? 600 : bytes.length);
        bytes[at] = below(random, 4) === 0 ? 0xff : below(random, 256);
      }
      let decoded: Container | undefined;
      const code = codeOf(() => {
        decoded = decodeContainer(bytes);
      });
      if (decoded === undefined) {
        expect(code).toBeDefined();
        continue;
      }
      accepted++;
      expect(encodeContainer(decoded)).toEqual(bytes);
      const loaded = referenceEngine.load(decoded);
      const { windowSamples, channels } = decoded.student;
      loaded.begin(new Int8Array(windowSamples * channels).fill(-128));
      for (let exit = 0; exit < loaded.exits; exit++) loaded.nextExit();
    }
    // Weights have no checksum of their own here: the release's hash guards them.
    expect(accepted).toBeGreaterThan(500);
    expect(accepted).toBeLessThan(4_500);
  });
});
