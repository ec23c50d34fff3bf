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
  /** A folder as in `keptFiles`. */
  readonly keep?: string | undefined;
  readonly shouldStop?: (() => boolean) | undefined;
  readonly onProgress: (share: number) => void;
};

/** Windows with their samples, each answered by a pair that never saw its subject. */
export type CrossFitted = AnsweredWindows & {
  readonly windows: WindowSet;
  readonly teacher: Float32Array;
};

/** All windows, fold after fold, each subject's bouts in an order that a node could have met. Null
 * where there is one subject only. */
export async function crossFit(request: CrossFit): Promise<CrossFitted | null> {
  const { windows, seed } = request;
  const subjects = [...subjectsOf(windows)].sort();
  if (subjects.length < 2) return null;
  const folds = foldsBySubject(subjects, {
    folds: subjects.length <= FEW_SUBJECTS ? subjects.length : FOLDS,
    seed: 1,
  });
  const order: number[] = [];
  const parts: Answered[] = [];
  for (const [f, { train, test }] of folds.entries()) {
    const own = windowsOfSubjects(windows, test);
    const heldOrder = randomBoutOrder(pickWindows(windows, own), prng(seed, "cross-fit-order"));
    const held = heldOrder.map((i) => own[i] as number);
    const learned = pickWindows(windows, windowsOfSubjects(windows, train));
    const told = (share: number): void => request.onProgress((f + share) / folds.length);
    parts.push(await answered(request, learned, pickWindows(windows, held), told));
    order.push(...held);
  }
  return joinedAnswers(pickWindows(windows, order), parts);
}

type Answered = { readonly records: ExitRecords; readonly teacher: Float32Array };

async function answered(
  request: CrossFit,
  learned: WindowSet,
  held: WindowSet,
  onProgress: (share: number) => void,
): Promise<Answered> {
  const trained = await trainedStudent(learned, request, onProgress);
  const teacher = await trained.teach(held);
  await trained.release();
  return { records: recordExits(trained.loaded, held), teacher };
}

function joinedAnswers(windows: WindowSet, parts: readonly Answered[]): CrossFitted {
  const [first] = parts as readonly [Answered];
  const exits = first.records.exits.map(({ featureCount }, k) => ({
    featureCount,
    logits: Int16Array.from(parts.flatMap((part) => [...(part.records.exits[k]?.logits ?? [])])),
    features: Int8Array.from(parts.flatMap((part) => [...(part.records.exits[k]?.features ?? [])])),
  }));
  return {
    records: { count: windows.count, classes: first.records.classes, exits },
    windows,
    labels: windows.labels,
    subjects: windows.subjects,
    teacher: Float32Array.from(parts.flatMap((part) => [...part.teacher])),
  };
}
