/** One fold and one seed of `bench -- split`: a teacher and a student, and what the teacher says of
 * windows that came in few bytes. */
import { readRecordings } from "../recordings/read.ts";
import { recordExits } from "../src/gate/exit-records.ts";
import { jointAnswer } from "../src/gate/joint-answer.ts";
import { largestIndex, softmaxRows } from "../src/learn/metrics.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import { studentCost } from "../src/model/student-cost.ts";
import type { Profile } from "../src/signal/profile.ts";
import { profileFor } from "../src/signal/profiles.ts";
import { type WindowSet, windowAt } from "../src/signal/window-set.ts";
import { trainBoth, type TrainingJob } from "./gate-job.ts";
import { onnxRuntime } from "../gateway/onnx-runtime.ts";
import { splitRecipeFor } from "../src/learn/split-recipes.ts";
import { drawViews, type Views } from "../src/learn/train-split.ts";
import { answersThrough, learnedForms } from "./split-learned.ts";
import { type PayloadForm, payloadForms, throughPayload } from "./split-payloads.ts";

export type SplitJob = TrainingJob & {
  readonly folder: string;
  readonly train: readonly string[];
  readonly test: readonly string[];
  /** Which forms have networks trained for them, and for which bytes. */
  readonly learned: readonly string[];
  readonly budgets: readonly number[];
};

export type SplitAnswers = {
  readonly subjects: readonly SubjectAnswers[];
  /** Multiply-accumulates of the student, and of each learned form's encoder. */
  readonly studentMacs: number;
  readonly encoderMacs: readonly number[];
  /** Of each learned form, see `LearnedAnswers`. */
  readonly tableBytes: readonly number[];
};

/** Windows, and how many of them were answered rightly. */
export type SubjectRights = {
  readonly subject: string;
  readonly windows: number;
  /** By the student's last exit. */
  readonly student: number;
  /** In the order of `wholeOrReduced` by the teacher, then of `learnedForms` by their tails. */
  readonly forms: readonly number[];
  /** The same by the product of that answer and the student's. */
  readonly together: readonly number[];
};

/** The same windows, and those of them that were among the tenth of which the student was least
 * sure, of all subjects tested together. */
export type SubjectAnswers = SubjectRights & { readonly doubts: SubjectRights };

/** What the teacher itself is asked about: also windows with fewer samples, unless others learned to
 * read those. */
export function wholeOrReduced(
  profile: Profile,
  learned: readonly string[],
): readonly PayloadForm[] {
  const forms = payloadForms(profile);
  return learned.length === 0 ? forms : forms.filter(({ reduction }) => reduction === "none");
}

export async function runSplitJob(
  job: SplitJob,
  onProgress: (share: number) => void,
): Promise<SplitAnswers> {
  const recordings = await readRecordings(job.folder);
  const profile = profileFor(recordings);
  const test = makeWindows(recordings, profile, job.test);
  const train = makeWindows(recordings, profile, job.train);
  const kinds = learnedForms(profile, job.learned, job.budgets);
  const parts = 1 + kinds.length;
  const trained = await trainBoth(profile, train, job, (share) => onProgress(share / parts));
  const classes = profile.classes.length;
  const { exits } = recordExits(trained.loaded, test);
  const said = softmaxRows(
    Float32Array.from(exits.at(-1)?.logits ?? [], (logit) => logit / 256),
    classes,
  );
  const student = rightOf(test, said, classes);
  const answers: Float32Array[] = [];
  for (const form of wholeOrReduced(profile, job.learned)) {
    const samples = new Int8Array(test.samples.length);
    const length = test.windowSamples * test.channels;
    for (let i = 0; i < test.count; i++) {
      samples.set(throughPayload(windowAt(test, i), form, test.channels), i * length);
    }
    answers.push(await trained.teach({ ...test, samples }));
  }
  const views = viewsOnce(profile, train, trained.teacherFile, job);
  const encoderMacs: number[] = [];
  const tableBytes: number[] = [];
  for (const [i, form] of kinds.entries()) {
    const came = await answersThrough(form, { ...job, profile, train, test, views });
    answers.push(softmaxRows(came.logits, classes));
    encoderMacs.push(came.macs);
    tableBytes.push(came.tableBytes);
    onProgress((i + 2) / parts);
  }
  await trained.release();
  const forms = answers.map((rows) => rightOf(test, rows, classes));
  const both = answers.map((rows) => rightOf(test, together(rows, said, classes), classes));
  const every = new Uint8Array(test.count).fill(1);
  const doubts = doubtsOf(said, classes);
  const subjects = [...new Set(test.subjects)].map((subject): SubjectAnswers => {
    const rights = (among: Uint8Array): SubjectRights => {
      const count = (right: Uint8Array): number =>
        right.reduce(
          (n, one, i) => n + (test.subjects[i] === subject ? one * Number(among[i]) : 0),
          0,
        );
      return {
        ...{ subject, windows: count(every), student: count(student) },
        ...{ forms: forms.map(count), together: both.map(count) },
      };
    };
    return { ...rights(every), doubts: rights(doubts) };
  });
  const studentMacs = studentCost(trained.loaded.container.student).at(-1)?.macs ?? 0;
  return { subjects, studentMacs, encoderMacs, tableBytes };
}

const DOUBTED_SHARE = 0.1;

/** 1 for each window of the tenth whose best class has the least chance. */
function doubtsOf(student: Float32Array, classes: number): Uint8Array {
  const count = student.length / classes;
  const sure = Array.from({ length: count }, (_, i) =>
    Math.max(...student.subarray(i * classes, (i + 1) * classes)),
  );
  const order = sure.map((_, i) => i).sort((a, b) => (sure[a] as number) - (sure[b] as number));
  const doubted = new Uint8Array(count);
  for (const i of order.slice(0, Math.round(DOUBTED_SHARE * count))) doubted[i] = 1;
  return doubted;
}

/** Drawn when somebody asks first: kept networks need none. */
function viewsOnce(
  profile: Profile,
  windows: WindowSet,
  teacherFile: Uint8Array,
  { seed, quick }: SplitJob,
): () => Promise<Views> {
  let drawn: Promise<Views> | undefined;
  const draw = async (): Promise<Views> => {
    const teacher = await onnxRuntime().compile(teacherFile);
    const { objective, options } = splitRecipeFor(profile, 1, { quick });
    const { classes, inputMilligPerStep } = profile;
    const views = await drawViews({
      ...{ windows, classes: classes.length, inputMilligPerStep, seed },
      ...{ objective, options, teacher },
    });
    await teacher.release();
    return views;
  };
  return () => {
    drawn ??= draw();
    return drawn;
  };
}

/** Each answer with the student's, of which an offload says a class and how sure it is. */
function together(rows: Float32Array, student: Float32Array, classes: number): Float32Array {
  const both = new Float32Array(rows.length);
  for (let first = 0; first < rows.length; first += classes) {
    const said = student.subarray(first, first + classes);
    const best = largestIndex(said);
    const row = rows.subarray(first, first + classes);
    both.set(jointAnswer(row, best, said[best] as number), first);
  }
  return both;
}

/** 1 where the largest of a row is the label. */
function rightOf({ labels }: WindowSet, rows: Float32Array, classes: number): Uint8Array {
  return labels.map((label, i) => {
    const row = rows.subarray(i * classes, (i + 1) * classes);
    return largestIndex(row) === label ? 1 : 0;
  });
}
