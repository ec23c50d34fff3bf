/** Trains, calibrates and measures for `bench -- gate` and `bellwether report offload`. */
import { availableParallelism } from "node:os";
import { requireDataset } from "../recordings/open.ts";
import { readRecordings } from "../recordings/read.ts";
import { EdgeError } from "../src/assert.ts";
import { hopMs, type Profile } from "../src/signal/profile.ts";
import { profileFor } from "../src/signal/profiles.ts";
import { holdOut } from "../src/signal/splits.ts";
import { parseTurn } from "../src/signal/turn.ts";
import type { BenchmarkOptions } from "./benchmark.ts";
import { type FrameBytes, frameBytes } from "./frame-bytes.ts";
import { curvesOf, type FoldCurves, type SubjectCurves } from "./gate-curves.ts";
import type { GateAnswers, GateJob } from "./gate-job.ts";
import type { NodeDay } from "./node-day.ts";
import { dealtFolds, knownSubjects, wholeOption } from "./subject-splits.ts";
import { runJobs } from "./worker-pool.ts";

const DEFAULT_SEEDS = 3;
/** One subject in so many of the training subjects calibrates. */
const CALIBRATION_PART = 6;

export type GateMeasurement = {
  readonly dataset: string;
  /** Models that were trained for this, by folds, or given as files. */
  readonly source: "trained" | "given";
  readonly student: "default" | "plain";
  /** How the tested subjects' collars were turned; null for as they were recorded. */
  readonly rotate: string | null;
  readonly targetShare: number;
  readonly folds: number;
  readonly seeds: number;
  readonly windowsPerNodeDay: number;
  readonly frameBytes: FrameBytes;
  /** Of the first model that was measured. */
  readonly day: NodeDay;
  /** `[subject][seed]`. */
  readonly bySubject: readonly (readonly SubjectCurves[])[];
  /** `[seed][fold]`. */
  readonly bySeed: readonly (readonly FoldCurves[])[];
};

/** Every fold with every seed, seed after seed. */
export async function gateJobs(options: BenchmarkOptions): Promise<{
  readonly dataset: string;
  readonly folder: string;
  readonly seeds: number;
  readonly folds: number;
  readonly targetShare: number;
  readonly jobs: readonly GateJob[];
}> {
  const dataset = options.dataset ?? "people";
  const folder = requireDataset(dataset, options.data);
  const splits = await gateSplits(folder, options);
  const seeds = options.seeds ?? (options.quick ? 1 : DEFAULT_SEEDS);
  const student = options.student ?? "default";
  const targetShare = numberOption(options, "target", 10) / 100;
  const { quick, rotate } = options;
  // Asked wrongly, it is better said before an hour of training.
  if (rotate !== undefined) parseTurn(rotate);
  const { keep } = options.extra;
  const jobs: GateJob[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    for (const split of splits) {
      jobs.push({ folder, ...split, seed, quick, student, targetShare, keep, rotate });
    }
  }
  return { dataset, folder, seeds, folds: splits.length, targetShare, jobs };
}

export function runGateJobs<Answers>(
  script: URL,
  jobs: readonly GateJob[],
  options: BenchmarkOptions,
): Promise<Answers[]> {
  return runJobs<GateJob, Answers>(script, jobs, {
    threads: numberOption(options, "threads", Math.min(2, availableParallelism())),
    signal: options.signal,
    onProgress: (share) => options.progress(`${jobs.length} trainings`, share),
  });
}

export async function measureGate(options: BenchmarkOptions): Promise<GateMeasurement> {
  const { dataset, folder, seeds, folds, targetShare, jobs } = await gateJobs(options);
  const script = new URL("./gate-worker.ts", import.meta.url);
  const answers = await runGateJobs<GateAnswers>(script, jobs, options);
  const curves = answers.map((answer, i) => curvesOf(answer, (jobs[i] as GateJob).seed));
  const bySeed = Array.from({ length: seeds }, (_, s) => curves.slice(s * folds, (s + 1) * folds));
  const profile = profileFor(await readRecordings(folder));
  const { day } = answers[0] as GateAnswers;
  const about = { dataset, options, targetShare, folds, profile, day };
  return measurementOf({ ...about, source: "trained" }, bySeed);
}

/** @param bySeed `[seed][fold]` */
export function measurementOf(
  about: {
    readonly dataset: string;
    readonly source: GateMeasurement["source"];
    readonly options: BenchmarkOptions;
    readonly targetShare: number;
    readonly folds: number;
    readonly profile: Profile;
    readonly day: NodeDay;
  },
  bySeed: readonly (readonly FoldCurves[])[],
): GateMeasurement {
  const { options, profile, dataset, source, targetShare, folds, day } = about;
  return {
    ...{ dataset, source, targetShare, folds, seeds: bySeed.length },
    student: options.student ?? "default",
    rotate: options.rotate ?? null,
    windowsPerNodeDay: 86_400_000 / hopMs(profile),
    frameBytes: frameBytes(profile),
    day,
    bySubject: bySubjectOf(bySeed),
    bySeed,
  };
}

function bySubjectOf(bySeed: readonly (readonly FoldCurves[])[]): readonly SubjectCurves[][] {
  const subjects = new Map<string, SubjectCurves[]>();
  for (const fold of bySeed.flat()) {
    for (const curves of fold.subjects) {
      const known = subjects.get(curves.subject);
      if (known === undefined) subjects.set(curves.subject, [curves]);
      else known.push(curves);
    }
  }
  return [...subjects.values()];
}

type Split = Pick<GateJob, "train" | "calibration" | "test">;

/** Each fold with subjects of its own for calibration. */
export async function gateSplits(
  folder: string,
  options: BenchmarkOptions,
): Promise<readonly Split[]> {
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

/** All folds, or the one that `--fold` names. */
export async function foldsAsked(
  folder: string,
  options: BenchmarkOptions,
): Promise<readonly Split[]> {
  const splits = await gateSplits(folder, options);
  const fold = wholeOption(options, "fold");
  if (fold === undefined) return splits;
  const one = splits[fold - 1];
  if (one !== undefined) return [one];
  throw new EdgeError({
    code: "usage",
    message: `--fold ${fold}`,
    where: "bench",
    hint: `There are ${splits.length} folds.`,
  });
}

/** Throws `EdgeError` `usage` for what is no number from 1 up. */
export function numberOption(options: BenchmarkOptions, name: string, otherwise: number): number {
  const text = options.extra[name];
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (Number.isFinite(value) && value >= 1) return value;
  throw new EdgeError({
    code: "usage",
    message: `--${name} ${text}`,
    where: "bench",
    hint: "Give a number from 1 up.",
  });
}
