import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createWindowing, takeSamples, type WindowShape } from "../device-sim/windowing.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import type { Recordings } from "../src/signal/recordings.ts";

const SHAPE: WindowShape = {
  windowSamples: 4,
  hopSamples: 2,
  channels: 3,
  inputMilligPerStep: 10,
  rateHz: 10,
};

/** Rows that carry their own number: 10, 20, 30 … milli-g on each axis. */
function rows(start: number, count: number): Int16Array {
  return Int16Array.from({ length: count * 3 }, (_, i) => 10 * (start + Math.floor(i / 3)));
}

type Cut = { readonly first: number; readonly end: number; readonly agoMs: number };

function windowsOf(runs: readonly (readonly [start: number, count: number])[]): Cut[] {
  const windowing = createWindowing(SHAPE);
  const cuts: Cut[] = [];
  for (const [startSample, count] of runs) {
    takeSamples(windowing, { startSample, millig: rows(startSample, count) }, (cut) => {
      const numbers = [...cut.window].filter((_, i) => i % 3 === 0);
      // Every window is a run of consecutive samples, none repeated, none left out.
      expect(numbers).toEqual(numbers.map((_, i) => (numbers[0] ?? 0) + i));
      cuts.push({ first: numbers[0] ?? -1, end: cut.endSample, agoMs: cut.agoMs });
    });
  }
  return cuts;
}

describe("takeSamples", () => {
  it("cuts a window every hop once the first is full, and says when each ended", () => {
    expect(windowsOf([[0, 9]])).toEqual([
      { first: 0, end: 4, agoMs: 500 },
      { first: 2, end: 6, agoMs: 300 },
      { first: 4, end: 8, agoMs: 100 },
    ]);
  });

  it("cuts the same windows however samples arrive", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 7 }), { maxLength: 20 }), (counts) => {
        const runs: [number, number][] = [];
        let at = 0;
        for (const count of counts) {
          runs.push([at, count]);
          at += count;
        }
        const whole = windowsOf([[0, at]]).map(({ first, end }) => [first, end]);
        expect(windowsOf(runs).map(({ first, end }) => [first, end])).toEqual(whole);
      }),
    );
  });

  it("never lets a window span lost samples", () => {
    const cuts = windowsOf([
      [0, 5],
      [6, 3],
      [9, 2],
      [20, 4],
    ]);
    expect(cuts.map(({ first, end }) => [first, end])).toEqual([
      [0, 4],
      [6, 10],
      [20, 24],
    ]);
  });

  it("gives the student the very bytes that training saw", () => {
    const profile = shippedProfile("cattle");
    const samples = Int16Array.from({ length: 3 * 400 }, (_, i) => ((i * 7919) % 5000) - 2500);
    const recordings: Recordings = {
      name: "bytes",
      rateHz: 10,
      labels: ["Grazing"],
      subjects: ["a"],
      segments: [{ subject: "a", label: "Grazing", start: 0, length: 400, source: "" }],
      samples,
      about: {},
    };
    const trained = makeWindows(recordings, profile);
    const windowing = createWindowing(profile);
    const bytes: number[] = [];
    takeSamples(windowing, { startSample: 0, millig: samples }, (cut) => {
      bytes.push(...cut.window);
    });
    expect(bytes).toEqual([...trained.samples]);
  });
});
