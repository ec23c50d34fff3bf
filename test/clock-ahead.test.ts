/** Bouts of nodes whose clocks jump: by property, on the gateway's steps. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { restoreBehaviours } from "../gateway/herd/behaviour-desk.ts";
import { DAY_MS } from "../src/behaviour/budget.ts";
import { AHEAD_MOST_MS } from "../src/behaviour/clock-ahead.ts";
import type { SeenWindow } from "../src/behaviour/open-windows.ts";
import { helloOf, reportOf } from "./gateway-kit.ts";
import { made, node, run, up } from "./gateway-steps.ts";

const START_MS = Date.UTC(2026, 0, 5);
const HOP_MS = 2_500;
const YEAR_MS = 365 * DAY_MS;

/** Reports of 24 windows, each with the clock off by so much. */
function live(offsetsMs: readonly number[]) {
  const state = made();
  run(state, [up(helloOf({}))], START_MS);
  offsetsMs.forEach((offsetMs, nth) => {
    const nowMs = START_MS + (nth + 1) * 24 * HOP_MS;
    const entries = reportOf(nth, [...Array(24).keys()]).entries.map((entry, i) => ({
      ...entry,
      windowIndex: 24 * nth + i,
      timeMs: nowMs + offsetMs - (23 - i) * HOP_MS,
    }));
    run(state, [up(reportOf(nth, [], { entries }))], nowMs);
  });
  return state;
}

const trackOf = (state: ReturnType<typeof made>) => state.behaviours.nodes.get(node)?.track;

describe("a clock that jumps", () => {
  it("ends no bouts for good: they go on as soon as it is right again", () => {
    const wrong = fc.oneof(
      fc.integer({ min: -50 * YEAR_MS, max: -1 }),
      fc.integer({ min: AHEAD_MOST_MS + DAY_MS, max: 80 * YEAR_MS }),
    );
    const offset = fc.oneof(fc.constant(0), wrong);
    fc.assert(
      fc.property(fc.array(offset, { maxLength: 30 }), (offsets) => {
        const track = trackOf(live([0, ...offsets, 0, 0]));
        const last = track?.bouts.at(-1);
        const endMs = START_MS + (offsets.length + 3) * 24 * HOP_MS;
        expect(last).toMatchObject({ endMs, over: false });
        expect(last?.windows).toBeGreaterThanOrEqual(48);
      }),
      { numRuns: 60 },
    );
  });

  it("is counted, and of a store that has such windows a start makes the same bouts", () => {
    const offsets = [0, 0, 5 * YEAR_MS, 0];
    const state = live(offsets);
    expect(trackOf(state)?.late).toBe(24);
    const windows: SeenWindow[] = offsets.flatMap((offsetMs, nth) =>
      Array.from({ length: 24 }, (_, i) => ({
        timeMs: START_MS + (nth + 1) * 24 * HOP_MS + offsetMs - (23 - i) * HOP_MS,
        ...{ epoch: 1, windowIndex: 24 * nth + i, teacher: null },
        student: { classIndex: 0, confidence: 200 / 255 },
      })),
    );
    windows.sort((a, b) => a.timeMs - b.timeMs);
    const again = made();
    const stored = { last: null, open: [], next: 1, recent: [], windows, days: [] };
    restoreBehaviours(again, node, stored, START_MS + DAY_MS);
    expect(trackOf(again)?.bouts).toEqual(trackOf(state)?.bouts);
  });

  it("may run ahead day by day, as that of a simulated node does", () => {
    const state = live(Array.from({ length: 60 }, (_, nth) => nth * 20 * DAY_MS));
    expect(trackOf(state)?.late).toBe(0);
  });
});
