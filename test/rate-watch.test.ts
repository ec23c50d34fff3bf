/** A wrong sampling rate is seen by the clock, and nothing else is taken for one. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { below, prng } from "../src/prng.ts";
import {
  NEW_RATE_WATCH,
  type RateWatch,
  type WindowEnd,
  watchRate,
} from "../src/signal/rate-watch.ts";

const HOP_MS = 2_500;

/** Windows whose sensor runs so many times as fast; `gapMs` is lost before a window. */
function windowsAt(
  factor: number,
  count: number,
  from: WindowEnd = { windowIndex: 0, timeMs: 1_700_000_000_000 },
  gapMs: (index: number) => number = () => 0,
): WindowEnd[] {
  let { timeMs } = from;
  return Array.from({ length: count }, (_, i) => {
    timeMs += HOP_MS / factor + gapMs(i);
    return { windowIndex: from.windowIndex + i + 1, timeMs: Math.round(timeMs) };
  });
}

/** In reports of eight. */
function watched(watch: RateWatch, windows: readonly WindowEnd[], epoch = 1): RateWatch {
  let so = watch;
  for (let at = 0; at < windows.length; at += 8) {
    so = watchRate(so, epoch, windows.slice(at, at + 8), HOP_MS);
  }
  return so;
}

describe("a rate", () => {
  it.each([0.5, 0.8, 1.25, 2, 5])(
    "of %d times the right one is found within 41 windows",
    (factor) => {
      expect(watched(NEW_RATE_WATCH, windowsAt(factor, 40)).factor).toBeNull();
      expect(watched(NEW_RATE_WATCH, windowsAt(factor, 41)).factor).toBeCloseTo(factor, 2);
    },
  );

  it.each([0.9, 0.95, 1, 1.05, 1.1])(
    "of %d times the right one is a chip as they come",
    (factor) => {
      expect(watched(NEW_RATE_WATCH, windowsAt(factor, 400)).factor).toBeNull();
    },
  );

  it("that was wrong is right when all of the last stretches are", () => {
    const wrong = windowsAt(2, 41);
    const found = watched(NEW_RATE_WATCH, wrong);
    const right = windowsAt(1, 40, wrong.at(-1));
    expect(watched(found, right.slice(0, 39)).factor).toBeCloseTo(2, 2);
    expect(watched(found, right).factor).toBeNull();
  });

  it("is not doubted for gaps, however long, before a window in six, nor for a clock that is set", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), fc.double({ min: 1, max: 9 }), (seed, gap) => {
        const random = prng(seed, "gaps");
        const often = windowsAt(1, 500, undefined, () =>
          below(random, 6) === 0 ? gap * HOP_MS : 0,
        );
        expect(watched(NEW_RATE_WATCH, often).factor).toBeNull();
      }),
      { numRuns: 50 },
    );
    const set = windowsAt(1, 500, undefined, (i) => (i === 200 ? 1e10 : i === 300 ? -1e9 : 0));
    expect(watched(NEW_RATE_WATCH, set).factor).toBeNull();
  });

  it("is found behind gaps too, and by windows that come in blocks", () => {
    const random = prng(3, "blocks");
    const gaps = windowsAt(2, 200, undefined, () => (below(random, 40) === 0 ? 9 * HOP_MS : 0));
    expect(watched(NEW_RATE_WATCH, gaps).factor).toBeCloseTo(2, 1);
    // A queue of two windows in the chip, whose ends are counted back at the rate that it should have.
    const blocks = windowsAt(0.5, 200).map(({ windowIndex, timeMs }) => ({
      windowIndex,
      timeMs: windowIndex % 2 === 1 ? timeMs + HOP_MS / 0.5 - HOP_MS : timeMs,
    }));
    expect(watched(NEW_RATE_WATCH, blocks).factor).toBeCloseTo(0.5, 1);
  });

  it("is asked anew in each life of a node, and of no window twice", () => {
    const windows = windowsAt(2, 39);
    const twice = windows.flatMap((end) => [end, end]);
    expect(watched(NEW_RATE_WATCH, twice).factor).toBeNull();
    const later = watched(watched(NEW_RATE_WATCH, windowsAt(1, 30)), windowsAt(1, 30), 2);
    expect(later.factor).toBeNull();
    expect(later.epoch).toBe(2);
  });

  it("is not told by a clock that stands still", () => {
    const windows = windowsAt(1, 100).map(({ windowIndex }) => ({ windowIndex, timeMs: 5 }));
    expect(watched(NEW_RATE_WATCH, windows).factor).toBeNull();
  });
});
