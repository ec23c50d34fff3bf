/** Windows become bouts and budgets: by hand, and by property. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { budgetOf, DAY_MS, dayStart, HOUR_MS, meanBudget } from "../src/behaviour/budget.ts";
import { changeOf } from "../src/behaviour/change.ts";
import type { SeenWindow } from "../src/behaviour/open-windows.ts";
import {
  type Bout,
  newTrack,
  restoreTrack,
  stepTrack,
  type TrackEffect,
  type TrackRule,
} from "../src/behaviour/track.ts";

const HOP_MS = 2_500;
const RULE: TrackRule = {
  classes: 3,
  hopMs: HOP_MS,
  windowMs: 2 * HOP_MS,
  typicalMs: [60_000, 60_000, 20_000],
  gapMs: 60_000,
  openMs: 600_000,
  windowsMax: 1_000,
};

function windowOf(index: number, classIndex: number, confidence = 0.9, shiftMs = 0): SeenWindow {
  const timeMs = (index + 1) * HOP_MS + shiftMs;
  return {
    timeMs,
    epoch: 1,
    windowIndex: index,
    student: { classIndex, confidence },
    teacher: null,
  };
}

/** `"000111"`: a window of each class in turn. */
const windowsOf = (classes: string, confidence = 0.9): SeenWindow[] =>
  Array.from(classes, (c, i) => windowOf(i, Number(c), confidence));

const shapesOf = (bouts: readonly Bout[]): unknown[] =>
  bouts.map(({ classIndex, startMs, endMs }) => [classIndex, startMs / HOP_MS, endMs / HOP_MS]);

describe("bouts", () => {
  it("begin where the evidence turned, not where it became enough", () => {
    const track = newTrack();
    stepTrack(track, { kind: "windows", windows: windowsOf("0000000000") }, RULE);
    const windows = [10, 11, 12, 13, 14, 15].map((i) => windowOf(i, 1));
    const effects = windows.flatMap((one) =>
      stepTrack(track, { kind: "windows", windows: [one] }, RULE),
    );
    expect(effects.map(({ kind }) => kind)).toEqual(["end", "new"]);
    expect(shapesOf(track.bouts)).toEqual([
      [0, 0, 10],
      [1, 10, 16],
    ]);
  });

  it("are not broken by a window that differs", () => {
    const track = newTrack();
    stepTrack(track, { kind: "windows", windows: windowsOf("0000020000000100000") }, RULE);
    expect(shapesOf(track.bouts)).toEqual([[0, 0, 19]]);
    expect(track.bouts[0]?.confidence).toBeLessThan(0.9);
  });

  it("end at a gap, and the time in it is nobody's", () => {
    const track = newTrack();
    const windows = [windowOf(0, 0), windowOf(1, 0), windowOf(100, 0), windowOf(101, 0)];
    const effects = stepTrack(track, { kind: "windows", windows }, RULE);
    expect(effects.map(({ kind }) => kind)).toEqual(["new", "new"]);
    expect(track.bouts.map(({ over }) => over)).toEqual([true, false]);
    const budget = budgetOf(track.bouts, 3, { startMs: 0, endMs: 102 * HOP_MS });
    expect(budget.classMs[0]).toBe(4 * HOP_MS);
    expect(budget.unknownMs).toBe(98 * HOP_MS);
  });

  it("take a pause shorter than a gap into what came after it", () => {
    const track = newTrack();
    const windows = [windowOf(0, 0), windowOf(1, 0), windowOf(9, 0)];
    stepTrack(track, { kind: "windows", windows }, RULE);
    expect(shapesOf(track.bouts)).toEqual([[0, 0, 10]]);
  });

  it("are corrected by a late verdict under their number", () => {
    const rule = { ...RULE, typicalMs: [5_000, 5_000, 5_000] };
    const track = newTrack();
    const doubtful = [20, 21, 22].map((i) => windowOf(i, 2, 0.6));
    const after = [23, 24, 25, 26].map((i) => windowOf(i, 0));
    const windows = [...windowsOf("0".repeat(20)), ...doubtful, ...after];
    stepTrack(track, { kind: "windows", windows }, rule);
    expect(track.bouts.map((bout) => bout.classIndex)).toEqual([0, 2, 0]);
    const { epoch, windowIndex, timeMs } = windowOf(21, 2);
    const answer = { classIndex: 1, confidence: 0.99 };
    const verdict = { kind: "verdict", epoch, windowIndex, timeMs, answer } as const;
    const effects = stepTrack(track, verdict, rule);
    expect(effects[0]).toMatchObject({
      kind: "update",
      before: { number: 2, classIndex: 2 },
      after: { number: 2, classIndex: 1, taught: 1 },
    });
    expect(track.bouts.map(({ number }) => number)).toEqual([1, 2, 3]);
  });

  it("that never were are withdrawn", () => {
    const track = newTrack();
    const windows = windowsOf(`${"0".repeat(20)}222222${"0".repeat(20)}`, 0.75);
    stepTrack(track, { kind: "windows", windows }, RULE);
    expect(track.bouts).toHaveLength(3);
    const effects = windows.slice(20, 26).flatMap(({ epoch, windowIndex, timeMs }) => {
      const answer = { classIndex: 0, confidence: 0.99 };
      return stepTrack(track, { kind: "verdict", epoch, windowIndex, timeMs, answer }, RULE);
    });
    expect(effects.filter(({ kind }) => kind === "withdrawn")).toHaveLength(2);
    expect(track.bouts).toHaveLength(1);
    expect(track.bouts[0]).toMatchObject({ number: 1, windows: 46 });
  });

  it("end when the node goes away, and go on when it is back within the gap", () => {
    const track = newTrack();
    stepTrack(track, { kind: "windows", windows: windowsOf("0000") }, RULE);
    expect(stepTrack(track, { kind: "away" }, RULE).map(({ kind }) => kind)).toEqual(["end"]);
    expect(stepTrack(track, { kind: "away" }, RULE)).toEqual([]);
    const back = stepTrack(track, { kind: "windows", windows: [windowOf(6, 0)] }, RULE);
    expect(back).toMatchObject([{ kind: "update", after: { number: 1, over: false } }]);
  });

  it("stand once they are older than the open time; what comes later is counted and ignored", () => {
    const track = newTrack();
    const effects = windowsOf("0".repeat(100) + "1".repeat(400)).flatMap((window) =>
      stepTrack(track, { kind: "windows", windows: [window] }, RULE),
    );
    expect(effects.filter(({ kind }) => kind === "sealed")).toHaveLength(1);
    expect(track.bouts).toMatchObject([{ number: 2, windows: 400, endMs: 500 * HOP_MS }]);
    const before = structuredClone(track.bouts);
    expect(stepTrack(track, { kind: "windows", windows: [windowOf(3, 2)] }, RULE)).toEqual([]);
    expect(track.late).toBe(1);
    expect(track.bouts).toEqual(before);
  });
});

