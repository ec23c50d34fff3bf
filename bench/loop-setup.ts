/**
 * What a deployment starts from, for one seed of the loop's benchmark: a teacher and a student that
 * were trained on some animals, an anchor set of the same animals, and the recordings of others,
 * split by bout into what the loop may see and what it is tested on.
 */

import { type AnchorSet, makeAnchor } from "../gateway/distil/anchor.ts";
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { readRecordings } from "../recordings/read.ts";
import { chooseEngine } from "../src/engine/choose-engine.ts";
import { type PackedStudent, packStudent } from "../src/gate/pack-student.ts";
import { predictRows } from "../src/learn/predict.ts";
import { type Recipe, recipeAsked } from "../src/learn/recipes.ts";
import type { FloatStudent } from "../src/model/student-spec.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import type { Profile } from "../src/signal/profile.ts";
import { profileFor } from "../src/signal/profiles.ts";
import type { Recordings } from "../src/signal/recordings.ts";
import { parseTurn, turnRecordings } from "../src/signal/turn.ts";
import type { WindowSet } from "../src/signal/window-set.ts";
import { keptPair } from "./kept-files.ts";
import { splitSegments } from "./loop-bouts.ts";
import { trainPair } from "./train-pair.ts";

export type LoopJob = {
  readonly folder: string;
  readonly train: readonly string[];
  readonly shift: readonly string[];
  /** Turns the collars of the shifted subjects on top of how they sit; undefined leaves them. */
  readonly rotate: string | undefined;
  readonly student: "default" | "plain";
  readonly seed: number;
  readonly quick: boolean;
  /** Trained pairs are kept in this folder and taken from there. */
  readonly keep?: string | undefined;
};

export type LoopSetup = {
  /** The teacher as ONNX. */
  readonly teacherFile: Uint8Array;
  readonly student: FloatStudent;
  readonly profile: Profile;
  readonly recipe: Recipe;
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
  const recipe = recipeAsked(profile, job);
  const { train: subjects, seed } = job;
  const windows = anchor.replay.count;
  const what = { part: "anchor", profile, subjects, windows, seed, recipe };
  const { teacher: teacherFile, student } = await keptPair({ folder: job.keep }, what, async () => {
    const pair = await trainPair(anchor.replay, profile, recipe, seed, progress);
    return { teacher: pair.teacherFile, student: pair.student };
  });
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
  const program = await onnxRuntime().compile(teacherFile);
  const rows = await predictRows(program, test, profile.inputMilligPerStep, ["logits"]);
  await program.release();
  return {
    profile,
    recipe,
    teacherFile,
    student,
    packed,
    anchor,
    unshifted: makeWindows(kept as Recordings, profile),
    lived: lived as Recordings,
    test,
    teacherLogits: rows.get("logits")?.data ?? new Float32Array(0),
  };
}
