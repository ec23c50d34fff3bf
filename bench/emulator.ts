/**
 * How good the emulator is: train on emulated, test on real, beside train on real, test on real.
 *
 * For each fold the emulator is fitted on the training subjects alone and makes as much signal as
 * they recorded; the same student with the same recipe is trained on either, and both are tested on
 * recordings of subjects that neither has seen. `realOnEmulated` is the student trained on recordings
 * asked about emulated signal of the same fit: low means that the emulator shows what no animal does.
 * `--variation` and `--amount` change how far emulated animals differ and how much of them there is.
 */

import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { openDataset } from "../recordings/open.ts";
import { EdgeError } from "../src/assert.ts";
import { metricsOf, predictedOf, softmaxRows, subjectAccuracy } from "../src/learn/metrics.ts";
import { predictStudent } from "../src/learn/predict.ts";
import { recipeAsked } from "../src/learn/recipes.ts";
import type { Runtime } from "../src/learn/runtime.ts";
import { trainStudent } from "../src/learn/train-student.ts";
import type { FloatStudent } from "../src/model/student-spec.ts";
import { emulateRecordings } from "../src/signal/emulate-recordings.ts";
import { fitEmulator } from "../src/signal/fit-emulator.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import type { Profile } from "../src/signal/profile.ts";
import { profileFor } from "../src/signal/profiles.ts";
import type { Recordings } from "../src/signal/recordings.ts";
import { foldsBySubject, subjectsOf } from "../src/signal/splits.ts";
import type { WindowSet } from "../src/signal/window-set.ts";
import { type BenchmarkOptions, type BenchmarkResult, table } from "./benchmark.ts";

const DEFAULT_SEEDS = 3;
const MOST_FOLDS = 6;

type Score = {
  readonly accuracy: number;
  readonly macroF1: number;
  readonly subjectMean: number;
  readonly subjectWorst: number;
};
type Trial = { readonly trtr: Score; readonly tstr: Score; readonly realOnEmulated: Score };
type Fold = { readonly train: readonly string[]; readonly test: readonly string[] };

export async function run(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const dataset = options.dataset ?? "cows";
  const recordings = await openDataset(dataset, options.data);
  const profile = profileFor(recordings);
  const folds = foldsOf(recordings, profile, options);
  const seeds = options.seeds ?? (options.quick ? 1 : DEFAULT_SEEDS);
  const trials: Trial[] = [];
  let parametersBytes = 0;
  for (const [index, fold] of folds.entries()) {
    const parameters = fitEmulator(recordings, profile, { subjects: fold.train });
    parametersBytes = Math.max(parametersBytes, JSON.stringify(parameters).length);
    const real = makeWindows(recordings, profile, fold.train);
    const test = makeWindows(recordings, profile, fold.test);
    const seconds = (real.count * profile.hopSamples) / profile.rateHz;
    const amount = positiveNumber(options, "amount") ?? 1;
    const secondsPerClass =
      (amount * seconds) / (parameters.individuals.length * profile.classes.length);
    for (let seed = 1; seed <= seeds; seed++) {
      if (options.signal.aborted) throw aborted();
      const done = (index * seeds + seed - 1) / (folds.length * seeds);
      options.progress(`${dataset}, fold ${index + 1} of ${folds.length}, seed ${seed}`, done);
      const emulated = makeWindows(
        emulateRecordings(parameters, profile, {
          seed,
          secondsPerClass,
          variation: positiveNumber(options, "variation") ?? 1,
        }),
        profile,
      );
      trials.push(await runTrial(profile, { real, emulated, test }, seed, options.quick));
    }
  }
  return report(dataset, folds.length, seeds, parametersBytes, trials);
}

async function runTrial(
  profile: Profile,
  sets: { readonly real: WindowSet; readonly emulated: WindowSet; readonly test: WindowSet },
  seed: number,
  quick: boolean,
): Promise<Trial> {
  const runtime = onnxRuntime();
  const onReal = await train(runtime, profile, sets.real, seed, quick);
  const onEmulated = await train(runtime, profile, sets.emulated, seed, quick);
  return {
    trtr: await scoreOf(runtime, profile, onReal, sets.test),
    tstr: await scoreOf(runtime, profile, onEmulated, sets.test),
    realOnEmulated: await scoreOf(runtime, profile, onReal, sets.emulated),
  };
}

