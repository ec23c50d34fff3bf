/**
 * Windows that calibration can believe: each subject answered by a student and a teacher that never
 * saw him.
 *
 * Two subjects set aside say little of the next one, and a student's answers to what it learned
 * from say nothing. So the learners are dealt into folds, and for each fold a pair is trained on the
 * others by the same recipe (cross-fitting; Stone, 1974). It costs as many trainings as folds.
 */
import { onnxRuntime } from "../gateway/onnx-runtime.ts";
import { chooseEngine } from "../src/engine/choose-engine.ts";
import { randomBoutOrder } from "../src/gate/bout-order.ts";
import { type ExitRecords, recordExits } from "../src/gate/exit-records.ts";
import { containerOf } from "../src/gate/pack-student.ts";
import type { AnsweredWindows } from "../src/gate/rehearse.ts";
import { softmaxRows } from "../src/learn/metrics.ts";
import { predictRows } from "../src/learn/predict.ts";
import type { Recipe } from "../src/learn/recipes.ts";
import { quantizeStudent } from "../src/model/quantize.ts";
import { prng } from "../src/prng.ts";
import type { Profile } from "../src/signal/profile.ts";
import { foldsBySubject, subjectsOf, windowsOfSubjects } from "../src/signal/splits.ts";
import { pickWindows, type WindowSet } from "../src/signal/window-set.ts";
import { keptPair } from "./kept-pairs.ts";
import { trainPair } from "./train-pair.ts";

/** So few subjects are each a fold of their own; more are dealt into three. */
const FEW_SUBJECTS = 5;
const FOLDS = 3;

export type CrossFit = {
  readonly profile: Profile;
  readonly recipe: Recipe;
  /** Of all subjects that may be learned from. */
  readonly windows: WindowSet;
  readonly seed: number;
  /** As in `keptPair`. */
  readonly keep?: string | undefined;
  readonly onProgress: (share: number) => void;
};

/** All windows, fold after fold, each subject's bouts in an order that a node could have met. Null
 * where there is one subject only. */
export async function crossFit(request: CrossFit): Promise<AnsweredWindows | null> {
  const { windows, seed } = request;
  const subjects = [...subjectsOf(windows)].sort();
  if (subjects.length < 2) return null;
  const folds = foldsBySubject(subjects, {
    folds: subjects.length <= FEW_SUBJECTS ? subjects.length : FOLDS,
    seed: 1,
  });
  const parts: AnsweredWindows[] = [];
  for (const [f, { train, test }] of folds.entries()) {
    const held = pickWindows(windows, windowsOfSubjects(windows, test));
    const ordered = pickWindows(held, randomBoutOrder(held, prng(seed, "cross-fit-order")));
    const learned = pickWindows(windows, windowsOfSubjects(windows, train));
    parts.push(
      await answered(request, learned, ordered, (share) =>
        request.onProgress((f + share) / folds.length),
      ),
    );
  }
  return joinedAnswers(parts);
}

async function answered(
  { profile, recipe, seed, keep }: CrossFit,
  learned: WindowSet,
  held: WindowSet,
  onProgress: (share: number) => void,
): Promise<AnsweredWindows> {
  const { inputMilligPerStep, classes } = profile;
  const subjects = [...new Set(learned.subjects)];
  const what = { profile, subjects, windows: learned.count, seed, recipe };
  const pair = await keptPair(keep, what, async () => {
    const { teacherFile, student } = await trainPair(
      learned,
      profile,
      recipe,
      seed,
      (part, share) => onProgress(part === "teacher" ? 0.5 * share : 0.5 + 0.5 * share),
    );
    return { teacher: teacherFile, student };
  });
  const quantized = quantizeStudent(pair.student, learned, inputMilligPerStep);
  const student = chooseEngine().load(containerOf(profile, quantized));
  const program = await onnxRuntime().compile(pair.teacher);
  const rows = await predictRows(program, held, inputMilligPerStep, ["logits"]);
  await program.release();
  return {
    records: recordExits(student, held),
    labels: held.labels,
    subjects: held.subjects,
    teacher: softmaxRows(rows.get("logits")?.data ?? new Float32Array(0), classes.length),
  };
}

function joinedAnswers(parts: readonly AnsweredWindows[]): AnsweredWindows {
  const [first] = parts as readonly [AnsweredWindows];
  const exits = first.records.exits.map(({ featureCount }, k) => ({
    featureCount,
    logits: Int16Array.from(parts.flatMap((part) => [...(part.records.exits[k]?.logits ?? [])])),
    features: Int8Array.from(parts.flatMap((part) => [...(part.records.exits[k]?.features ?? [])])),
  }));
  const count = parts.reduce((sum, part) => sum + part.records.count, 0);
  const records: ExitRecords = { count, classes: first.records.classes, exits };
  return {
    records,
    labels: Uint8Array.from(parts.flatMap((part) => [...part.labels])),
    subjects: parts.flatMap((part) => part.subjects),
    teacher: Float32Array.from(parts.flatMap((part) => [...(part.teacher ?? [])])),
  };
}
