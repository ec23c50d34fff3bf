/**
 * How soon a node knows that it is wrong: windows from a turn of the collar to the drift alarm.
 *
 * `--train` animals wear the collar one way, `--shift` animals (the natural turn) another; besides,
 * the training animals' own untouched bouts are turned about each axis (`--rotate` for one turn
 * only). Harm is told beside the delay: the student's accuracy after the turn. False alarms per
 * node-day come from a bootstrap over bouts that nothing was fitted on, with its 95th percentile.
 * Thresholds never see a tested window. `--threads N`.
 */
import { availableParallelism } from "node:os";
import { requireDataset } from "../recordings/open.ts";
import { EdgeError } from "../src/assert.ts";
import { type BenchmarkOptions, type BenchmarkResult, quantile, table } from "./benchmark.ts";
import { type DriftAnswers, type DriftJob, NO_ALARM, type ShiftAnswer } from "./drift-job.ts";
import { runJobs } from "./worker-pool.ts";

const DEFAULT_SEEDS = 5;
const AXES = ["x", "y", "z"] as const;
const DEGREES = [20, 45, 90, 180] as const;
/** An alarm within so many windows is in time. */
const IN_TIME_WINDOWS = 60;
/** A turn that costs the student this much accuracy does harm. */
const HARM = 0.05;

export async function run(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const dataset = options.dataset ?? "cows";
  const folder = requireDataset(dataset, options.data);
  const cows = dataset === "cows";
  const train = options.train.length > 0 ? options.train : cows ? ["1217", "3321"] : [];
  const shift = options.shift.length > 0 ? options.shift : cows ? ["1319", "6019", "6319"] : [];
  if (train.length === 0) {
    throw new EdgeError({
      code: "usage",
      message: "no subjects to train on",
      where: "bench drift",
      hint: "Give --train A,B and, for a natural turn, --shift C,D.",
    });
  }
  const all = AXES.flatMap((axis) => DEGREES.map((degrees) => `${axis}${degrees}`));
  const turns = options.rotate === undefined ? (options.quick ? ["x90"] : all) : [options.rotate];
  const student = options.student ?? "plain";
  const seeds = options.seeds ?? (options.quick ? 1 : DEFAULT_SEEDS);
  const { quick } = options;
  const jobs = Array.from(
    { length: seeds },
    (_, s): DriftJob => ({ folder, train, shift, turns, seed: s + 1, quick, student }),
  );
  const threads = Number(options.extra.threads ?? Math.min(2, availableParallelism()));
  const answers = await runJobs<DriftJob, DriftAnswers>(
    new URL("./drift-worker.ts", import.meta.url),
    jobs,
    {
      threads: Number.isInteger(threads) && threads >= 1 ? threads : 1,
      signal: options.signal,
      onProgress: (share) => options.progress(`${dataset}: ${seeds} trainings`, share),
    },
  );
  return report({ dataset, student, train, shift, seeds }, answers);
}

type ShiftFigures = {
  readonly studentAccuracy: number;
  readonly teacherAccuracy: number;
  readonly median: number;
  readonly p90: number;
  readonly within60: number;
};

function report(
  about: {
    readonly dataset: string;
    readonly student: string;
    readonly train: readonly string[];
    readonly shift: readonly string[];
    readonly seeds: number;
  },
  answers: readonly DriftAnswers[],
): BenchmarkResult {
  const names = answers[0]?.shifts.map((shift) => shift.name) ?? [];
  const shifts = Object.fromEntries(
    names.map((name, i) => [name, figuresOf(answers.map((a) => a.shifts[i] as ShiftAnswer))]),
  );
  const before = mean(answers.map((answer) => answer.unshifted.studentAccuracy));
  const rates = answers.map((answer) => answer.unshifted.falseAlarms);
  const harmful = answers.flatMap((answer) =>
    answer.shifts.filter(
      ({ name, studentAccuracy }) =>
        /^[xyz](90|180)$/.test(name) && studentAccuracy < answer.unshifted.studentAccuracy - HARM,
    ),
  );
  const figures = {
    ...about,
    studentBefore: before,
    natural: shifts.natural ?? null,
    shifts,
    harmfulTurnsWithin60:
      harmful.length === 0 ? null : mean(harmful.map((turn) => withinTime(turn.windowsToAlarm))),
    falseAlarmsPerNodeDay: {
      mean: mean(rates.map((rate) => rate.perNodeDay)),
      bySeed: rates.map((rate) => rate.perNodeDay),
      upperBySeed: rates.map((rate) => rate.upperPerNodeDay),
      bouts: rates.map((rate) => rate.bouts),
      windows: rates.map((rate) => rate.windows),
      onCalibrationBouts: answers.map((answer) => answer.calibrated?.upperPerNodeDay ?? null),
    },
    thresholds: answers.map((answer) => answer.thresholds),
  };
  const percent = (value: number): string => (100 * value).toFixed(1);
  const alarm = (windows: number): string =>
    windows >= NO_ALARM ? "none" : String(Math.round(windows));
  const rows = Object.entries(shifts).map(([name, shift]) => [
    name,
    percent(shift.studentAccuracy),
    percent(shift.teacherAccuracy),
    alarm(shift.median),
    alarm(shift.p90),
    percent(shift.within60),
  ]);
  const falseAlarms = figures.falseAlarmsPerNodeDay;
  const lines = [
    `${about.dataset}: ${about.student} student trained on ${about.train.join(", ")} ` +
      `(${percent(before)} % there), ${about.seeds} seeds`,
    "",
    ...table([
      ["turn", "student %", "teacher %", "windows to alarm", "90th", "within 60 %"],
      ...rows,
    ]),
    "",
    `Harmful turns of 90 degrees and more that were seen within ${IN_TIME_WINDOWS} windows: ` +
      (figures.harmfulTurnsWithin60 === null
        ? "none"
        : `${percent(figures.harmfulTurnsWithin60)} %`),
    `False alarms per node-day on untouched bouts: ${falseAlarms.mean.toFixed(1)} in the mean; ` +
      `95th percentiles by seed ${falseAlarms.upperBySeed.join(", ")} ` +
      `(${falseAlarms.bouts.join(", ")} bouts)`,
  ];
  return { ok: true, lines, figures };
}

function figuresOf(shifts: readonly ShiftAnswer[]): ShiftFigures {
  const windows = shifts.flatMap((shift) => shift.windowsToAlarm);
  return {
    studentAccuracy: mean(shifts.map((shift) => shift.studentAccuracy)),
    teacherAccuracy: mean(shifts.map((shift) => shift.teacherAccuracy)),
    median: quantile(windows, 0.5),
    p90: quantile(windows, 0.9),
    within60: withinTime(windows),
  };
}

function withinTime(windows: readonly number[]): number {
  return windows.filter((count) => count <= IN_TIME_WINDOWS).length / windows.length;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
