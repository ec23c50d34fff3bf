/** The gate's and the drift benchmark, run as a whole on a herd that swings. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run as runCalibration } from "../bench/calibration.ts";
import { CLAIMS } from "../bench/calibration-job.ts";
import { run as runDrift } from "../bench/drift.ts";
import type { CohortFigures, SensorFigures } from "../bench/drift-tables.ts";
import { run as runGate } from "../bench/gate.ts";
import { FILTERS, SHARES } from "../bench/gate-curves.ts";
import { run as runPoints } from "../bench/points.ts";
import { stretchOf } from "../bench/points-life.ts";
import { quickOptions } from "./benchmark-options.ts";
import { writeSwingingHerd } from "./swinging-herd.ts";

const data = mkdtempSync(join(tmpdir(), "swinging-gate-"));
beforeAll(() => writeSwingingHerd(join(data, "cows"), "cows", ["1", "2", "3", "4"]));
afterAll(() => rmSync(data, { recursive: true }));

const OPTIONS = quickOptions({ data, dataset: "cows" });

describe("bench gate", () => {
  it("gives every filter at every share, from the student to the teacher", async () => {
    const { ok, figures, lines } = await runGate({ ...OPTIONS, test: ["3"] });
    expect(ok).toBe(true);
    type Interval = { mean: number; low: number; high: number };
    const { teacher, at, deployed, lead } = figures as {
      teacher: Interval;
      at: Record<string, Record<string, Interval>>;
      lead: Record<string, Record<string, Interval>>;
      deployed: { share: Interval };
    };
    expect(Object.keys(at)).toEqual(SHARES.map(String));
    for (const filter of FILTERS) {
      for (const share of SHARES) expect(at[share]?.[filter]?.mean).toBeTypeOf("number");
      // Ours says what it and the teacher say together, also where it asks about every window.
      if (!filter.startsWith("ours")) {
        expect(at["100"]?.[filter]?.mean).toBeCloseTo(teacher.mean, 12);
      }
      if (filter === "oracle") continue;
      expect(at["10"]?.[filter]?.mean).toBeLessThanOrEqual(1);
    }
    // The budget holds whatever the student is worth: its share of the windows and a full bucket.
    expect(deployed.share.mean).toBeLessThan(0.5);
    expect(lines.join("\n")).toContain("groundlight");
    // One subject and one seed: nothing to draw again, and no width.
    expect(lead["10"]?.sedna?.low).toBe(lead["10"]?.sedna?.high);
    // A table of the tested windows knows more than one of no others, which is all that one subject has.
    const { tableOfTested, tableOfOthers } = figures.recoveredByChoice as Record<string, number>;
    expect(tableOfTested).toBeGreaterThanOrEqual(tableOfOthers as number);
  });

  it("takes what it has trained before from its folder, and turns collars for the test alone", async () => {
    const extra = { keep: join(data, "kept") };
    const asked = { ...OPTIONS, test: ["3"], extra };
    const first = await runGate(asked);
    const kept = readdirSync(extra.keep);
    // A teacher and a student that learn from all, and a pair without each of the two learners.
    expect(kept).toHaveLength(6);
    const again = await runGate(asked);
    expect(again.figures).toEqual(first.figures);
    const turned = await runGate({ ...asked, rotate: "x180" });
    expect(readdirSync(extra.keep)).toEqual(kept);
    expect(turned.figures.teacher).not.toEqual(first.figures.teacher);
  });

  it.each([
    [{ rotate: "w90" }, "bad-turn"],
    [{ dataset: "goats" }, "no-recordings"],
    [{ test: ["9"] }, "unknown-subject"],
    [{ extra: { target: "most" } }, "usage"],
  ])("refuses %j with a hint", async (changes, code) => {
    await expect(runGate({ ...OPTIONS, ...changes })).rejects.toMatchObject({ code });
  });
});

describe("bench points", () => {
  it("moves each node through the points that it is asked for, and checks the budget at each", async () => {
    const extra = { points: "30,5", windows: "120" };
    const { ok, figures, lines } = await runPoints({ ...OPTIONS, test: ["3"], extra });
    expect(ok).toBe(true);
    const { lives, points } = figures as {
      lives: number;
      points: { share: number; realised: number; settledAfter: number; overBudget: number }[];
    };
    expect(lives).toBe(1);
    expect(points.map(({ share }) => share)).toEqual([0.3, 0.05]);
    // A node that were not moved would offload the same share in both parts.
    expect(points[0]?.realised).toBeGreaterThan(2 * (points[1]?.realised ?? 1));
    for (const { settledAfter, overBudget } of points) {
      expect(settledAfter).toBeLessThanOrEqual(120);
      expect(overBudget).toBe(0);
    }
    expect(lines.join("\n")).toContain("30 %");
    await expect(runPoints({ ...OPTIONS, extra: { points: "10,10" } })).rejects.toMatchObject({
      code: "usage",
    });
  });

  it("finds the stretch that took most beyond its budget, wherever it lies", () => {
    const budget = { share: 0.25, tokens: 3 };
    const within = [1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 1];
    expect(stretchOf(Uint8Array.from(within), 0.25, budget).bucketsUsed).toBeCloseTo(0.75, 12);
    const burst = [0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0];
    expect(stretchOf(Uint8Array.from(burst), 0.25, budget).bucketsUsed).toBeCloseTo(1.25, 12);
    // Within a factor of .1 from the tenth window to the twelfth, then again from the last.
    const late = Uint8Array.from({ length: 20 }, (_, i) => Number(i === 9 || i === 19));
    expect(stretchOf(late, 0.1, budget)).toMatchObject({ offloads: 2, settledAfter: 19 });
  });
});

describe("bench calibration", () => {
  it("tells every claim of every exit, on windows that were not calibrated on", async () => {
    const { ok, figures, lines } = await runCalibration({ ...OPTIONS, test: ["3"] });
    expect(ok).toBe(true);
    const { exits } = figures as {
      exits: Record<string, { pooled: number; subjectMean: number; subjectWorst: number }>[];
    };
    expect(exits).toHaveLength(2);
    for (const exit of exits) {
      expect(Object.keys(exit)).toEqual([...CLAIMS]);
      for (const { pooled, subjectMean, subjectWorst } of Object.values(exit)) {
        expect(pooled).toBeGreaterThanOrEqual(0);
        expect(pooled).toBeLessThanOrEqual(1);
        // One subject: all together is that one.
        expect(subjectMean).toBeCloseTo(pooled, 12);
        expect(subjectWorst).toBeCloseTo(pooled, 12);
      }
      // The node's tables are the softmax to one part in four hundred.
      const away =
        (exit["float temperature"]?.pooled ?? 0) - (exit["int8 temperature"]?.pooled ?? 1);
      expect(Math.abs(away)).toBeLessThan(0.1);
    }
    expect(lines.join("\n")).toContain("exit 2, told");
  });

  it("turns collars for the test where it is asked to, as the gate's does", async () => {
    const asked = { ...OPTIONS, test: ["3"], extra: { keep: join(data, "kept") } };
    const upright = await runCalibration(asked);
    const turned = await runCalibration({ ...asked, rotate: "x180" });
    expect(turned.figures.exits).not.toEqual(upright.figures.exits);
  });
});

describe("bench drift", () => {
  it("gives delays for the natural turn and others, and false alarms with their bound", async () => {
    const chosen = { train: ["1", "2"], shift: ["3"], rotate: "x180" };
    const { ok, figures } = await runDrift({ ...OPTIONS, ...chosen });
    expect(ok).toBe(true);
    const { shifts, falseAlarmsPerNodeDay } = figures as {
      shifts: Record<string, { median: number; within60: number }>;
      falseAlarmsPerNodeDay: { mean: number; upperBySeed: number[] };
    };
    expect(Object.keys(shifts)).toEqual(["3", "natural", "x180"]);
    expect(shifts.x180?.median).toBeGreaterThanOrEqual(1);
    expect(shifts.x180?.within60).toBeGreaterThanOrEqual(0);
    expect(Number.isFinite(falseAlarmsPerNodeDay.mean)).toBe(true);
    expect(falseAlarmsPerNodeDay.upperBySeed).toHaveLength(1);
  });

  it("lets collars slip and sensors break, and counts what was wrong until the alarm", async () => {
    const { figures } = await runDrift({ ...OPTIONS, train: ["1", "2"], shift: ["3"] });
    const { shifts } = figures as {
      shifts: Record<string, { accuracyMeanwhile: number; lostWindows: number; p90: number }>;
    };
    expect(Object.keys(shifts)).toEqual(["3", "natural", "x90", "slip-x", "stuck-y"]);
    for (const { accuracyMeanwhile, lostWindows, p90 } of Object.values(shifts)) {
      expect(accuracyMeanwhile).toBeGreaterThanOrEqual(0);
      expect(accuracyMeanwhile).toBeLessThanOrEqual(1);
      expect(lostWindows).toBeLessThanOrEqual(1000);
      expect(p90).toBeLessThanOrEqual(1000);
    }
  });

  it("tells broken sensors and herds that change, and how often sound ones are called so", async () => {
    const chosen = { train: ["1", "2"], shift: ["3"], rotate: "rate-2" };
    const { figures, lines } = await runDrift({ ...OPTIONS, ...chosen });
    const { sensors, cohort } = figures as { sensors: SensorFigures; cohort: CohortFigures };
    expect(sensors.faults).toMatchObject([{ name: "rate-2", within60: 1, eitherWithin60: 1 }]);
    expect(sensors.falseFaults).toBe(0);
    expect(sensors.nodeDays).toBeGreaterThan(0);
    expect(cohort.changes.map(({ name, nodes }) => [name, nodes])).toEqual([
      ["natural", 6],
      ["natural", 12],
    ]);
    for (const { medianHours } of cohort.changes) {
      expect(medianHours).toBeGreaterThan(0);
      expect(medianHours).toBeLessThanOrEqual(24);
    }
    expect(lines.join("\n")).toContain("Sound sensors called broken: 0");
  });

  it("refuses recordings without subjects to train on", async () => {
    await expect(runDrift({ ...OPTIONS, dataset: "goats" })).rejects.toMatchObject({
      code: "no-recordings",
    });
  });
});