function train(
  runtime: Runtime,
  profile: Profile,
  windows: WindowSet,
  seed: number,
  quick: boolean,
): Promise<FloatStudent> {
  const { student } = recipeAsked(profile, { quick });
  return trainStudent(runtime, {
    spec: student.spec,
    windows,
    inputMilligPerStep: profile.inputMilligPerStep,
    seed,
    objective: student.hard,
    options: student.options,
  });
}

async function scoreOf(
  runtime: Runtime,
  profile: Profile,
  student: FloatStudent,
  windows: WindowSet,
): Promise<Score> {
  const classes = profile.classes.length;
  const exits = await predictStudent(runtime, student, windows, profile.inputMilligPerStep);
  const probabilities = softmaxRows(exits.at(-1) ?? [], classes);
  const scored = { classes, probabilities, labels: windows.labels };
  const subjects = subjectAccuracy(windows.subjects, windows.labels, predictedOf(scored));
  const { accuracy, macroF1 } = metricsOf(scored);
  return { accuracy, macroF1, subjectMean: subjects.mean, subjectWorst: subjects.worst };
}

function foldsOf(
  recordings: Recordings,
  profile: Profile,
  options: BenchmarkOptions,
): readonly Fold[] {
  const known = subjectsOf(makeWindows(recordings, profile));
  if (options.test.length > 0) {
    const rest = known.filter((subject) => !options.test.includes(subject));
    return [{ train: options.train.length > 0 ? options.train : rest, test: options.test }];
  }
  const subjects = options.train.length > 0 ? options.train : known;
  const folds = foldsBySubject(subjects, { folds: Math.min(MOST_FOLDS, subjects.length), seed: 1 });
  return options.quick ? folds.slice(0, 1) : folds;
}

function report(
  dataset: string,
  folds: number,
  seeds: number,
  parametersBytes: number,
  trials: readonly Trial[],
): BenchmarkResult {
  const over = (kind: keyof Trial, key: keyof Score): number =>
    trials.reduce((sum, trial) => sum + trial[kind][key], 0) / trials.length;
  const scores = (kind: keyof Trial): Score => ({
    accuracy: over(kind, "accuracy"),
    macroF1: over(kind, "macroF1"),
    subjectMean: over(kind, "subjectMean"),
    subjectWorst: Math.min(...trials.map((trial) => trial[kind].subjectWorst)),
  });
  const trtr = scores("trtr");
  const tstr = scores("tstr");
  const realOnEmulated = scores("realOnEmulated");
  const row = (name: string, score: Score): string[] => [
    name,
    score.accuracy.toFixed(3),
    score.macroF1.toFixed(3),
    score.subjectMean.toFixed(3),
    score.subjectWorst.toFixed(3),
  ];
  const gap = trtr.accuracy - tstr.accuracy;
  return {
    ok: trials.length > 0,
    lines: [
      `${dataset}: ${folds} folds by subject, ${seeds} seeds; emulator fitted on training subjects`,
      "",
      ...table([
        ["trained on, tested on", "accuracy", "macro-F1", "subjects' mean", "worst"],
        row("real, real (TRTR)", trtr),
        row("emulated, real (TSTR)", tstr),
        row("real, emulated", realOnEmulated),
      ]),
      "",
      `Lost by training on emulated signal: ${(100 * gap).toFixed(1)} points of accuracy`,
      `Parameters: ${Math.ceil(parametersBytes / 1024)} KiB of JSON at most`,
    ],
    figures: { dataset, folds, seeds, trtr, tstr, realOnEmulated, gap, parametersBytes },
  };
}

function positiveNumber(options: BenchmarkOptions, name: string): number | undefined {
  const text = options.extra[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isFinite(value) && value >= 0) return value;
  throw new EdgeError({
    code: "usage",
    message: `--${name} ${text}`,
    where: "bench emulator",
    hint: "Give a number from 0 up.",
  });
}

function aborted(): EdgeError {
  return new EdgeError({
    code: "aborted",
    message: "was interrupted",
    where: "bench emulator",
    hint: "Run it again; with --quick it takes seconds.",
  });
}
