/**
 * What offloading buys: accuracy against the share of windows that the teacher answers.
 *
 * Our gate beside other filters at equal offload, on subjects that neither teacher nor student nor
 * calibration has seen. Folds by subject, or `--train` and `--test`. Each filter ranks the windows
 * of a fold; the share with the lowest scores is answered by the teacher. Below that, the real gate
 * run over each subject as a node: what it offloaded for a target of `--target` (10) percent.
 * Figures are means over seeds with their standard deviation. `--folds N`, `--threads N`.
 */
import { availableParallelism } from "node:os";
import { requireDataset } from "../recordings/open.ts";
import { EdgeError } from "../src/assert.ts";
import { holdOut } from "../src/signal/splits.ts";
import { type BenchmarkOptions, type BenchmarkResult, quantile, table } from "./benchmark.ts";
import { curvesOf, FILTERS, type FoldCurves, PARTS, SHARES } from "./gate-curves.ts";
import type { GateAnswers, GateJob } from "./gate-job.ts";
import { dealtFolds, knownSubjects } from "./subject-splits.ts";
import { runJobs } from "./worker-pool.ts";

const DEFAULT_SEEDS = 3;
/** One subject in so many of the training subjects calibrates. */
const CALIBRATION_PART = 6;

export async function run(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const dataset = options.dataset ?? "people";
  const folder = requireDataset(dataset, options.data);
  const splits = await splitsOf(folder, options);
  const seeds = options.seeds ?? (options.quick ? 1 : DEFAULT_SEEDS);
  const student = options.student ?? "default";
  const targetShare = numberOption(options, "target", 10) / 100;
  const jobs: GateJob[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    for (const split of splits) {
      const keep = options.extra.keep;
      jobs.push({ folder, ...split, seed, quick: options.quick, student, targetShare, keep });
    }
  }
  const answers = await runJobs<GateJob, GateAnswers>(
    new URL("./gate-worker.ts", import.meta.url),
    jobs,
    {
      threads: numberOption(options, "threads", Math.min(2, availableParallelism())),
      signal: options.signal,
      onProgress: (share) => options.progress(`${dataset}: ${jobs.length} trainings`, share),
    },
  );
  const curves = answers.map((answer, i) => curvesOf(answer, (jobs[i] as GateJob).seed));
  const bySeed = Array.from({ length: seeds }, (_, s) =>
    curves.slice(s * splits.length, (s + 1) * splits.length),
  );
  return report({ dataset, student, targetShare, folds: splits.length }, bySeed);
}

type Split = Pick<GateJob, "train" | "calibration" | "test">;

async function splitsOf(folder: string, options: BenchmarkOptions): Promise<readonly Split[]> {
  const known = await knownSubjects(folder, options);
  if (options.test.length > 0 || options.quick) {
    const test = options.test.length > 0 ? options.test : known.slice(0, 1);
    const given = options.train.length > 0 ? options.train : known;
    const rest = given.filter((subject) => !test.includes(subject));
    const held = Math.max(1, Math.floor(rest.length / CALIBRATION_PART));
    const { train, validation } = holdOut(rest, held, 1);
    return [{ train, calibration: validation, test }];
  }
  return dealtFolds(known, options, CALIBRATION_PART).map(({ train, validation, test }) => ({
    train,
    calibration: validation,
    test,
  }));
}

type About = {
  readonly dataset: string;
  readonly student: string;
  readonly targetShare: number;
  readonly folds: number;
};

