/** What other shares of offloads would give, held against worlds where all is known. */

import { describe, expect, it } from "vitest";
import { type AuditCounts, addCounts, NO_COUNTS, offloadCount } from "../src/gate/audit-counts.ts";
import { auditCurve, CURVE_AUDITS_LEAST, type CurveAnswer } from "../src/gate/audit-curve.ts";
import { chance, type Prng, prng, uniform } from "../src/prng.ts";

/** Windows below this confidence go for certain, those above by audit. */
const GATE_Q8 = 90;

type Seen = { readonly confidenceQ8: number; readonly agrees: boolean; readonly always: boolean };

/** A node's life: what the gateway counted and was answered, and every window as it was. */
function live(windows: number, audits: number, random: Prng) {
  const all: Seen[] = [];
  const answers: CurveAnswer[] = [];
  let counts: AuditCounts = { ...NO_COUNTS, windows };
  for (let i = 0; i < windows; i++) {
    const confidence = Math.sqrt(uniform(random, 0.02, 1));
    const seen = {
      confidenceQ8: Math.round(255 * confidence),
      agrees: chance(random, 0.5 + 0.49 * confidence),
      always: chance(random, 0.01),
    };
    all.push(seen);
    const probability = i < windows / 3 ? audits : audits / 2;
    const audit = !seen.always && seen.confidenceQ8 >= GATE_Q8;
    if (audit && !chance(random, probability)) continue;
    const chosen = { audit, chanceQ16: audit ? Math.round(65_535 * probability) : 65_535 };
    counts = addCounts(counts, offloadCount(chosen));
    // The link loses one in ten.
    if (chance(random, 0.9)) answers.push({ ...chosen, ...seen });
  }
  return { all, answers, counts };
}

const shareOf = (all: readonly Seen[], holds: (one: Seen) => boolean): number =>
  all.filter(holds).length / all.length;

describe("the curve", () => {
  it.each([
    ["less than now", 60],
    ["as now", GATE_Q8],
    ["more than now", 140],
    ["far more than now", 170],
  ])("%s is right on the mean and inside its interval", (_how, belowQ8) => {
    const random = prng(7, "audit curve");
    const worlds = 200;
    let bias = 0;
    let shareBias = 0;
    let inside = 0;
    for (let i = 0; i < worlds; i++) {
      const { all, answers, counts } = live(3_000, 0.08, random);
      const goes = (one: Seen): boolean => one.always || one.confidenceQ8 < belowQ8;
      const told = shareOf(all, (one) => goes(one) || one.agrees);
      // The threshold that lets through the same windows, as far as answers tell.
      const point = auditCurve(counts, answers).points.findLast((one) => one.belowQ8 <= belowQ8);
      expect(point).toBeDefined();
      if (point === undefined) continue;
      bias += (point.told.value - told) / worlds;
      shareBias += (point.share.value - shareOf(all, goes)) / worlds;
      inside += Number(point.told.low <= told && told <= point.told.high) / worlds;
    }
    console.log(`below ${belowQ8}: bias ${bias.toFixed(4)}, inside ${(100 * inside).toFixed(1)} %`);
    expect(Math.abs(bias)).toBeLessThan(0.006);
    expect(Math.abs(shareBias)).toBeLessThan(0.01);
    expect(inside).toBeGreaterThan(0.9);
  });

  it("rises from what the student says by itself, and its share with it", () => {
    const { all, answers, counts } = live(20_000, 0.05, prng(3, "rises"));
    const { points } = auditCurve(counts, answers);
    expect(points.length).toBeGreaterThan(20);
    for (const [i, { share, told }] of points.entries()) {
      expect(told.low).toBeLessThanOrEqual(told.value);
      expect(told.high).toBeGreaterThanOrEqual(told.value);
      const before = points[i - 1];
      if (before === undefined) continue;
      expect(share.value).toBeGreaterThan(before.share.value);
      expect(told.value).toBeGreaterThanOrEqual(before.told.value);
    }
    const own = shareOf(all, (one) => one.always || one.agrees);
    expect(points[0]?.share.value).toBeCloseTo(0.01, 2);
    expect(points[0]?.told.value).toBeCloseTo(own, 1);
    expect(points.at(-1)?.share.value).toBeLessThanOrEqual(0.6);
  });

  it("says nothing with too few audits, and how many there are", () => {
    const { answers, counts } = live(300, 0.05, prng(1, "few"));
    const { effectiveAudits, points } = auditCurve(counts, answers);
    expect(effectiveAudits).toBeLessThan(CURVE_AUDITS_LEAST);
    expect(points).toEqual([]);
    expect(auditCurve(NO_COUNTS, [])).toEqual({ effectiveAudits: 0, points: [] });
  });
});
