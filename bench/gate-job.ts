/**
 * One fold and one seed of the gate's benchmarks: a teacher, a student distilled from it,
 * quantized, and a gate calibrated on subjects that neither learned from and that are not tested
 * either.
 */
import { onnxRuntime } from "../gateway/onnx-runtime.ts";
import { readRecordings } from "../recordings/read.ts";
import type { LoadedStudent } from "../src/engine/engine.ts";
import { chooseEngine } from "../src/engine/choose-engine.ts";
import { type Calibration, type CalibrationRequest, calibrateGate } from "../src/gate/calibrate.ts";
import { type ExitRecords, recordExits } from "../src/gate/exit-records.ts";
import { randomBoutOrder } from "../src/gate/bout-order.ts";
import { containerOf } from "../src/gate/pack-student.ts";
import { softmaxRows } from "../src/learn/metrics.ts";
import { predictRows } from "../src/learn/predict.ts";
import { type Recipe, recipeAsked } from "../src/learn/recipes.ts";
import { quantizeStudent } from "../src/model/quantize.ts";
import type { FloatStudent } from "../src/model/student-spec.ts";
import { prng } from "../src/prng.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import { hopMs, type Profile } from "../src/signal/profile.ts";
import { profileFor } from "../src/signal/profiles.ts";
import { parseTurn, turnRecordings } from "../src/signal/turn.ts";
import { pickWindows, type WindowSet } from "../src/signal/window-set.ts";
import { encodeContainer } from "../src/model/container.ts";
import { crossFit } from "./cross-fit.ts";
import { type NodeDay, nodeDayOf } from "./node-day.ts";
import { keptPair } from "./kept-pairs.ts";
import { trainPair } from "./train-pair.ts";

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
};

export type GateAnswers = {
  readonly calibration: Pick<Calibration, "parameters">;
  readonly records: ExitRecords;
  /** Class probabilities `[window][class]`. */
  readonly teacher: Float32Array;
  readonly test: WindowSet;
  readonly day: NodeDay;
};

/** A student to put behind a gate, and what it takes to calibrate one. */
export type TrainedStudent = {
  readonly loaded: LoadedStudent;
  /** The same before it was quantized. */
  readonly float: FloatStudent;
  readonly recipe: Recipe;
  /** The teacher as `teacherOnnx` writes it. */
  readonly teacherFile: Uint8Array;
  /** The teacher's class probabilities over any windows. */
  readonly teach: (windows: WindowSet) => Promise<Float32Array>;
  readonly release: () => Promise<void>;
};

export async function runGateJob(
  job: GateJob,
  onProgress: (share: number) => void,
): Promise<GateAnswers> {
  const recordings = await readRecordings(job.folder);
  const profile = profileFor(recordings);
  const train = makeWindows(recordings, profile, job.train);
  const held = makeWindows(recordings, profile, job.calibration);
  const { rotate } = job;
  const worn =
    rotate === undefined ? recordings : turnRecordings(recordings, parseTurn(rotate), job.test);
  const recorded = makeWindows(worn, profile, job.test);
  const order = randomBoutOrder(recorded, prng(job.seed, "test-order"));
  const test = pickWindows(recorded, order);
  const trained = await trainBoth(profile, train, job, (share) => onProgress(0.25 * share));
  const learners = makeWindows(recordings, profile, [...job.train, ...job.calibration]);
  const rehearsal = await rehearsed(profile, learners, job, (share) =>
    onProgress(0.25 + 0.75 * share),
  );
  const calibration = calibrateGate({
    student: trained.loaded,
    trained: train,
    held,
    ...rehearsal,
    target: { kind: "offload-share", share: job.targetShare },
    augmentation: trained.recipe.student.options.augmentation,
    windowsPerNodeDay: 86_400_000 / hopMs(profile),
    seed: job.seed,
  });
  const { container } = trained.loaded;
  const answers = {
    calibration,
    records: recordExits(trained.loaded, test),
    teacher: await trained.teach(test),
    test,
    day: nodeDayOf(container, encodeContainer(container).length, test.labels),
  };
  await trained.release();
  return answers;
}

/** What calibration is to go through: all that may be learned from, by those that did not. */
export async function rehearsed(
  profile: Profile,
  learners: WindowSet,
  job: TrainingJob,
  onProgress: (share: number) => void,
): Promise<Pick<CalibrationRequest, "rehearsal">> {
  const { seed, keep } = job;
  const recipe = recipeAsked(profile, job);
  const windows = learners;
  const rehearsal = await crossFit({ profile, recipe, windows, seed, keep, onProgress });
  return rehearsal === null ? {} : { rehearsal };
}

/** Teacher and student on the same windows, by the profile's recipe. */
export async function trainBoth(
  profile: Profile,
  train: WindowSet,
  job: TrainingJob,
  onProgress: (share: number) => void,
): Promise<TrainedStudent> {
  const { classes, inputMilligPerStep } = profile;
  const recipe = recipeAsked(profile, job);
  const runtime = onnxRuntime();
  const subjects = [...new Set(train.subjects)];
  const what = { profile, subjects, windows: train.count, seed: job.seed, recipe };
  const pair = await keptPair(job.keep, what, async () => {
    const { teacherFile, student } = await trainPair(
      train,
      profile,
      recipe,
      job.seed,
      (part, share) => onProgress(part === "teacher" ? 0.5 * share : 0.5 + 0.5 * share),
    );
    return { teacher: teacherFile, student };
  });
  const program = await runtime.compile(pair.teacher);
  const quantized = quantizeStudent(pair.student, train, inputMilligPerStep);
  const loaded = chooseEngine().load(containerOf(profile, quantized));
  return {
    loaded,
    float: pair.student,
    recipe,
    teacherFile: pair.teacher,
    teach: async (windows) => {
      const rows = await predictRows(program, windows, inputMilligPerStep, ["logits"]);
      return softmaxRows(rows.get("logits")?.data ?? new Float32Array(0), classes.length);
    },
    release: () => program.release(),
  };
}
