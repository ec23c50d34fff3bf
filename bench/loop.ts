/**
 * The whole loop on real recordings: does a herd that meets collars which hang differently recover
 * by itself?
 *
 * For each seed a teacher and a student learn from some animals (`--train`). Then the real broker,
 * gateway, distiller and release path run, with one node per animal of `--shift`, which replays half
 * of that animal's bouts. No label of a person is used from there on, unless `--person` asks for it.
 * What the nodes run at the end is tested on the other bouts of the same animals, none of which was
 * ever offloaded or learned from. `--rotate x90` turns the shifted collars further: where the teacher
 * is lost as well, the loop must say so and release nothing.
 *
 * `--speed N` sets simulated seconds per real second. With `--person N` a person labels up to N
 * windows where the teacher is not trusted: those that the gateway's inbox asks about, in its order,
 * with what the recordings say of them. None is of a bout that is tested on.
 */

import { requireDataset } from "../recordings/open.ts";
import { readRecordings } from "../recordings/read.ts";
import { EdgeError } from "../src/assert.ts";
import type { Recordings } from "../src/signal/recordings.ts";
import { type BenchmarkOptions, type BenchmarkResult, median, table } from "./benchmark.ts";
import type { LoopRun, LoopRunJob } from "./loop-run.ts";
import type { Scores } from "./loop-scores.ts";
import { runJobs } from "./worker-pool.ts";

/** Cattle whose collars sit alike, and cattle whose collars sit otherwise. */
const CATTLE = { train: ["1217", "3321"], shift: ["1319", "6019", "6319"] };
/** Of other data sets: this share is trained on, and so many of the rest carry nodes. */
const TRAIN_SHARE = 2 / 3;
const SHIFT_MOST = 3;
const SEEDS = 5;
/** Two runs at a time: training uses one core, and the gateway and its herd little. */
const THREADS = 2;

export async function run(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const dataset = options.dataset ?? "cows";
  const folder = requireDataset(dataset, options.data);
  const seeds = options.quick ? 1 : (options.seeds ?? SEEDS);
  const { train, shift } = loopSubjects(await readRecordings(folder), options);
  const jobs: LoopRunJob[] = Array.from({ length: seeds }, (_, i) => ({
    folder,
    train,
    shift,
    rotate: options.rotate,
    student: options.student ?? "default",
    seed: i + 1,
    quick: options.quick,
    speed: Number(options.extra.speed ?? 60),
    person: Number(options.extra.person ?? 0),
  }));
  const runs = await runJobs<LoopRunJob, LoopRun>(
    new URL("./loop-worker.ts", import.meta.url),
    jobs,
    {
      threads: THREADS,
      signal: options.signal,
      onProgress: (share) => options.progress(`${seeds} seeds`, share),
    },
  );
  return summary(runs, jobs[0] as LoopRunJob);
}

/** What the options name; else the cattle above, else a part of whoever was recorded. */
export function loopSubjects(
  recordings: Recordings,
  options: BenchmarkOptions,
): { readonly train: readonly string[]; readonly shift: readonly string[] } {
  const known = new Set(recordings.subjects);
  const unknown = [...options.train, ...options.shift].find((subject) => !known.has(subject));
  if (unknown !== undefined) {
    throw new EdgeError({
      code: "unknown-subject",
      message: `nobody is called ${unknown} in ${recordings.name}`,
      where: "--train, --shift",
      hint: `Subjects with recordings: ${recordings.subjects.join(", ")}.`,
    });
  }
  if (options.train.length > 0 && options.shift.length > 0) return options;
  if (CATTLE.train.every((subject) => known.has(subject))) {
    const others = (taken: readonly string[], wanted: readonly string[]): readonly string[] =>
      wanted.filter((subject) => known.has(subject) && !taken.includes(subject));
    const train = options.train.length > 0 ? options.train : others(options.shift, CATTLE.train);
    return { train, shift: options.shift.length > 0 ? options.shift : others(train, CATTLE.shift) };
  }
  const count = Math.max(1, Math.floor(TRAIN_SHARE * recordings.subjects.length));
  const rest = recordings.subjects.filter((subject) => !options.shift.includes(subject));
  const train = options.train.length > 0 ? options.train : rest.slice(0, count);
  const shift = recordings.subjects.filter((subject) => !train.includes(subject));
  return { train, shift: options.shift.length > 0 ? options.shift : shift.slice(0, SHIFT_MOST) };
}

