/** The WebAssembly engine against the reference engine: the same bits, whatever the student. */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EdgeError } from "../src/assert.ts";
import type { LoadedStudent } from "../src/engine/engine.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { createWasmEngine, type WebAssemblyGlobal } from "../src/engine/wasm.ts";
import { type Container, decodeContainer, encodeContainer } from "../src/model/container.ts";
import type { StudentSpec } from "../src/model/student-spec.ts";
import { below, prng } from "../src/prng.ts";
import { windowAt } from "../src/signal/window-set.ts";
import {
  arbitrarySpecs,
  noiseWindows,
  randomContainer,
  SMALL_CNN_SPEC,
  SMALL_GRU_SPEC,
  scrambled,
  setShifts,
} from "./student-samples.ts";

const engine = createWasmEngine();

/** Node's collector, without a flag on the command line. */
setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** An engine whose instances are counted, and whose memory can be looked at. */
function countedEngine() {
  const global = Reflect.get(globalThis, "WebAssembly") as WebAssemblyGlobal;
  const counts = { instances: 0, memoryBytes: () => 0 };
  const counted = createWasmEngine({
    Module: global.Module,
    validate: global.validate,
    Memory: class extends global.Memory {
      constructor(descriptor: { readonly initial: number }) {
        super(descriptor);
        counts.memoryBytes = () => (this.buffer as ArrayBuffer).byteLength;
      }
    },
    Instance: class extends global.Instance {
      constructor(module: object, imports: { readonly env: { readonly memory: object } }) {
        super(module, imports);
        counts.instances += 1;
      }
    },
  });
  return { engine: counted, counts };
}

const containerOf = (spec: StudentSpec, seed = 1): Container => randomContainer(spec, seed);

function exitsOf(loaded: LoadedStudent, window: Int8Array) {
  loaded.begin(window);
  return Array.from({ length: loaded.exits }, () => nextOf(loaded));
}
function nextOf(loaded: LoadedStudent) {
  const { logits, features } = loaded.nextExit();
  return { logits: [...logits], features: [...features] };
}

function expectSameBits(container: Container, windows: readonly Int8Array[]): void {
  const [ours, reference] = [engine.load(container), referenceEngine.load(container)];
  for (const window of windows) {
    expect(exitsOf(ours, window)).toEqual(exitsOf(reference, window));
  }
}

function windowsFor({ windowSamples, channels }: StudentSpec, seed: number): readonly Int8Array[] {
  const random = prng(seed, "windows");
  const length = windowSamples * channels;
  return [
    Int8Array.from({ length }, () => below(random, 256) - 128),
    Int8Array.from({ length }, () => (below(random, 2) === 0 ? 127 : -128)),
    new Int8Array(length),
  ];
}

const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });

describe("the WebAssembly engine gives the reference engine's bits", () => {
  it("for convolutions of any shape", () => {
    fc.assert(
      fc.property(arbitrarySpecs, seeds, (spec, seed) => {
        const container = containerOf(spec);
        const student = scrambled(container.student, seed);
        expectSameBits(container, windowsFor(spec, seed));
        expectSameBits({ ...container, student }, windowsFor(spec, seed));
      }),
      { numRuns: 120 },
    );
  });

  it("for widths beside a multiple of eight, and for every number of samples", () => {
    for (const filters of [7, 8, 9, 15, 16, 17]) {
      for (const windowSamples of [1, 2, 3, 4, 5, 8, 31]) {
        const spec: StudentSpec = {
          windowSamples,
          channels: 3,
          classes: 9,
          stages: [
            {
              layers: [
                { kind: "conv", filters, kernel: 3, stride: 1 },
                { kind: "separable", filters: filters + 1, kernel: 4, stride: 2 },
              ],
              exit: { hidden: filters },
            },
          ],
        };
        expectSameBits(containerOf(spec), windowsFor(spec, filters));
      }
    }
  });

  it("for GRUs of any shape", () => {
    const specs = fc.record({
      channels: fc.integer({ min: 1, max: 4 }),
      classes: fc.integer({ min: 2, max: 9 }),
      hidden: fc.integer({ min: 1, max: 19 }),
      patchSamples: fc.integer({ min: 1, max: 5 }),
      patches: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 3 }),
    });
    fc.assert(
      fc.property(specs, seeds, ({ channels, classes, hidden, patchSamples, patches }, seed) => {
        const spec: StudentSpec = {
          windowSamples: patchSamples * patches.reduce((sum, count) => sum + count, 0),
          channels,
          classes,
          stages: patches.map((count, s) => ({
            layers: [{ kind: "gru", patchSamples, hidden, patches: count, continues: s > 0 }],
            exit: { hidden: s },
          })),
        };
        const container = containerOf(spec);
        const student = scrambled(container.student, seed);
        expectSameBits(container, windowsFor(spec, seed));
        expectSameBits({ ...container, student }, windowsFor(spec, seed));
      }),
      { numRuns: 80 },
    );
  });

  it("for every shift, alone and mixed with others", () => {
    const specs = [SMALL_CNN_SPEC, SMALL_GRU_SPEC];
    for (const spec of specs) {
      const container = containerOf(spec);
      for (let round = 0; round < 92; round++) {
        const student = structuredClone(container.student);
        const random = prng(round, "shifts");
        const shift = () => (round < 46 ? round + 1 : 8 + below(random, 26));
        setShifts(student, shift);
        expectSameBits({ ...container, student }, windowsFor(spec, round));
      }
    }
  });

  it("for whatever a mutated container still is", () => {
    for (const spec of [SMALL_CNN_SPEC, SMALL_GRU_SPEC]) {
      const original = encodeContainer(containerOf(spec));
      const random = prng(2, "mutated");
      let ran = 0;
      for (let round = 0; round < 600; round++) {
        const bytes = original.slice();
        for (let i = 0; i < 3; i++) bytes[below(random, bytes.length)] = below(random, 256);
        let container: Container;
        try {
          container = decodeContainer(bytes);
        } catch (error) {
          if (error instanceof EdgeError) continue;
          throw error;
        }
        ran++;
        expectSameBits(container, windowsFor(container.student as never, round));
      }
      expect(ran).toBeGreaterThan(100);
    }
  });
});

