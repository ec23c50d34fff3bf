/** What of a node's time is settled, in a ring of quarters. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { budgetOf, DAY_MS, dayStart, hourStart } from "../src/behaviour/budget.ts";
import { addBout, newDayCells, spanBudget } from "../src/behaviour/day-cells.ts";
import type { Bout } from "../src/behaviour/track.ts";

describe("settled days", () => {
  it("are the sums of their bouts by hour and day, and nothing of before them", () => {
    const part = fc.tuple(
      fc.integer({ min: 0, max: 2 }),
      fc.integer({ min: 1, max: 400 }),
      fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 3_000 })),
    );
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 60, size: "max" }), (parts) => {
        const cells = newDayCells(3);
        const bouts: Bout[] = [];
        let atMs = 0;
        for (const [classIndex, minutes, pauseMinutes] of parts) {
          const startMs = atMs + pauseMinutes * 60_000;
          atMs = startMs + minutes * 60_000 + 250;
          const rest = { confidence: 0.9, windows: 1, taught: 0, over: true };
          bouts.push({ number: bouts.length + 1, classIndex, startMs, endMs: atMs, ...rest });
          addBout(cells, bouts.at(-1) as Bout);
        }
        const today = dayStart(atMs, 0);
        for (const startMs of [hourStart(atMs), today, today - DAY_MS]) {
          const span = { startMs, endMs: atMs };
          expect(spanBudget(cells, [], span)).toEqual(budgetOf(bouts, 3, span));
        }
        // Three days back nothing is left.
        const old = { startMs: today - 4 * DAY_MS, endMs: today - 3 * DAY_MS };
        expect(spanBudget(cells, [], old).unknownMs).toBe(DAY_MS);
      }),
      { numRuns: 200 },
    );
  });
});
