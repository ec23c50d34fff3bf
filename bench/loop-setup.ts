/**
 * What a deployment starts from, for one seed of the loop's benchmark: a teacher and a student that
 * were trained on some animals, an anchor set of the same animals, and the recordings of others,
 * split by bout into what the loop may see and what it is tested on.
 */

import { onnxRuntime } from "../gateway/onnx-runtime.ts";
import { type AnchorSet, makeAnchor } from "../gateway/anchor.ts";
import { readRecordings } from "../recordings/read.ts";
import { chooseEngine } from "../src/engine/choose-engine.ts";
import { type PackedStudent, packStudent } from "../src/gate/pack-student.ts";
import { predictTeacher } from "../src/learn/predict.ts";
import { plainRecipe, quickRecipe, type Recipe, recipeFor } from "../src/learn/recipes.ts";
import { type FloatTeacher, teacherOnnx } from "../src/learn/teacher-network.ts";
import { trainStudent } from "../src/learn/train-student.ts";
import { trainTeacher } from "../src/learn/train-teacher.ts";
import type { FloatStudent } from "../src/model/student-spec.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import type { Profile } from "../src/signal/profile.ts";
import { profileFor } from "../src/signal/profiles.ts";
import type { Recordings } from "../src/signal/recordings.ts";
import { parseTurn, turnRecordings } from "../src/signal/turn.ts";
import type { WindowSet } from "../src/signal/window-set.ts";
import { splitSegments } from "./loop-bouts.ts";

export type LoopJob = {
  readonly folder: string;
  readonly train: readonly string[];
  readonly shift: readonly string[];
  /** Turns the collars of the shifted subjects on top of how they sit; undefined leaves them. */
  readonly rotate: string | undefined;
  readonly student: "default" | "plain";
  readonly seed: number;
  readonly quick: boolean;
};

export type LoopSetup = {
  readonly profile: Profile;
  readonly recipe: Recipe;
  readonly teacher: FloatTeacher;
  readonly teacherFile: Uint8Array;
  readonly student: FloatStudent;
  readonly packed: PackedStudent;
  readonly anchor: AnchorSet;
  /** Windows of the training animals that nothing was trained on or judged by before the end. */
  readonly unshifted: WindowSet;
  /** What the collars live through. */
  readonly lived: Recordings;
  /** Windows of other bouts of the same collars. */
  readonly test: WindowSet;
  /** The teacher's logits on `test`. */
  readonly teacherLogits: Float32Array;
};

/** Of the training animals' bouts: learned from, and kept for the end. */
const TRAIN_SHARES = [0.8, 0.2];
const SHIFT_SHARES = [0.5, 0.5];

export async function setUpLoop(
  job: LoopJob,
  progress: (text: string, share: number) => void,
): Promise<LoopSetup> {
  const recordings = await readRecordings(job.folder);
  const profile = profileFor(recordings);
  const [known, kept] = splitSegments(recordings, profile, job.train, TRAIN_SHARES, job.seed);
  const turned =
    job.rotate === undefined
      ? recordings
      : turnRecordings(recordings, parseTurn(job.rotate), job.shift);
  const [lived, tested] = splitSegments(turned, profile, job.shift, SHIFT_SHARES, job.seed);
  const anchor = makeAnchor(makeWindows(known as Recordings, profile), profile, {
    seed: job.seed,
  });
  const shipped = recipeFor(profile);
  const wanted = job.student === "plain" ? plainRecipe(shipped) : shipped;
  const recipe = job.quick ? quickRecipe(wanted) : wanted;
  const { teacher, student } = await trainOn(anchor.replay, profile, recipe, job.seed, progress);
  const packed = packStudent({
    profile,
    student,
    trained: anchor.replay,
    held: anchor.heldOut,
    augmentation: recipe.student.options.augmentation,
    engine: chooseEngine(),
    seed: job.seed,
  });
  const test = makeWindows(tested as Recordings, profile);
  const { logits } = await predictTeacher(onnxRuntime(), teacher, test);
  return {
    profile,
    recipe,
    teacher,
    teacherFile: teacherOnnx(teacher),
    student,
    packed,
    anchor,
    unshifted: makeWindows(kept as Recordings, profile),
    lived: lived as Recordings,
    test,
    teacherLogits: logits,
  };
}

async function trainOn(
  windows: WindowSet,
  profile: Profile,
  recipe: Recipe,
  seed: number,
  progress: (text: string, share: number) => void,
): Promise<{ teacher: FloatTeacher; student: FloatStudent }> {
  const runtime = onnxRuntime();
  const { classes, rateHz, inputMilligPerStep } = profile;
  const common = { windows, inputMilligPerStep, seed };
  const teacher = await trainTeacher(runtime, {
    ...common,
    classes,
    rateHz,
    options: recipe.teacher,
    onProgress: ({ step, steps }) => progress("teacher", step / steps),
  });
  const program = await runtime.compile(teacherOnnx(teacher));
  const student = await trainStudent(runtime, {
    ...common,
    spec: recipe.student.spec,
    objective: recipe.student[recipe.objective],
    options: recipe.student.options,
    ...(recipe.objective === "distilled" && { teacher: program }),
    onProgress: ({ step, steps }) => progress("student", step / steps),
  });
  await program.release();
  return { teacher, student };
}
