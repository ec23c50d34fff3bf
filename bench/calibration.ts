/**
 * Whether confidence means what it says: the distance of claimed and true accuracy over 15 bins
 * (Guo et al., ICML 2017), of every exit, in floating point and in integers, before and after
 * calibration, on subjects that neither learning nor calibration has seen.
 *
 * Over all windows together, and per subject: the mean subject's is far larger, since no temperature
 * fits each of them. Options as of `bench -- gate`.
 */
import type { BenchmarkOptions, BenchmarkResult } from "./benchmark.ts";
import { table } from "./benchmark.ts";
import type { CalibrationAnswers, Claim } from "./calibration-job.ts";
import { CLAIMS } from "./calibration-job.ts";
import { gateJobs, runGateJobs } from "./gate-measure.ts";

const BINS = 15;

type ClaimError = {
  /** Over the windows of all folds of a seed together: mean over seeds, and the worst of them. */
  readonly pooled: number;
  readonly worstSeed: number;
  /** Mean and worst over subjects and seeds. */
  readonly subjectMean: number;
  readonly subjectWorst: number;
};

export async function run(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const { jobs, seeds, folds, dataset } = await gateJobs(options);
  const script = new URL("./calibration-worker.ts", import.meta.url);
  const answers = await runGateJobs<CalibrationAnswers>(script, jobs, options);
  const bySeed = Array.from({ length: seeds }, (_, s) => answers.slice(s * folds, (s + 1) * folds));
  const count = answers[0]?.exits.length ?? 0;
  const exits = Array.from({ length: count }, (_, exit) =>
    Object.fromEntries(CLAIMS.map((claim) => [claim, errorOf(bySeed, exit, claim)])),
  ) as Record<Claim, ClaimError>[];
  const temperatures = answers.map((answer) => answer.temperatures);
  const figures = { dataset, seeds, folds, exits, temperatures };
  return { ok: true, lines: linesOf(figures), figures };
}

function errorOf(
  bySeed: readonly (readonly CalibrationAnswers[])[],
  exit: number,
  claim: Claim,
): ClaimError {
  const pooled = bySeed.map((folds) => binned(folds.flatMap((fold) => pairsOf(fold, exit, claim))));
  const subjects = bySeed.flat().flatMap((fold) => {
    const pairs = pairsOf(fold, exit, claim);
    return [...new Set(fold.subjects)].map((subject) =>
      binned(pairs.filter((_, i) => fold.subjects[i] === subject)),
    );
  });
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  return {
    pooled: mean(pooled),
    worstSeed: Math.max(...pooled),
    subjectMean: mean(subjects),
    subjectWorst: Math.max(...subjects),
  };
}

type Pair = { readonly claimed: number; readonly right: number };

function pairsOf(fold: CalibrationAnswers, exit: number, claim: Claim): readonly Pair[] {
  const of = fold.exits[exit]?.[claim];
  return Array.from(of?.claimed ?? [], (claimed, i) => ({ claimed, right: of?.right[i] ?? 0 }));
}

/** Mean distance of claimed and true accuracy over bins of equal width, by their size. */
function binned(pairs: readonly Pair[]): number {
  const away = new Float64Array(BINS);
  for (const { claimed, right } of pairs) {
    const bin = Math.min(BINS - 1, Math.floor(claimed * BINS));
    away[bin] = (away[bin] as number) + claimed - right;
  }
  return away.reduce((sum, value) => sum + Math.abs(value), 0) / Math.max(1, pairs.length);
}

function linesOf(figures: {
  readonly dataset: string;
  readonly seeds: number;
  readonly folds: number;
  readonly exits: readonly Readonly<Record<Claim, ClaimError>>[];
}): string[] {
  const rows = figures.exits.flatMap((exit, k) =>
    CLAIMS.map((claim) => {
      const { pooled, worstSeed, subjectMean, subjectWorst } = exit[claim];
      const points = [pooled, worstSeed, subjectMean, subjectWorst];
      return [`exit ${k + 1}, ${claim}`, ...points.map((value) => (100 * value).toFixed(1))];
    }),
  );
  return [
    `${figures.dataset}: ${figures.folds} folds by subject, ${figures.seeds} seeds; expected ` +
      `calibration error over ${BINS} bins, points`,
    "",
    ...table([["claim", "pooled", "worst seed", "subjects' mean", "worst subject"], ...rows]),
  ];
}