/** A day in short: runs of classes with lengths, pauses and confidences. */
const story = fc
  .array(
    fc.record({
      classIndex: fc.integer({ min: 0, max: 2 }),
      length: fc.integer({ min: 1, max: 40 }),
      pause: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 60 })),
      confidence: fc.integer({ min: 128, max: 255 }).map((q8) => q8 / 255),
      taught: fc.option(fc.integer({ min: 0, max: 2 })),
    }),
    { minLength: 1, maxLength: 14 },
  )
  .map((parts) => {
    const windows: SeenWindow[] = [];
    let at = 0;
    for (const { classIndex, length, pause, confidence, taught } of parts) {
      at += pause;
      for (let i = 0; i < length; i++, at++) {
        const window = windowOf(at, classIndex, confidence);
        const answer = taught === null ? null : { classIndex: taught, confidence: 0.95 };
        windows.push({ ...window, teacher: i % 3 === 0 ? answer : null });
      }
    }
    return windows;
  });

/** Everything that a node's bouts are, those that stand first; and that events told the same. */
class Ledger {
  readonly stands: Bout[] = [];
  readonly told = new Map<number, Bout>();

  take(effects: readonly TrackEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === "sealed") this.stands.push(effect.after);
      else if (effect.after === null) this.told.delete(effect.before.number);
      else this.told.set(effect.after.number, effect.after);
    }
  }

  all(open: readonly Bout[]): Bout[] {
    return [...this.stands, ...open];
  }
}

/** How much knowledge differs at the seams where bouts were sealed: none of it is lost. */
const contents = (bouts: readonly Bout[]): unknown[] =>
  bouts.map(({ number: _number, over: _over, confidence, ...rest }) => ({
    ...rest,
    confidence: Math.round(1e6 * confidence),
  }));