describe("loads of the WebAssembly engine", () => {
  const windows = noiseWindows(SMALL_GRU_SPEC, 3, 5);
  const container = containerOf(SMALL_GRU_SPEC);
  const expected = [0, 1, 2].map((w) =>
    exitsOf(referenceEngine.load(container), windowAt(windows, w)),
  );

  it("stay apart when their stages run by turns", () => {
    const loads = [0, 1, 2].map(() => engine.load(container));
    loads.forEach((loaded, w) => {
      loaded.begin(windowAt(windows, w));
    });
    for (const exit of [0, 1]) {
      loads.forEach((loaded, w) => {
        expect(nextOf(loaded)).toEqual(expected[w]?.[exit]);
      });
    }
  });

  it("keep the window of begin(), and what an exit said until the next begin()", () => {
    const [one, other] = [engine.load(container), engine.load(container)];
    const window = windowAt(windows, 0).slice();
    one.begin(window);
    window.fill(99);
    const first = one.nextExit();
    exitsOf(other, windowAt(windows, 1));
    expect([...first.logits]).toEqual(expected[0]?.[0]?.logits);
    expect(nextOf(one)).toEqual(expected[0]?.[1]);
  });

  it("may stop at an early exit", () => {
    const loaded = engine.load(container);
    for (const w of [0, 1, 2]) {
      loaded.begin(windowAt(windows, w));
      expect(nextOf(loaded)).toEqual(expected[w]?.[0]);
    }
  });

  it("share one instance, and one copy of the weights per container, decoded once or often", () => {
    const { engine: counting, counts } = countedEngine();
    const bytes = encodeContainer(container);
    const loads = Array.from({ length: 50 }, () => counting.load(decodeContainer(bytes)));
    loads.push(counting.load(container), counting.load(container));
    expect(counts.instances).toBe(1);
    loads.forEach((loaded, i) => {
      expect(exitsOf(loaded, windowAt(windows, i % 3))).toEqual(expected[i % 3]);
    });
    const before = counts.memoryBytes();
    // Other models come into the same memory, which grows, and the first ones go on.
    const others = Array.from({ length: 12 }, (_, seed) => containerOf(SMALL_CNN_SPEC, seed + 2));
    const inOne = others.map((other) => counting.load(other));
    expect(counts.memoryBytes()).toBeGreaterThan(before);
    expect(counts.instances).toBe(1);
    const window = windowAt(noiseWindows(SMALL_CNN_SPEC, 1, 1), 0);
    others.forEach((other, i) => {
      const theirs = exitsOf(referenceEngine.load(other), window);
      expect(exitsOf(inOne[i] as LoadedStudent, window)).toEqual(theirs);
      expect(exitsOf(loads[i] as LoadedStudent, windowAt(windows, 0))).toEqual(expected[0]);
    });
  });

  it("give their place back when they are garbage", async () => {
    const { engine: collected, counts } = countedEngine();
    const window = windowAt(noiseWindows(SMALL_CNN_SPEC, 1, 1), 0);
    for (let seed = 0; seed < 200; seed++) {
      exitsOf(collected.load(containerOf(SMALL_CNN_SPEC, seed)), window);
      if (seed % 10 < 9) continue;
      // What a weak reference gave stays until the turn of the event loop ends, and finalizers run
      // in a later one.
      await new Promise((resolve) => setImmediate(resolve));
      collectGarbage();
      await new Promise((resolve) => setImmediate(resolve));
    }
    // Each takes some 11 KB: 2 MB in all where nothing is given back.
    expect(counts.memoryBytes()).toBeLessThan(800_000);
  });

  it("allocate nothing while they run: 20,000 nodes with two models, 100,000 windows", () => {
    const small = containerOf(SMALL_CNN_SPEC);
    const nodes = 20_000;
    const loads = Array.from({ length: nodes }, (_, n) => engine.load(n % 2 ? small : container));
    const window = windowAt(windows, 0);
    const turn = (): void => {
      for (const loaded of loads) {
        loaded.begin(window);
        for (let exit = 0; exit < loaded.exits; exit++) loaded.nextExit();
      }
    };
    turn();
    const bytesInUse = (): number => {
      collectGarbage();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      return heapUsed + arrayBuffers;
    };
    const before = bytesInUse();
    for (let i = 0; i < 100_000 / nodes; i++) turn();
    // A window of 150 bytes kept from each run would be 15 MB.
    expect(bytesInUse() - before).toBeLessThan(1_000_000);
  });

  it("assert the order of calls and the window's length, and refuse what no engine may run", () => {
    const loaded = engine.load(container);
    expect(() => loaded.nextExit()).toThrow("begin()");
    expect(() => loaded.begin(new Int8Array(149))).toThrow("a window of 149 values");
    exitsOf(loaded, windowAt(windows, 0));
    expect(() => loaded.nextExit()).toThrow("begin()");
    const broken = structuredClone(container);
    broken.student.stages[0]?.exit.poolRequantization.shifts.fill(0);
    expect(() => engine.load(broken)).toThrow("student-range");
  });
});
