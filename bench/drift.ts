/**
 * How soon a node knows that it is wrong: windows from a change of the collar to the drift alarm.
 *
 * `--train` animals wear the collar one way; each of the `--shift` animals is a new one whose collar
 * sits otherwise, and all together are the natural turn. Besides, the training animals' own
 * untouched bouts are turned about each axis, slip (five degrees more with each bout, up to 90),
 * rattle (white noise), stick on one axis, and are sampled at another rate: `drift-shifts.ts`;
 * `--rotate` for one of these only. Harm is told beside the delay: the student's accuracy after the
 * shift, and the windows that it had wrong beyond its usual share before the alarm came. A shift is
 * harmful from five points of accuracy on. False alarms per node-day come from a bootstrap over
 * bouts that nothing was fitted on, with its 95th percentile. Thresholds never see a tested window.
 *
 * Of faults also: how soon the gateway says that the sensor is broken, by what the whole gate offloads
 * and when windows end. And of a herd of twelve, of which half or all change at once: how soon the
 * gateway says that the cohort has, how many nodes' own alarms had been up by then, and how often it
 * says so of calm herds (`drift-cohort.ts`). `--false-alarms N` a node-day for calibration to aim at
 * instead of its default; `--threads N`, `--keep DIR`.
 */
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { requireDataset } from "../recordings/open.ts";
import { EdgeError } from "../src/assert.ts";
import { type BenchmarkOptions, type BenchmarkResult, quantile, table } from "./benchmark.ts";
import type { DriftAnswers, DriftJob, ShiftAnswer } from "./drift-job.ts";
import { FAULTS, SLIPS, TURNS } from "./drift-shifts.ts";
import { type Delay, NO_ALARM } from "./drift-streams.ts";
import { cohortFigures, cohortLines, sensorFigures, sensorLines } from "./drift-tables.ts";
import { runJobs } from "./worker-pool.ts";

const DEFAULT_SEEDS = 5;
/** An alarm within so many windows is in time. */
const IN_TIME_WINDOWS = 60;
/** A shift that costs the student this much accuracy does harm. */
const HARM = 0.05;

const TITLES = [
  "shift",
  "student %",
  "teacher %",
  "windows to alarm",
  "90th",
  "within 60 %",
  "meanwhile %",
  "lost windows",
];

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
  const all = options.quick ? ["x90", "slip-x", "stuck-y"] : [...TURNS, ...SLIPS, ...FAULTS];
  const broken = options.rotate === undefined ? all : [options.rotate];
  const keep = options.extra.keep === undefined ? undefined : resolve(options.extra.keep);
  const student = options.student ?? "plain";
  const asked = options.extra["false-alarms"];
  const falseAlarms = asked === undefined ? undefined : Number(asked);
  if (falseAlarms !== undefined && !(falseAlarms > 0)) {
    throw new EdgeError({
      code: "usage",
      message: `--false-alarms ${asked}`,
      where: "bench drift",
      hint: "Give a number of alarms per node-day above 0.",
    });
  }
  const seeds = options.seeds ?? (options.quick ? 1 : DEFAULT_SEEDS);
  const { quick } = options;
  const jobs = Array.from({ length: seeds }, (_, s): DriftJob => {
    const what = { folder, train, shift, broken, falseAlarms };
    return { ...what, seed: s + 1, quick, student, keep };
  });
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
  /** Of the windows until the alarm, and how many of these were wrong beyond the usual share. */
  readonly accuracyMeanwhile: number;
  readonly lostWindows: number;
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
  const shifts = Object.fromEntries(names.map((name, i) => [name, figuresOf(answers, i)]));
  const before = mean(answers.map((answer) => answer.unshifted.studentAccuracy));
  const rates = answers.map((answer) => answer.unshifted.falseAlarms);
  const seen = (which: (name: string) => boolean): number | null => {
    const harmful = answers.flatMap(({ shifts: all, unshifted }) =>
      all.filter(
        (one) => which(one.name) && one.studentAccuracy < unshifted.studentAccuracy - HARM,
      ),
    );
    return harmful.length === 0 ? null : mean(harmful.map(({ delays }) => withinTime(delays)));
  };
  const figures = {
    ...about,
    studentBefore: before,
    natural: shifts.natural ?? null,
    shifts,
    harmfulTurnsWithin60: seen((name) => /^[xyz](90|180)$/.test(name)),
    sensors: sensorFigures(answers),
    cohort: cohortFigures(answers),
    harmfulFaultsWithin60: seen((name) => FAULTS.includes(name)),
    harmfulSlipsWithin60: seen((name) => SLIPS.includes(name)),
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
    percent(shift.accuracyMeanwhile),
    shift.lostWindows.toFixed(1),
  ]);
  const lines = [
    `${about.dataset}: ${about.student} student trained on ${about.train.join(", ")} ` +
      `(${percent(before)} % there), ${about.seeds} seeds`,
    "",
    ...table([TITLES, ...rows]),
    "",
    ...seenLines(figures),
    ...sensorLines(figures.sensors),
    ...cohortLines(figures.cohort),
  ];
  return { ok: true, lines, figures };
}

function seenLines(figures: {
  readonly harmfulTurnsWithin60: number | null;
  readonly harmfulFaultsWithin60: number | null;
  readonly harmfulSlipsWithin60: number | null;
  readonly falseAlarmsPerNodeDay: {
    readonly mean: number;
    readonly upperBySeed: readonly number[];
    readonly bouts: readonly number[];
  };
}): string[] {
  const falseAlarms = figures.falseAlarmsPerNodeDay;
  return [
    `Harmful (${100 * HARM} points or more), seen within ${IN_TIME_WINDOWS} windows: turns of 90 ` +
      `degrees and more ${shareText(figures.harmfulTurnsWithin60)}, faults ` +
      `${shareText(figures.harmfulFaultsWithin60)}, slips ${shareText(figures.harmfulSlipsWithin60)}`,
    `False alarms per node-day on untouched bouts: ${falseAlarms.mean.toFixed(1)} in the mean; ` +
      `95th percentiles by seed ${falseAlarms.upperBySeed.join(", ")} ` +
      `(${falseAlarms.bouts.join(", ")} bouts)`,
  ];
}

function figuresOf(answers: readonly DriftAnswers[], index: number): ShiftFigures {
  const shifts = answers.map((answer) => answer.shifts[index] as ShiftAnswer);
  const delays = shifts.flatMap((shift) => shift.delays);
  const windows = delays.map((delay) => delay.windows);
  const heard = windows.reduce((sum, count) => sum + count, 0);
  const wrong = delays.reduce((sum, delay) => sum + delay.wrong, 0);
  const lost = answers.flatMap(({ unshifted, shifts: all }) =>
    (all[index] as ShiftAnswer).delays.map(
      (delay) => delay.wrong - (1 - unshifted.studentAccuracy) * delay.windows,
    ),
  );
  return {
    studentAccuracy: mean(shifts.map((shift) => shift.studentAccuracy)),
    teacherAccuracy: mean(shifts.map((shift) => shift.teacherAccuracy)),
    median: quantile(windows, 0.5),
    p90: quantile(windows, 0.9),
    within60: withinTime(delays),
    accuracyMeanwhile: 1 - wrong / heard,
    lostWindows: mean(lost),
  };
}

function withinTime(delays: readonly Delay[]): number {
  return delays.filter(({ windows }) => windows <= IN_TIME_WINDOWS).length / delays.length;
}

function shareText(share: number | null): string {
  return share === null ? "none" : `${(100 * share).toFixed(1)} %`;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