function summary(runs: readonly LoopRun[], job: LoopRunJob): BenchmarkResult {
  const alarms = runs.flatMap((run) => run.windowsToAlarm).filter((count) => count !== null);
  const nodes = runs.reduce((sum, run) => sum + run.windowsToAlarm.length, 0);
  const falseAlarms = runs.map((run) => run.falseAlarms);
  const figures = {
    student: job.student,
    train: job.train,
    shift: job.shift,
    rotate: job.rotate ?? null,
    seeds: runs.length,
    before: meanAndWorst(runs.map((run) => run.before)),
    after: meanAndWorst(runs.map((run) => run.after)),
    teacher: meanAndWorst(runs.map((run) => run.teacher)),
    anchorBefore: mean(runs.map((run) => run.anchorBefore)),
    anchorAfter: mean(runs.map((run) => run.anchorAfter)),
    anchorLostWorst: Math.max(...runs.map((run) => run.anchorBefore - run.anchorAfter)),
    offloadRatio: mean(runs.map((run) => run.offloadRatio)),
    offloadRatioWorst: Math.max(...runs.map((run) => run.offloadRatio)),
    softLabels: Math.max(...runs.map((run) => run.softLabels)),
    windowsToAlarm: {
      median: alarms.length === 0 ? null : median(alarms),
      worst: alarms.length === 0 ? null : Math.max(...alarms),
      nodesAlarmed: alarms.length,
      nodes,
    },
    falseAlarmsPerNodeDay: {
      mean: mean(falseAlarms.map((rate) => rate.perNodeDay)),
      upperBound: Math.max(...falseAlarms.map((rate) => rate.upperPerNodeDay)),
      boutsPerSeed: median(falseAlarms.map((rate) => rate.bouts)),
    },
    humanLabels: Math.max(...runs.map((run) => run.humanLabels)),
    releases: runs.reduce((sum, run) => sum + run.releases, 0),
    notTrusted: runs.filter((run) => run.notTrusted).length,
    perSeed: runs,
  };
  return { ok: runs.every((run) => run.problem === null), lines: report(runs), figures };
}

type MeanAndWorst = { readonly mean: number; readonly worst: number };

function meanAndWorst(scores: readonly Scores[]): Record<keyof Scores, MeanAndWorst> {
  const of = (key: keyof Scores): MeanAndWorst => {
    const values = scores.map((score) => score[key]);
    return { mean: mean(values), worst: Math.min(...values) };
  };
  return { accuracy: of("accuracy"), macroF1: of("macroF1"), boutAccuracy: of("boutAccuracy") };
}

function report(runs: readonly LoopRun[]): string[] {
  const points = (value: number): string => value.toFixed(3);
  const rows = runs.map((run, i) => [
    i + 1,
    points(run.before.accuracy),
    points(run.after.accuracy),
    points(run.after.macroF1),
    points(run.after.boutAccuracy),
    points(run.teacher.accuracy),
    `${points(run.anchorBefore)} > ${points(run.anchorAfter)}`,
    run.softLabels,
    `${(100 * run.offloadRatio).toFixed(1)} %`,
    run.windowsToAlarm.map((count) => count ?? "-").join(" "),
    run.releases,
    run.seconds,
  ]);
  const title = [
    "seed",
    "before",
    "after",
    "macro-F1",
    "bouts",
    "teacher",
    "anchor",
    "labels",
    "offload",
    "windows to alarm",
    "releases",
    "s",
  ];
  const notes = runs.flatMap((run, i) => [
    ...(run.notTrusted ? [`seed ${i + 1}: the teacher does not trust itself: ${run.note}`] : []),
    ...(run.problem === null ? [] : [`seed ${i + 1}: ${run.problem}`]),
  ]);
  return [...table([title, ...rows]), ...notes];
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
