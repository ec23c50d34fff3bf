/**
 * One fold and one seed of the learning benchmark: a teacher, a student from labels, a student from
 * the teacher, that student in integers; all asked about subjects that none of them has seen.
 */

import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { readRecordings } from "../recordings/read.ts";
import { chooseEngine } from "../src/engine/choose-engine.ts";
import type { Engine } from "../src/engine/engine.ts";
import { containerOf } from "../src/gate/pack-student.ts";
import { softmaxRows } from "../src/learn/metrics.ts";
import { predictRows, predictStudent } from "../src/learn/predict.ts";
import { plannedStudent, type QuantizationPlan } from "../src/learn/quantization-plan.ts";
import { type Recipe, recipeAsked, recipeFor, type StudentFamily } from "../src/learn/recipes.ts";
import { teacherOnnx } from "../src/learn/teacher-network.ts";
import type { TrainingProgress } from "../src/learn/train-network.ts";
import { trainStudent } from "../src/learn/train-student.ts";
import { trainTeacher } from "../src/learn/train-teacher.ts";
import type { Container } from "../src/model/container.ts";
import { quantizeStudent } from "../src/model/quantize.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import type { Profile } from "../src/signal/profile.ts";
import { profileFor } from "../src/signal/profiles.ts";
import { type WindowSet, windowAt } from "../src/signal/window-set.ts";

export type LearnJob = {
  readonly folder: string;
  readonly train: readonly string[];
  readonly test: readonly string[];
  readonly seed: number;
  readonly quick: boolean;
  /** `plain` is trained without augmentation. */
  readonly student: "default" | "plain";
  readonly family: StudentFamily;
  readonly plan: QuantizationPlan;
  /** Of the data set's own profile. */
  readonly overrides?: Partial<Profile>;
};

/** Class probabilities `[window][class]` per exit; the teacher has one. */
export type Answers = readonly Float32Array[];

export type LearnAnswers = {
  readonly classes: number;
  readonly labels: Uint8Array;
  readonly subjects: readonly string[];
  readonly teacher: Answers;
  readonly hard: Answers;
  readonly distilled: Answers;
  /** The shipped objective's student, quantized as planned. */
  readonly int8: Answers;
};

/** What each part takes of the whole, about; only for the progress bar. */
const PARTS = { teacher: 0.5, hard: 0.15, distilled: 0.3 } as const;

export async function runLearnJob(
  job: LearnJob,
  onProgress: (share: number) => void,
): Promise<LearnAnswers> {
  const recordings = await readRecordings(job.folder);
  const profile = profileFor(recordings, job.overrides);
  const recipe = recipeAsked(profile, job);
  const train = makeWindows(recordings, profile, job.train);
  const test = makeWindows(recordings, profile, job.test);
  const classes = profile.classes.length;
  const runtime = onnxRuntime();
  const { inputMilligPerStep } = profile;

  const during = (from: number, part: number) => (progress: TrainingProgress) => {
    onProgress(from + (part * progress.step) / progress.steps);
  };
  const teacher = await trainTeacher(runtime, {
    windows: train,
    classes: profile.classes,
    rateHz: profile.rateHz,
    inputMilligPerStep,
    seed: job.seed,
    options: recipe.teacher,
    onProgress: during(0, PARTS.teacher),
  });
  const program = await runtime.compile(teacherOnnx(teacher));
  const rows = await predictRows(program, test, inputMilligPerStep, ["logits"]);
  const student = (kind: "hard" | "distilled", from: number) =>
    trainStudent(runtime, {
      spec: recipe.student.spec,
      windows: train,
      inputMilligPerStep,
      seed: job.seed,
      objective: recipe.student[kind],
      options: recipe.student.options,
      onProgress: during(from, PARTS[kind]),
      ...(kind === "distilled" && { teacher: program }),
    });
  const hard = await student("hard", PARTS.teacher);
  const distilled = await student("distilled", PARTS.teacher + PARTS.hard);
  await program.release();

  const probabilities = (logits: readonly Float32Array[]): Answers =>
    logits.map((exit) => softmaxRows(exit, classes));
  const answersOf = async (float: typeof hard): Promise<Answers> =>
    probabilities(await predictStudent(runtime, float, test, inputMilligPerStep));
  const shipped = recipe.objective === "hard" ? hard : distilled;
  const planned = await plannedStudent(runtime, job.plan, {
    student: shipped,
    windows: train,
    inputMilligPerStep,
    seed: job.seed,
    options: recipe.student.options,
  });
  const { quantization } = planned;
  const quantized = quantizeStudent(planned.student, train, inputMilligPerStep, quantization);
  return {
    classes,
    labels: test.labels,
    subjects: test.subjects,
    teacher: probabilities([rows.get("logits")?.data ?? new Float32Array(0)]),
    hard: await answersOf(hard),
    distilled: await answersOf(distilled),
    int8: integerAnswers(chooseEngine(), containerOf(profile, quantized), classes, test),
  };
}

/** Which objective the profile's shipped student is trained with. */
export function shippedObjective(profile: Profile): Recipe["objective"] {
  return recipeFor(profile).objective;
}

/** Probabilities per exit as the engine gives them: Q8 logits, softmax. */
export function integerAnswers(
  engine: Engine,
  container: Container,
  classes: number,
  windows: WindowSet,
): Answers {
  const loaded = engine.load(container);
  const exits = Array.from(
    { length: loaded.exits },
    () => new Float32Array(windows.count * classes),
  );
  for (let w = 0; w < windows.count; w++) {
    loaded.begin(windowAt(windows, w));
    for (const exit of exits) {
      const { logits } = loaded.nextExit();
      for (let c = 0; c < classes; c++) exit[w * classes + c] = (logits[c] as number) / 256;
    }
  }
  return exits.map((exit) => softmaxRows(exit, classes));
}
