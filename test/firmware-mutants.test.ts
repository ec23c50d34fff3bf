/**
 * Malformed models: the loader and the runtime in C, watched by sanitizers, against the loader and
 * both engines in TypeScript. The two loaders must agree about every container, and all engines
 * about every container that is one.
 *
 * BELLWETHER_MUTANTS says how many; docs/RESULTS.md has the figures of 100,000.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EdgeError } from "../src/assert.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { createWasmEngine } from "../src/engine/wasm.ts";
import { type Container, decodeContainer } from "../src/model/container.ts";
import { below, prng } from "../src/prng.ts";
import { withoutCompiler } from "./firmware-host.ts";
import {
  askRuntime,
  BW_CODES,
  buildRuntimeHost,
  engineAnswers,
  POOL_WINDOW_BYTES,
} from "./firmware-runtime-host.ts";
import { mutatedContainers } from "./mutated-containers.ts";

const MUTANTS = Number(process.env.BELLWETHER_MUTANTS ?? 4000);
const BATCH = 2000;
const absent = withoutCompiler("mutated containers in C");

let folder: string;
let program: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "bellwether-mutants-"));
  if (!absent) program = buildRuntimeHost(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Noise, and both ends of int8. */
function pool(): readonly Int8Array[] {
  const random = prng(5, "windows for mutants");
  return [
    Int8Array.from({ length: POOL_WINDOW_BYTES }, () => below(random, 256) - 128),
    Int8Array.from({ length: POOL_WINDOW_BYTES }, () => (below(random, 2) === 0 ? 127 : -128)),
    new Int8Array(POOL_WINDOW_BYTES).fill(-128),
  ];
}

function decoded(bytes: Uint8Array): Container | string {
  try {
    return decodeContainer(bytes);
  } catch (error) {
    if (error instanceof EdgeError) return error.code;
    throw error;
  }
}

describe.skipIf(absent)("mutated containers", () => {
  it(`${MUTANTS} of them: refused by both loaders, or one student to all engines`, {
    timeout: 60_000 + 10 * MUTANTS,
  }, () => {
    const windows = pool();
    const mutants = mutatedContainers(20_261);
    const counts = new Map<string, number>();
    for (let done = 0; done < MUTANTS; done += BATCH) {
      const batch = Array.from(
        { length: Math.min(BATCH, MUTANTS - done) },
        () => mutants.next().value,
      );
      const answers = askRuntime(
        [program],
        windows,
        batch.map((container) => ({ container })),
      );
      const wasm = createWasmEngine();
      for (const [i, bytes] of batch.entries()) {
        const answer = answers[i];
        const container = decoded(bytes);
        const key = answer?.code ?? "no answer";
        counts.set(key, (counts.get(key) ?? 0) + 1);
        if (typeof container === "string") {
          // What only differs from the one encoding could still be run; C happens to refuse it too.
          expect(answer?.code, `mutant ${done + i}, ${container}`).not.toBe("ok");
          continue;
        }
        const expected = engineAnswers(referenceEngine, container, windows);
        expect(answer, `mutant ${done + i}`).toMatchObject({ code: "ok", windows: expected });
        expect(engineAnswers(wasm, container, windows), `mutant ${done + i}`).toEqual(expected);
      }
    }
    console.log(`${MUTANTS} mutants: ${[...counts].map((entry) => entry.join(" ")).join(", ")}`);
    // Each of the loader's reasons was met, but that the container stood at an odd address.
    expect([...counts.keys()].sort()).toEqual(
      BW_CODES.filter((code) => code !== "bad-alignment").sort(),
    );
    expect(counts.get("ok")).toBeGreaterThan(MUTANTS / 8);
  });
});
