/**
 * What a node that is moved between operating points offloads, on subjects that neither teacher,
 * student nor calibration has seen.
 *
 * Folds, pairs and gates are those of `bench -- gate`; each subject is a node whose gate is the real
 * one, with its budget, rate control, audits, bursts and early exits, and verdicts that come before the
 * next window. It gets a message that moves it to 10 percent, after `--windows N` (2000) to 30, after as
 * many to 2, or as `--points A,B` says; its bouts come in an order drawn anew each time they are over.
 *
 * The budget is checked from outside, from which windows were offloaded: no run of windows at a point
 * may have offloaded more than the budget's share of them and a full bucket. `--folds N`,
 * `--threads N`, `--keep DIR`.
 */

import { EdgeError } from "../src/assert.ts";
import { OPERATING_SHARES } from "../src/gate/fit-points.ts";
import { type BenchmarkOptions, type BenchmarkResult, quantile, table } from "./benchmark.ts";
import type { GateAnswers } from "./gate-job.ts";
import { gateJobs, numberOption, runGateJobs } from "./gate-measure.ts";
import { type Life, livesOf, type Stretch, WITHIN } from "./points-life.ts";

const PERCENTS = [10, 30, 2];

export async function run(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const percents = percentsAsked(options);
  const windows = numberOption(options, "windows", options.quick ? 100 : 2000);
  const { dataset, seeds, folds, jobs } = await gateJobs(options);
  const operatingShares = [...new Set([...OPERATING_SHARES, ...percents.map((p) => p / 100)])];
  operatingShares.sort((a, b) => a - b);
  const asked = jobs.map((job) => ({ ...job, operatingShares }));
  const script = new URL("./gate-worker.ts", import.meta.url);
  const answers = await runGateJobs<GateAnswers>(script, asked, options);
  const shares = percents.map((percent) => percent / 100);
  const lives = answers.flatMap((answer, i) => {
    return livesOf(answer, shares, windows, (asked[i] as (typeof asked)[number]).seed);
  });
  const points = shares.map((share, part) => pointFigures(lives, share, part));
  const title = [
    ...["point", "offloaded", "5 % of runs", "95 %", `up to ${WITHIN}x`],
    ...["both ways", "settled after", "not settled", "fullest bucket", "over budget"],
  ];
  return {
    ok: points.every(({ overBudget }) => overBudget === 0),
    lines: [
      `${dataset}: ${lives.length} lives, ${folds} folds, ${seeds} seeds; moved to ` +
        `${percents.join(", ")} % for ${windows} windows each, shares in percent`,
      "",
      ...table([title, ...points.map(rowOf)]),
    ],
    figures: { dataset, folds, seeds, windows, lives: lives.length, points },
  };
}

type PointFigures = ReturnType<typeof pointFigures>;

function pointFigures(lives: readonly Life[], share: number, part: number) {
  const stretches = lives.map((life) => life.stretches[part] as Stretch);
  const shares = stretches.map(({ offloads, windows }) => offloads / windows);
  const sum = (of: (stretch: Stretch) => number): number =>
    stretches.reduce((total, stretch) => total + of(stretch), 0);
  const runsWhere = (holds: (realised: number) => boolean): number =>
    shares.filter(holds).length / shares.length;
  const settled = stretches.map(({ settledAfter }) => settledAfter);
  return {
    share,
    realised: sum(({ offloads }) => offloads) / sum(({ windows }) => windows),
    p5: quantile(shares, 0.05),
    p95: quantile(shares, 0.95),
    /** Of the runs, those that offloaded at most `WITHIN` times what is wanted; and at least one in so
     * many as well. */
    within: runsWhere((realised) => realised <= WITHIN * share),
    withinBoth: runsWhere((realised) => realised <= WITHIN * share && realised >= share / WITHIN),
    settledAfter: quantile(settled, 0.5),
    unsettled: stretches.filter((one) => one.settledAfter >= one.windows).length / stretches.length,
    bucketsUsed: Math.max(...stretches.map(({ bucketsUsed }) => bucketsUsed)),
    overBudget: stretches.filter(({ bucketsUsed }) => bucketsUsed > 1).length,
  };
}

function rowOf(point: PointFigures): string[] {
  const percent = (share: number, digits = 1): string => (100 * share).toFixed(digits);
  return [
    `${percent(point.share, 0)} %`,
    ...[point.realised, point.p5, point.p95].map((share) => percent(share)),
    ...[point.within, point.withinBoth].map((share) => percent(share, 0)),
    point.settledAfter.toFixed(0),
    percent(point.unsettled, 0),
    point.bucketsUsed.toFixed(2),
    String(point.overBudget),
  ];
}

function percentsAsked({ extra }: BenchmarkOptions): readonly number[] {
  if (extra.points === undefined) return PERCENTS;
  const percents = extra.points.split(",").map(Number);
  const known = percents.every((percent) => percent > 0 && percent <= 100);
  if (known && new Set(percents).size === percents.length && percents.length <= 8) return percents;
  throw new EdgeError({
    code: "usage",
    message: `--points ${extra.points}`,
    where: "bench points",
    hint: "Give up to eight different shares in percent, such as 10,30,2.",
  });
}