describe("properties", () => {
  it("budgets and the unknown add up to the time that passed, hour by hour", () => {
    fc.assert(
      fc.property(story, fc.integer({ min: 1, max: 50 }), (windows, batch) => {
        const track = newTrack();
        const ledger = new Ledger();
        for (let from = 0; from < windows.length; from += batch) {
          const some = windows.slice(from, from + batch);
          ledger.take(stepTrack(track, { kind: "windows", windows: some }, RULE));
          const endMs = some.at(-1)?.timeMs ?? 0;
          const bouts = ledger.all(track.bouts);
          bouts.slice(1).forEach((bout, i) => {
            expect(bout.startMs).toBeGreaterThanOrEqual(bouts[i]?.endMs ?? 0);
          });
          const whole = budgetOf(bouts, 3, { startMs: 0, endMs });
          const parts = [0, 1, 2, 3].map((h) =>
            budgetOf(bouts, 3, { startMs: (h * endMs) / 4, endMs: ((h + 1) * endMs) / 4 }),
          );
          const known = whole.classMs.reduce((a, b) => a + b, 0);
          expect(whole.unknownMs).toBeGreaterThanOrEqual(-1e-6);
          expect(known + whole.unknownMs).toBeCloseTo(endMs, 6);
          parts.forEach(({ classMs, unknownMs, elapsedMs }) => {
            expect(unknownMs).toBeGreaterThanOrEqual(-1e-6);
            expect(classMs.reduce((a, b) => a + b, 0) + unknownMs).toBeCloseTo(elapsedMs, 6);
          });
          for (const c of [0, 1, 2]) {
            const sum = parts.reduce((total, { classMs }) => total + (classMs[c] ?? 0), 0);
            expect(sum).toBeCloseTo(whole.classMs[c] ?? 0, 6);
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  it("what was told by events is what the bouts are", () => {
    fc.assert(
      fc.property(story, (windows) => {
        const track = newTrack();
        const ledger = new Ledger();
        for (const window of windows) {
          ledger.take(stepTrack(track, { kind: "windows", windows: [window] }, RULE));
        }
        const bouts = ledger.all(track.bouts);
        expect([...ledger.told.keys()].sort((a, b) => a - b)).toEqual(
          bouts.map(({ number }) => number).sort((a, b) => a - b),
        );
        for (const { number, classIndex, startMs, over } of bouts) {
          expect(ledger.told.get(number)).toMatchObject({ classIndex, startMs, over });
        }
      }),
      { numRuns: 200 },
    );
  });

  it("verdicts and reports may come in any order within the open time", () => {
    const open = { ...RULE, openMs: DAY_MS, windowsMax: 10_000 };
    fc.assert(
      fc.property(story, fc.infiniteStream(fc.nat(1_000_000)), (windows, ranks) => {
        const inOrder = newTrack();
        stepTrack(inOrder, { kind: "windows", windows }, open);
        const events = windows.flatMap((window) => {
          const { epoch, windowIndex, timeMs, teacher } = window;
          const bare = { kind: "windows", windows: [{ ...window, teacher: null }] } as const;
          if (teacher === null) return [bare];
          return [bare, { kind: "verdict", epoch, windowIndex, timeMs, answer: teacher } as const];
        });
        const shuffled = events
          .map((event) => ({ event, rank: ranks.next().value as number }))
          .sort((a, b) => a.rank - b.rank);
        const anyhow = newTrack();
        for (const { event } of shuffled) stepTrack(anyhow, event, open);
        expect(contents(anyhow.bouts)).toEqual(contents(inOrder.bouts));
      }),
      { numRuns: 100 },
    );
  });

  it("a restart in the middle changes nothing, and tells nothing", () => {
    fc.assert(
      fc.property(story, fc.integer({ min: 0, max: 500 }), (windows, at) => {
        const cut = Math.min(at, windows.length);
        const track = newTrack();
        const ledger = new Ledger();
        const feed = (to: typeof track, some: readonly SeenWindow[]): void => {
          for (const window of some) {
            ledger.take(stepTrack(to, { kind: "windows", windows: [window] }, RULE));
          }
        };
        feed(track, windows.slice(0, cut));
        const last = ledger.stands.at(-1) ?? null;
        const since = windows.slice(0, cut).filter(({ timeMs }) => timeMs > (last?.endMs ?? -1));
        const remembered = { last, open: track.bouts, next: track.next };
        const restored = restoreTrack(remembered, since, RULE);
        expect(restored.effects).toEqual([]);
        expect(restored.track.next).toBe(track.next);
        expect(contents(restored.track.bouts)).toEqual(contents(track.bouts));
        feed(restored.track, windows.slice(cut));

        const straight = newTrack();
        const whole = new Ledger();
        for (const window of windows) {
          whole.take(stepTrack(straight, { kind: "windows", windows: [window] }, RULE));
        }
        expect(contents(ledger.all(restored.track.bouts))).toEqual(
          contents(whole.all(straight.bouts)),
        );
      }),
      { numRuns: 200 },
    );
  });
});

describe("budgets", () => {
  it("know when a day begins east and west of Greenwich", () => {
    const noon = Date.UTC(2026, 0, 15, 12);
    expect(dayStart(noon, 0)).toBe(Date.UTC(2026, 0, 15));
    expect(dayStart(noon, 13 * HOUR_MS)).toBe(Date.UTC(2026, 0, 15, 11));
    expect(dayStart(noon, -13 * HOUR_MS)).toBe(Date.UTC(2026, 0, 14, 13));
  });

  it("of a group are an average member's and add up as well", () => {
    const one = { elapsedMs: 100, classMs: [60, 20], unknownMs: 20 };
    const two = { elapsedMs: 100, classMs: [20, 0], unknownMs: 80 };
    expect(meanBudget([one, two])).toEqual({ elapsedMs: 100, classMs: [40, 10], unknownMs: 50 });
    expect(meanBudget([])).toBeNull();
  });
});

describe("a change against an animal's own days", () => {
  const rule = { name: "less", classIndices: [0], changePercent: -20 };
  const baseline = { days: 7, daysLeast: 3, knownLeast: 0.5, deviationsLeast: 2 };
  const day = (hours: number, unknown = 0): Parameters<typeof changeOf>[2] => ({
    elapsedMs: DAY_MS,
    classMs: [hours * HOUR_MS, DAY_MS - (hours + unknown) * HOUR_MS],
    unknownMs: unknown * HOUR_MS,
  });
  const usual = [8, 8.2, 7.9, 8.1, 7.8].map((hours) => day(hours));

  it("is told where it is larger than the rule and than the usual differences", () => {
    const change = changeOf(rule, baseline, day(6), usual);
    expect(change).toMatchObject({ alarm: true, days: 5, minutes: 360, baselineMinutes: 480 });
    expect(change?.changePercent).toBeCloseTo(-25);
    expect(changeOf(rule, baseline, day(7), usual)?.alarm).toBe(false);
    expect(changeOf({ ...rule, changePercent: 20 }, baseline, day(6), usual)?.alarm).toBe(false);
    expect(changeOf({ ...rule, changePercent: 20 }, baseline, day(10), usual)?.alarm).toBe(true);
  });

  it("is not told of an animal whose days always differ so much", () => {
    const restless = [4, 12, 6, 10, 8].map((hours) => day(hours));
    expect(changeOf(rule, baseline, day(6), restless)?.alarm).toBe(false);
  });

  it("is not told of a minute where days before were alike to the minute", () => {
    const alike = Array.from({ length: 5 }, () => day(5 / 60));
    const change = changeOf(rule, baseline, day(4 / 60), alike);
    expect(change?.changePercent).toBeCloseTo(-20);
    expect(change?.deviations).toBeCloseTo(-1);
    expect(change?.alarm).toBe(false);
  });

  it("is not moved by one odd day among those before", () => {
    const odd = changeOf(rule, baseline, day(6), [...usual, day(23)]);
    expect(odd?.baselineMinutes).toBeCloseTo(483);
    expect(odd?.alarm).toBe(true);
  });

  it("does not take a silent collar for an animal that stopped", () => {
    expect(changeOf(rule, baseline, day(4, 12), usual)?.alarm).toBe(false);
    expect(changeOf(rule, baseline, day(2, 18), usual)).toBeUndefined();
    expect(changeOf(rule, baseline, day(6), usual.slice(0, 2))).toBeUndefined();
  });
});
