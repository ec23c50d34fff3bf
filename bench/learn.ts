/**
 * What is learned: teacher, student from labels, student from the teacher, and that in integers.
 *
 * Every subject is tested by models that never saw it: the subjects are dealt into folds, or
 * `--train` and `--test` name them. Figures are means over seeds, with the spread (standard deviation
 * over seeds) beside them. `--folds N` deals differently; `--threads N` uses fewer or more threads;
 * `--rate HERTZ` and `--window SECONDS` take another shape than the profile's;
 * `--family gru` trains GRU students instead of convolutional ones; `--quantize dynamic-fixed-point`,
 * `--weight-bits N` and `--fine-tune yes` put them into other integers.
 */
import { availableParallelism } from "node:os";
import { requireDataset } from "../recordings/open.ts";
import { readRecordings } from "../recordings/read.ts";
import { EdgeError } from "../src/assert.ts";
import { type Metrics, metricsOf, predictedOf, subjectAccuracy } from "../src/learn/metrics.ts";
import { planName, type QuantizationPlan } from "../src/learn/quantization-plan.ts";
import type { Profile } from "../src/signal/profile.ts";
import { profileFor } from "../src/signal/profiles.ts";
import { askedOverrides } from "./asked-profile.ts";
import { type BenchmarkOptions, type BenchmarkResult, table } from "./benchmark.ts";
import { type ClassFigures, classFigures, classTable } from "./class-table.ts";
import { type Answers, type LearnAnswers, type LearnJob, shippedObjective } from "./learn-job.ts";
import { subjectSplits, wholeOption } from "./subject-splits.ts";
import { runJobs } from "./worker-pool.ts";

/** Over all folds of one seed. Accuracies of subjects are means over a subject's windows. */
export type Figures = Metrics & {
  readonly subjectMean: number;
  readonly subjectWorst: number;
};

type Model = "teacher" | "hard" | "distilled" | "int8";
const MODELS: readonly Model[] = ["teacher", "hard", "distilled", "int8"];
const KEYS = ["accuracy", "macroF1", "mcc", "ece", "subjectMean", "subjectWorst"] as const;

const DEFAULT_SEEDS = 3;

export async function run(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const dataset = options.dataset ?? "people";
  const folder = requireDataset(dataset, options.data);
  const recordings = await readRecordings(folder);
  const overrides = askedOverrides(recordings, options);
  const profile = profileFor(recordings, overrides);
  const splits = await subjectSplits(folder, options);
  const seeds = options.seeds ?? (options.quick ? 1 : DEFAULT_SEEDS);
  const student = options.student ?? "default";
  const family = choiceOption(options, "family", ["cnn", "gru"]);
  const plan = planOption(options);
  const jobs: LearnJob[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    for (const split of splits)
      jobs.push({ folder, ...split, seed, quick: options.quick, student, family, plan, overrides });
  }
  const answers = await runJobs<LearnJob, LearnAnswers>(
    new URL("./learn-worker.ts", import.meta.url),
    jobs,
    {
      threads: wholeOption(options, "threads") ?? Math.min(2, availableParallelism()),
      signal: options.signal,
      onProgress: (share) => options.progress(`${dataset}: ${jobs.length} trainings`, share),
    },
  );
  const bySeed = Array.from({ length: seeds }, (_, s) =>
    answers.slice(s * splits.length, (s + 1) * splits.length),
  );
  return report(dataset, profile, plan, splits.length, bySeed);
}

function report(
  dataset: string,
  profile: Profile,
  plan: QuantizationPlan,
  folds: number,
  bySeed: readonly (readonly LearnAnswers[])[],
): BenchmarkResult {
  const objective = shippedObjective(profile);
  const summaries = Object.fromEntries(
    MODELS.map((model) => [model, summaryOf(bySeed, model)]),
  ) as Record<Model, Summary>;
  const gains = bySeed.map(
    (parts) => lastExit(parts, "distilled").subjectMean - lastExit(parts, "hard").subjectMean,
  );
  const losses = bySeed.map(
    (parts) => lastExit(parts, objective).accuracy - lastExit(parts, "int8").accuracy,
  );
  const f1Losses = bySeed.map(
    (parts) => lastExit(parts, objective).macroF1 - lastExit(parts, "int8").macroF1,
  );
  const { teacher, ...student } = summaries;
  const figures = {
    dataset,
    folds,
    seeds: bySeed.length,
    teacher,
    student,
    shipped: objective,
    plan,
    distillationGain: { mean: mean(gains), spread: spread(gains), bySeed: gains },
    int8Loss: { accuracy: mean(losses), macroF1: mean(f1Losses) },
    byClass: {
      teacher: classFiguresOf(profile.classes, bySeed, "teacher"),
      student: classFiguresOf(profile.classes, bySeed, "int8"),
    },
  };
  return { ok: true, lines: linesOf(dataset, folds, bySeed.length, figures), figures };
}

type Summary = Figures & {
  readonly spread: Figures;
  readonly exits: readonly (Figures & { readonly spread: Figures })[];
};

