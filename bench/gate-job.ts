/**
 * One fold and one seed of the gate's benchmarks: a teacher, a student distilled from it,
 * quantized, and a gate calibrated on subjects that neither learned from and that are not tested
 * either.
 */
import { onnxRuntime } from "../gateway/onnx-runtime.ts";
import { readRecordings } from "../recordings/read.ts";
import type { LoadedStudent } from "../src/engine/engine.ts";
import { chooseEngine } from "../src/engine/choose-engine.ts";
import { type Calibration, calibrateGate } from "../src/gate/calibrate.ts";
import { type ExitRecords, recordExits } from "../src/gate/exit-records.ts";
import { randomBoutOrder } from "../src/gate/bout-order.ts";
import { softmaxRows } from "../src/learn/metrics.ts";
import { predictRows } from "../src/learn/predict.ts";
import { plainRecipe, quickRecipe, type Recipe, recipeFor } from "../src/learn/recipes.ts";
import { teacherOnnx } from "../src/learn/teacher-network.ts";
import type { TrainingProgress } from "../src/learn/train-network.ts";
import { trainStudent } from "../src/learn/train-student.ts";
import { trainTeacher } from "../src/learn/train-teacher.ts";
import { quantizeStudent } from "../src/model/quantize.ts";
import { prng } from "../src/prng.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import { hopMs, type Profile } from "../src/signal/profile.ts";
import { profileFor } from "../src/signal/profiles.ts";
import { pickWindows, type WindowSet } from "../src/signal/window-set.ts";

export type GateJob = {
  readonly folder: string;
  readonly train: readonly string[];
  readonly calibration: readonly string[];
  readonly test: readonly string[];
  readonly seed: number;
  readonly quick: boolean;
  readonly student: "default" | "plain";
  /** Share of windows that the calibrated gate aims to offload. */
  readonly targetShare: number;
};

export type GateAnswers = {
  readonly calibration: Calibration;
  readonly records: ExitRecords;
  /** Class probabilities `[window][class]`. */
  readonly teacher: Float32Array;
  readonly test: WindowSet;
};

/** A student to put behind a gate, and what it takes to calibrate one. */
export type TrainedStudent = {
  readonly loaded: LoadedStudent;
  readonly recipe: Recipe;
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
  const recorded = makeWindows(recordings, profile, job.test);
  const order = randomBoutOrder(recorded, prng(job.seed, "test-order"));
  const test = pickWindows(recorded, order);
  const trained = await trainBoth(profile, train, job, onProgress);
  const calibration = calibrateGate({
    student: trained.loaded,
    trained: train,
    held,
    target: { kind: "offload-share", share: job.targetShare },
    augmentation: trained.recipe.student.options.augmentation,
    windowsPerNodeDay: 86_400_000 / hopMs(profile),
    seed: job.seed,
  });
  const answers = {
    calibration,
    records: recordExits(trained.loaded, test),
    teacher: await trained.teach(test),
    test,
  };
  await trained.release();
  return answers;
}

/** Teacher and student on the same windows, by the profile's recipe. */
export async function trainBoth(
  profile: Profile,
  train: WindowSet,
  job: { readonly seed: number; readonly quick: boolean; readonly student: "default" | "plain" },
  onProgress: (share: number) => void,
): Promise<TrainedStudent> {
  const { classes, rateHz, inputMilligPerStep } = profile;
  const shipped = recipeFor(profile);
  const wanted = job.student === "plain" ? plainRecipe(shipped) : shipped;
  const recipe = job.quick ? quickRecipe(wanted) : wanted;
  const runtime = onnxRuntime();
  const half =
    (from: number) =>
    ({ step, steps }: TrainingProgress): void =>
      onProgress(from + (0.5 * step) / steps);
  const common = { windows: train, inputMilligPerStep, seed: job.seed };
  const teacher = await trainTeacher(runtime, {
    ...common,
    classes,
    rateHz,
    options: recipe.teacher,
    onProgress: half(0),
  });
  const program = await runtime.compile(teacherOnnx(teacher));
  const student = await trainStudent(runtime, {
    ...common,
    spec: recipe.student.spec,
    objective: recipe.student[recipe.objective],
    options: recipe.student.options,
    ...(recipe.objective === "distilled" && { teacher: program }),
    onProgress: half(0.5),
  });
  const loaded = chooseEngine().load({
    student: quantizeStudent(student, train, inputMilligPerStep),
    classes,
    cohort: profile.name,
    rateCentihertz: Math.round(rateHz * 100),
    hopSamples: profile.hopSamples,
    inputMilligPerStep,
    gate: new Uint8Array(0),
  });
  return {
    loaded,
    recipe,
    teach: async (windows) => {
      const rows = await predictRows(program, windows, inputMilligPerStep, ["logits"]);
      return softmaxRows(rows.get("logits")?.data ?? new Float32Array(0), classes.length);
    },
    release: () => program.release(),
  };
}
