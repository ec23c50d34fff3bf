/**
 * One fold and one seed of the gate's benchmarks: a teacher, a student distilled from it,
 * quantized, and a gate calibrated on subjects that neither learned from and that are not tested
 * either.
 */
import { readRecordings } from "../recordings/read.ts";
import { randomBoutOrder } from "../src/gate/bout-order.ts";
import { type Calibration, type CalibrationRequest, calibrateGate } from "../src/gate/calibrate.ts";
import { type ExitRecords, recordExits } from "../src/gate/exit-records.ts";
import { recipeAsked } from "../src/learn/recipes.ts";
import { encodeContainer } from "../src/model/container.ts";
import { prng } from "../src/prng.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import { hopMs, type Profile } from "../src/signal/profile.ts";
import { profileFor } from "../src/signal/profiles.ts";
import { parseTurn, turnRecordings } from "../src/signal/turn.ts";
import { pickWindows, type WindowSet } from "../src/signal/window-set.ts";
import { type CrossFitted, crossFit } from "./cross-fit.ts";
import { type NodeDay, nodeDayOf } from "./node-day.ts";
import { type TrainedStudent, trainedStudent } from "./trained-student.ts";

/** What a training depends on beside its windows. */
export type TrainingJob = {
  readonly seed: number;
  readonly quick: boolean;
  readonly student: "default" | "plain";
  /** Trained pairs are kept in this folder and taken from there. */
  readonly keep?: string | undefined;
};

export type GateJob = TrainingJob & {
  readonly folder: string;
  readonly train: readonly string[];
  readonly calibration: readonly string[];
  readonly test: readonly string[];
  /** A turn of the tested subjects' collars. */
  readonly rotate?: string | undefined;
  /** Share of windows that the calibrated gate aims to offload. */
  readonly targetShare: number;
  /** Shares of windows for which the gate is given operating points. */
  readonly operatingShares?: readonly number[];
  /** False where the gate is fitted on the calibrating subjects alone, which spares the trainings of
   * the rehearsal. */
  readonly rehearse?: boolean;
};

export type GateAnswers = {
  readonly calibration: Pick<Calibration, "parameters">;
  readonly records: ExitRecords;
  /** Class probabilities `[window][class]`. */
  readonly teacher: Float32Array;
  readonly test: WindowSet;
  readonly day: NodeDay;
};

/** A student whose gate is still to be calibrated, and the windows that it is tested on. */
export type Uncalibrated = {
  readonly profile: Profile;
  readonly trained: TrainedStudent;
  readonly request: CalibrationRequest;
  /** Null where there is one subject only to learn from. */
  readonly rehearsal: CrossFitted | null;
  /** Each subject's bouts in an order that a node could have met. */
  readonly test: WindowSet;
};

export async function runGateJob(
  job: GateJob,
  onProgress: (share: number) => void,
): Promise<GateAnswers> {
  const { trained, request, test } = await prepareGateJob(job, onProgress);
  const { augmentation } = trained.recipe.student.options;
  const { container } = trained.loaded;
  const answers = {
    calibration: calibrateGate({ ...request, augmentation }),
    records: recordExits(trained.loaded, test),
    teacher: await trained.teach(test),
    test,
    day: nodeDayOf(container, encodeContainer(container).length, test.labels),
  };
  await trained.release();
  return answers;
}

/** Trains, and has calibration's windows answered by pairs that did not learn from them: all that
 * may be learned from. */
export async function prepareGateJob(
  job: GateJob,
  onProgress: (share: number) => void,
): Promise<Uncalibrated> {
  const { folder, rotate, seed, keep, operatingShares } = job;
  const recordings = await readRecordings(folder);
  const profile = profileFor(recordings);
  const train = makeWindows(recordings, profile, job.train);
  const worn =
    rotate === undefined ? recordings : turnRecordings(recordings, parseTurn(rotate), job.test);
  const recorded = makeWindows(worn, profile, job.test);
  const trained = await trainBoth(profile, train, job, (share) => onProgress(0.25 * share));
  const rehearsal =
    job.rehearse === false
      ? null
      : await crossFit({
          ...{ profile, recipe: trained.recipe, seed, keep },
          windows: makeWindows(recordings, profile, [...job.train, ...job.calibration]),
          onProgress: (share) => onProgress(0.25 + 0.75 * share),
        });
  return {
    profile,
    trained,
    rehearsal,
    request: {
      student: trained.loaded,
      trained: train,
      held: makeWindows(recordings, profile, job.calibration),
      ...(rehearsal !== null && { rehearsal }),
      target: { kind: "offload-share", share: job.targetShare },
      ...(operatingShares && { operatingShares }),
      windowsPerNodeDay: 86_400_000 / hopMs(profile),
      seed,
    },
    test: pickWindows(recorded, randomBoutOrder(recorded, prng(seed, "test-order"))),
  };
}

/** Teacher and student on the same windows, by the profile's recipe. */
export function trainBoth(
  profile: Profile,
  train: WindowSet,
  job: TrainingJob,
  onProgress: (share: number) => void,
): Promise<TrainedStudent> {
  const { seed, keep } = job;
  const recipe = recipeAsked(profile, job);
  return trainedStudent(train, { profile, recipe, seed, keep }, onProgress);
}