/** The last exit's figures, and those of every exit. */
function summaryOf(bySeed: readonly (readonly LearnAnswers[])[], model: Model): Summary {
  const count = bySeed[0]?.[0]?.[model].length ?? 0;
  const exits = Array.from({ length: count }, (_, exit) => {
    const each = bySeed.map((parts) => figuresOf(parts, (part) => part[model][exit]));
    const over = (take: (values: readonly number[]) => number): Figures =>
      Object.fromEntries(KEYS.map((key) => [key, take(each.map((f) => f[key]))])) as Figures;
    return { ...over(mean), spread: over(spread) };
  });
  return { ...(exits.at(-1) as Figures & { spread: Figures }), exits };
}

/** Over all seeds and folds, of the last exit. */
function classFiguresOf(
  classes: readonly string[],
  bySeed: readonly (readonly LearnAnswers[])[],
  model: Model,
): readonly ClassFigures[] {
  const parts = bySeed.flat();
  const probabilities = Float32Array.from(parts.flatMap((part) => [...(part[model].at(-1) ?? [])]));
  const labels = parts.flatMap((part) => [...part.labels]);
  return classFigures(classes, labels, predictedOf({ classes: classes.length, probabilities }));
}

function lastExit(parts: readonly LearnAnswers[], model: Model): Figures {
  return figuresOf(parts, (part) => (part[model] as Answers).at(-1));
}

/** All folds of a seed as one test. */
function figuresOf(
  parts: readonly LearnAnswers[],
  take: (part: LearnAnswers) => Float32Array | undefined,
): Figures {
  const classes = parts[0]?.classes ?? 0;
  const probabilities = Float32Array.from(parts.flatMap((part) => [...(take(part) ?? [])]));
  const labels = parts.flatMap((part) => [...part.labels]);
  const subjects = parts.flatMap((part) => part.subjects);
  const scored = { classes, probabilities, labels };
  const bySubject = subjectAccuracy(subjects, labels, predictedOf(scored));
  return {
    ...metricsOf(scored),
    subjectMean: bySubject.mean,
    subjectWorst: bySubject.worst,
  };
}

function linesOf(
  dataset: string,
  folds: number,
  seeds: number,
  figures: {
    teacher: Summary;
    student: Record<Exclude<Model, "teacher">, Summary>;
    shipped: string;
    plan: QuantizationPlan;
    distillationGain: { mean: number; spread: number };
    int8Loss: { accuracy: number; macroF1: number };
    byClass: Record<"teacher" | "student", readonly ClassFigures[]>;
  },
): string[] {
  const row = (name: string, one: Figures, other: Figures): (string | number)[] => [
    name,
    ...KEYS.map((key) => `${one[key].toFixed(3)} ±${other[key].toFixed(3)}`),
  ];
  const rows = [["", "accuracy", "macro-F1", "MCC", "ECE", "subjects' mean", "worst"]];
  const models: [string, Summary][] = [
    ["teacher", figures.teacher],
    ["student, labels", figures.student.hard],
    ["student, distilled", figures.student.distilled],
    [`${planName(figures.plan)} of ${figures.shipped}`, figures.student.int8],
  ];
  const body = models.flatMap(([name, summary]) =>
    summary.exits.map((exit, i) =>
      row(summary.exits.length > 1 ? `${name}, exit ${i + 1}` : name, exit, exit.spread),
    ),
  );
  const { distillationGain: gain, int8Loss: loss } = figures;
  const points = (value: number): string => (100 * value).toFixed(1);
  return [
    `${dataset}: ${folds} fold${folds === 1 ? "" : "s"} by subject, ${seeds} seed${seeds === 1 ? "" : "s"}`,
    "",
    ...table([...rows, ...body]),
    "",
    `Distillation over labels, subjects' mean: ${points(gain.mean)} ± ${points(gain.spread)} points`,
    `Lost to ${planName(figures.plan)}: ${points(loss.accuracy)} points of accuracy, ${points(loss.macroF1)} of macro-F1`,
    "",
    `Each class, ${planName(figures.plan)} of ${figures.shipped}:`,
    "",
    ...classTable(figures.byClass.student, figures.byClass.teacher),
  ];
}

function planOption(options: BenchmarkOptions): QuantizationPlan {
  return {
    scheme: choiceOption(options, "quantize", ["int8", "dynamic-fixed-point"]),
    weightBits: Number(choiceOption(options, "weight-bits", ["8", "7", "6", "5", "4", "3", "2"])),
    fineTune: choiceOption(options, "fine-tune", ["no", "yes"]) === "yes",
  };
}

/** One of the words; the first where the option is not given. */
function choiceOption<Word extends string>(
  options: BenchmarkOptions,
  name: string,
  words: readonly [Word, ...Word[]],
): Word {
  const text = options.extra[name] ?? words[0];
  const found = words.find((word) => word === text);
  if (found !== undefined) return found;
  throw new EdgeError({
    code: "usage",
    message: `--${name} ${text}`,
    where: "bench learn",
    hint: `Write one of ${words.join(", ")}.`,
  });
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

/** Standard deviation over seeds; 0 for one seed. */
function spread(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const centre = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1));
}
