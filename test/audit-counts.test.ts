/** What is said of windows that nobody looked at, held against worlds where all is known. */
import { describe, expect, it } from "vitest";
import {
  type AuditCounts,
  addCounts,
  auditEstimates,
  NO_COUNTS,
  offloadCount,
  verdictCount,
  wilson,
} from "../src/gate/audit-counts.ts";
import { chance, type Prng, prng, uniform } from "../src/prng.ts";

type World = {
  readonly windows: number;
  /** Windows of one bout agree or disagree together. */
  readonly boutWindows: number;
  readonly unsureShare: number;
  readonly unsureAgreement: number;
  readonly keptAgreement: number;
  /** Audit chance in the first and in the second half. */
  readonly chances: readonly [number, number];
  /** Share of offloads that were answered. */
  readonly answered: number;
};

/** One node's life: what the gateway counted, and what was true of all its windows. */
function live(world: World, random: Prng): { counts: AuditCounts; agreement: number } {
  let counts: AuditCounts = { ...NO_COUNTS, windows: world.windows };
  let agreed = 0;
  let bout = { unsure: false, agrees: true };
  for (let i = 0; i < world.windows; i++) {
    if (i % world.boutWindows === 0) {
      const unsure = chance(random, world.unsureShare);
      const share = unsure ? world.unsureAgreement : world.keptAgreement;
      bout = { unsure, agrees: chance(random, share) };
    }
    agreed += Number(bout.agrees);
    const probability = world.chances[i < world.windows / 2 ? 0 : 1];
    const audit = !bout.unsure;
    if (audit && !chance(random, probability)) continue;
    const chosen = { audit, chanceQ16: audit ? Math.round(65535 * probability) : 65535 };
    counts = addCounts(counts, offloadCount(chosen));
    if (chance(random, world.answered)) {
      counts = addCounts(counts, verdictCount(chosen, bout.agrees));
    }
  }
  return { counts, agreement: agreed / world.windows };
}

const USUAL: World = {
  windows: 4000,
  boutWindows: 1,
  unsureShare: 0.08,
  unsureAgreement: 0.6,
  keptAgreement: 0.95,
  chances: [0.02, 0.02],
  answered: 1,
};

const WORLDS: readonly (readonly [string, World])[] = [
  ["usual", USUAL],
  ["bouts of 50 windows that are right or wrong together", { ...USUAL, boutWindows: 50 }],
  ["a chance that was changed fourfold", { ...USUAL, chances: [0.04, 0.01] }],
  ["a student that fails", { ...USUAL, keptAgreement: 0.5 }],
  ["nearly always right", { ...USUAL, keptAgreement: 0.99 }],
  ["one verdict in three lost", { ...USUAL, answered: 2 / 3 }],
  ["few windows", { ...USUAL, windows: 1500 }],
];

describe("audit estimates", () => {
  it.each(WORLDS)("cover the truth in 95 of 100 lives: %s", (name, world) => {
    const random = prng(7, name);
    const lives = 300;
    let told = 0;
    let covered = 0;
    let error = 0;
    let naive = 0;
    for (let n = 0; n < lives; n++) {
      const { counts, agreement } = live(world, random);
      const estimates = auditEstimates(counts);
      if (estimates === null) continue;
      told++;
      const { value, low, high } = estimates.agreement;
      expect(low).toBeLessThanOrEqual(value);
      expect(high).toBeGreaterThanOrEqual(value);
      covered += Number(low <= agreement && agreement <= high);
      error += value - agreement;
      const trusted = counts.certainTrusted + counts.auditsTrusted;
      naive += counts.certainAgreed + counts.weightAgreed * world.chances[0] - agreement * trusted;
    }
    expect(told).toBeGreaterThan(0.97 * lives);
    // 300 lives: one standard error of the coverage is 1.3 points.
    expect(covered / told).toBeGreaterThan(0.915);
    expect(Math.abs(error / told)).toBeLessThan(0.012);
    // Counting verdicts as they come would be off by far more wherever unsure windows are worse.
    if (world.keptAgreement > 0.9 && world.chances[0] === world.chances[1]) {
      expect(naive / told).toBeLessThan(-20);
    }
  });

  it("says what offloading mends, what it leaves, and how well the gate chooses", () => {
    // 1,000 windows: 100 unsure of which 40 are mended, 900 kept, 45 audited at .05, 9 disagree.
    const counts: AuditCounts = {
      windows: 1000,
      certain: 100,
      certainTrusted: 100,
      certainAgreed: 60,
      audits: 45,
      auditsTrusted: 45,
      weight: 45 * 20,
      weightSquared: 45 * 400,
      weightAgreed: 36 * 20,
    };
    const estimates = auditEstimates(counts);
    expect(estimates?.keptAgreement.value).toBeCloseTo(0.8, 12);
    expect(estimates?.agreement.value).toBeCloseTo(0.9 * 0.8 + 0.1 * 0.6, 12);
    // All of the certain ones were answered: no doubt is left about them.
    expect(estimates?.mended.value).toBeCloseTo(0.04, 12);
    expect(estimates?.mended.low).toBe(estimates?.mended.high);
    expect(estimates?.left.value).toBeCloseTo(0.18, 12);
    expect(estimates?.lift).toBeCloseTo(0.4 / 0.22, 12);
    expect(estimates?.effectiveAudits).toBeCloseTo(45, 12);
    expect(estimates?.answered).toBe(1);
  });

  it("knows nothing before the first audit, and takes late reports as they come", () => {
    expect(auditEstimates({ ...NO_COUNTS, windows: 50, certain: 5, certainTrusted: 5 })).toBe(null);
    const chosen = { audit: true, chanceQ16: 655 };
    const early = addCounts(offloadCount(chosen), verdictCount(chosen, true));
    expect(auditEstimates(early)).toMatchObject({ windows: 1, lift: null, audits: 1 });
  });

  it("are figures though the offloads were counted before the node took another model and went back", () => {
    const late = addCounts(
      verdictCount({ audit: true, chanceQ16: 655 }, true),
      verdictCount({ audit: false, chanceQ16: 65535 }, false),
    );
    const estimates = auditEstimates(late);
    expect(estimates).toMatchObject({ windows: 2, answered: 1, keptAgreement: { value: 1 } });
    expect(estimates?.agreement.value).toBe(0.5);
    expect(estimates?.lift).toBe(2);
  });

  it("gives Wilson's interval as published", () => {
    // Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 81 of 263, 15 of 148, 0 of 20.
    const published = [
      [81, 263, 0.2553, 0.3662],
      [15, 148, 0.0624, 0.1605],
      [0, 20, 0, 0.1611],
    ] as const;
    for (const [right, n, low, high] of published) {
      expect(wilson(right / n, n).low).toBeCloseTo(low, 4);
      expect(wilson(right / n, n).high).toBeCloseTo(high, 4);
    }
    const random = prng(3, "wilson");
    for (let i = 0; i < 200; i++) {
      const { low, high } = wilson(uniform(random), uniform(random, 0.1, 500));
      expect(low).toBeGreaterThanOrEqual(0);
      expect(high).toBeLessThanOrEqual(1);
    }
  });
});
