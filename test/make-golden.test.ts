/** Golden vectors: they are made by the command that they name, and every engine gives them. */

import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Engine } from "../src/engine/engine.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { createWasmEngine } from "../src/engine/wasm.ts";
import { decodeContainer } from "../src/model/container.ts";
import { selfTestHashes } from "../src/model/self-test.ts";
import { goldenAnswers, goldenBytes, goldenFile, goldenWindowsOf } from "./golden-students.ts";
import { oracleExits } from "./integer-oracle.ts";
import { GOLDEN_FOLDER, goldenFiles } from "./make-golden.ts";

const NAMES = readdirSync(GOLDEN_FOLDER)
  .filter((name) => name.endsWith(".json"))
  .map((name) => name.slice(0, -".json".length));
const ENGINES: readonly Engine[] = [referenceEngine, createWasmEngine()];

describe("golden vectors", () => {
  it("are what their command makes, byte for byte", () => {
    const made = goldenFiles();
    expect(readdirSync(GOLDEN_FOLDER).sort()).toEqual(made.map(({ name }) => name).sort());
    for (const { name, bytes } of made) {
      expect(Buffer.compare(bytes, goldenFile(name)), name).toBe(0);
    }
  });

  it("cover both kinds of student and both schemes", () => {
    expect(NAMES).toHaveLength(8);
  });

  it.each(NAMES)("%s: the oracle, which shares no code with the engines, agrees", (name) => {
    const golden = goldenAnswers(name);
    const { student } = decodeContainer(goldenBytes(name));
    const windows = goldenWindowsOf(name);
    // The oracle is slow: one noisy and one saturating window of the large students.
    for (const w of golden.student.startsWith("small") ? windows.keys() : [0, 8]) {
      const exits = oracleExits(student, windows[w] as Int8Array);
      expect(exits.map((exit) => exit.logits)).toEqual(golden.logits[w]);
    }
  });

  describe.each(ENGINES)("by the $name engine", (engine) => {
    it.each(NAMES)("%s", (name) => {
      const golden = goldenAnswers(name);
      const loaded = engine.load(decodeContainer(goldenBytes(name)));
      goldenWindowsOf(name).forEach((window, w) => {
        loaded.begin(window);
        for (let exit = 0; exit < loaded.exits; exit++) {
          const { logits, features } = loaded.nextExit();
          expect([...logits]).toEqual(golden.logits[w]?.[exit]);
          if (w === 0) expect([...features]).toEqual(golden.features[exit]);
        }
      });
      expect(selfTestHashes(loaded, golden.selfTest.seed)).toEqual(golden.selfTest.hashes);
    });
  });
});
