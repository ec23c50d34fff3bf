/**
 * Windows that calibration can believe: each subject answered by a student and a teacher that never
 * saw him.
 *
 * Two subjects set aside say little of the next one, and a student's answers to what it learned
 * from say nothing. So the learners are dealt into folds, and for each fold a pair is trained on the
 * others by the same recipe (cross-fitting; Stone, 1974). It costs as many trainings as folds.
 */
import { randomBoutOrder } from "../src/gate/bout-order.ts";
import { type ExitRecords, recordExits } from "../src/gate/exit-records.ts";
import type { AnsweredWindows } from "../src/gate/rehearse.ts";
import type { Recipe } from "../src/learn/recipes.ts";
import { prng } from "../src/prng.ts";
import type { Profile } from "../src/signal/profile.ts";
import { foldsBySubject, subjectsOf, windowsOfSubjects } from "../src/signal/splits.ts";
import { pickWindows, type WindowSet } from "../src/signal/window-set.ts";
import { trainedStudent } from "./trained-student.ts";

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
  request: CrossFit,
  learned: WindowSet,
  held: WindowSet,
  onProgress: (share: number) => void,
): Promise<AnsweredWindows> {
  const trained = await trainedStudent(learned, request, onProgress);
  const teacher = await trained.teach(held);
  await trained.release();
  const records = recordExits(trained.loaded, held);
  return { records, labels: held.labels, subjects: held.subjects, teacher };
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