function report(about: About, bySeed: readonly (readonly FoldCurves[])[]): BenchmarkResult {
  const over = (take: (fold: FoldCurves) => number): MeanAndSpread =>
    meanAndSpread(bySeed.map((folds) => weightedMean(folds, take)));
  const teacher = over((fold) => fold.teacher);
  const at = Object.fromEntries(
    SHARES.map((share, i) => [
      String(share),
      Object.fromEntries(
        FILTERS.map((filter) => [filter, over((fold) => fold.at[filter][i] as number)]),
      ) as Record<(typeof FILTERS)[number], MeanAndSpread>,
    ]),
  );
  const subjects = bySeed.flat().flatMap((fold) => fold.deployed.shareBySubject);
  const ten = SHARES.indexOf(10);
  const recovered = meanAndSpread(
    bySeed.map((folds) => {
      const value = (filter: (typeof FILTERS)[number], i: number): number =>
        weightedMean(folds, (fold) => fold.at[filter][i] as number);
      return (value("ours", ten) - value("ours", 0)) / (value("oracle", ten) - value("oracle", 0));
    }),
  );
  const deployed = {
    targetShare: about.targetShare,
    share: over((fold) => fold.deployed.share),
    accuracy: over((fold) => fold.deployed.accuracy),
    calibrationError: over((fold) => fold.deployed.calibrationError),
    firstExitShare: over((fold) => fold.deployed.firstExitShare),
    shareBySubject: { p5: quantile(subjects, 0.05), p95: quantile(subjects, 0.95) },
    withinQuarterMore:
      subjects.filter((share) => share <= 1.25 * about.targetShare).length / subjects.length,
  };
  const worth = Object.fromEntries(PARTS.map((part) => [part, over((fold) => fold.worth[part])]));
  const seeds = bySeed.length;
  const figures = { ...about, seeds, teacher, at, recovered, worth, deployed };
  return { ok: true, lines: linesOf(figures), figures };
}

type MeanAndSpread = { readonly mean: number; readonly spread: number };

function linesOf(figures: {
  readonly dataset: string;
  readonly student: string;
  readonly folds: number;
  readonly seeds: number;
  readonly teacher: MeanAndSpread;
  readonly at: Readonly<Record<string, Readonly<Record<(typeof FILTERS)[number], MeanAndSpread>>>>;
  readonly recovered: MeanAndSpread;
  readonly worth: Readonly<Record<string, MeanAndSpread>>;
  readonly deployed: {
    readonly targetShare: number;
    readonly share: MeanAndSpread;
    readonly accuracy: MeanAndSpread;
    readonly calibrationError: MeanAndSpread;
    readonly firstExitShare: MeanAndSpread;
    readonly shareBySubject: { readonly p5: number; readonly p95: number };
  };
}): string[] {
  const percent = ({ mean, spread }: MeanAndSpread): string =>
    `${(100 * mean).toFixed(2)} ±${(100 * spread).toFixed(2)}`;
  const rows = Object.entries(figures.at).map(([share, filters]) => [
    `${share} %`,
    ...FILTERS.map((filter) => percent(filters[filter])),
  ]);
  const { deployed } = figures;
  return [
    `${figures.dataset}: ${figures.folds} folds by subject, ${figures.seeds} seeds, ` +
      `${figures.student} student; accuracy in percent by share offloaded`,
    "",
    ...table([["offload", ...FILTERS], ...rows]),
    "",
    `Teacher alone ${percent(figures.teacher)}. Of the way from student to oracle at 10 %: ` +
      `${percent(figures.recovered)} %`,
    `What makes ours, at 10 %: ${Object.entries(figures.worth)
      .map(([part, value]) => `${part} ${percent(value)}`)
      .join(", ")}`,
    `The gate at work, target ${(100 * deployed.targetShare).toFixed(0)} %: offloaded ` +
      `${percent(deployed.share)} % (subjects ${(100 * deployed.shareBySubject.p5).toFixed(1)} to ` +
      `${(100 * deployed.shareBySubject.p95).toFixed(1)}), accuracy ${percent(deployed.accuracy)}, ` +
      `${percent(deployed.firstExitShare)} % answered by the first exit, confidence off by ` +
      `${percent(deployed.calibrationError)} points`,
  ];
}

/** Over the folds of one seed, each by its windows. */
function weightedMean(folds: readonly FoldCurves[], take: (fold: FoldCurves) => number): number {
  const windows = folds.reduce((sum, fold) => sum + fold.windows, 0);
  return folds.reduce((sum, fold) => sum + fold.windows * take(fold), 0) / windows;
}

function meanAndSpread(values: readonly number[]): MeanAndSpread {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, spread: values.length < 2 ? 0 : Math.sqrt(squares / (values.length - 1)) };
}

function numberOption(options: BenchmarkOptions, name: string, otherwise: number): number {
  const text = options.extra[name];
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (Number.isFinite(value) && value >= 1) return value;
  throw new EdgeError({
    code: "usage",
    message: `--${name} ${text}`,
    where: "bench gate",
    hint: "Give a number from 1 up.",
  });
}
