/** One fold and one seed of `bench -- split`: a teacher, a student and its gate, and what is said of
 * windows that came in few bytes. */

import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { calibrateGate } from "../src/gate/calibrate.ts";
import { recordExits } from "../src/gate/exit-records.ts";
import { jointAnswer } from "../src/gate/joint-answer.ts";
import { largestIndex, softmaxRows } from "../src/learn/metrics.ts";
import { studentWeightFor } from "../src/learn/split-recipes.ts";
import { drawViews, type Views } from "../src/learn/train-split.ts";
import { studentCost } from "../src/model/student-cost.ts";
import type { Profile } from "../src/signal/profile.ts";
import { type WindowSet, windowAt } from "../src/signal/window-set.ts";
import { type GateJob, prepareGateJob, type Uncalibrated } from "./gate-job.ts";
import { type Replay, replayGate } from "./gate-replay.ts";
import { answersThrough, learnedForms, trainingFor } from "./split-learned.ts";
import { type PayloadForm, payloadForms, throughPayload } from "./split-payloads.ts";
import { type AnsweringForm, type SubjectWork, workOf } from "./split-work.ts";

/** The target share is that of the doubts. */
export type SplitJob = Omit<GateJob, "rotate"> & {
  /** Which forms have networks trained for them, and for which bytes. */
  readonly learned: readonly string[];
  readonly budgets: readonly number[];
  /** Of those trainings; undefined for as many as the recipe has. */
  readonly passes: number | undefined;
};

export type SplitAnswers = {
  readonly tested: readonly SubjectAnswers[];
  /** Of those that the gate was calibrated on, and no model learned from. */
  readonly calibrating: readonly SubjectAnswers[];
  /** Of the tested subjects, in the order of the forms. */
  readonly atWork: readonly SubjectWork[];
  /** Multiply-accumulates of the student, and of each learned form's encoder. */
  readonly studentMacs: number;
  readonly encoderMacs: readonly number[];
  /** Of each learned form, see `LearnedAnswers`. */
  readonly tableBytes: readonly number[];
};

/** Windows, and how many of them were answered rightly. */
export type SubjectAnswers = {
  readonly subject: string;
  readonly windows: number;
  /** By the student's last exit. */
  readonly student: number;
  /** In the order of `wholeOrReduced` by the teacher, then of `learnedForms` by their tails. */
  readonly forms: readonly number[];
  readonly doubts: Doubts;
};

/** The same of the windows that the calibrated gate offloaded as doubts. */
export type Doubts = {
  readonly windows: number;
  /** By the node, with all that its gate knows. */
  readonly node: number;
  readonly forms: readonly {
    readonly alone: number;
    /** By the product of the form's answer and the node's, of which an offload says the class and
     * the calibrated confidence; in the order of `STUDENT_WEIGHTS`. */
    readonly together: readonly number[];
  }[];
};

/** What the node's answer may weigh beside a tail's, see `jointAnswer`. */
export const STUDENT_WEIGHTS = [0.25, 0.5, 1] as const;

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
  const { test, calibration } = job;
  // One set for both, each subject a node of its own.
  const ready = await prepareGateJob({ ...job, test: [...test, ...calibration] }, (share) =>
    onProgress(0.5 * share),
  );
  const { trained, profile, test: windows } = ready;
  const answers = await formAnswers(job, ready, (share) => onProgress(0.5 + 0.5 * share));
  const records = recordExits(trained.loaded, windows);
  const classes = profile.classes.length;
  const last = Float32Array.from(records.exits.at(-1)?.logits ?? []);
  const { augmentation } = trained.recipe.student.options;
  const { parameters } = calibrateGate({ ...ready.request, augmentation });
  const verdicts = answers.rows[0] as Float32Array;
  const replay = replayGate(parameters, records, windows, verdicts, job.seed);
  const atWork = workOf(ready, parameters, answeringForms(job, profile, answers.rows), test);
  await trained.release();
  const rights: Rights = {
    student: rightOf(windows, last, classes),
    forms: answers.rows.map((rows) => rightOf(windows, rows, classes)),
    node: windows.labels.map((label, i) => Number(replay.answers[i] === label)),
    joint: answers.rows.map((rows) =>
      STUDENT_WEIGHTS.map((weight) =>
        rightOf(windows, jointRows(rows, replay, weight, classes), classes),
      ),
    ),
  };
  const of = (subjects: readonly string[]): SubjectAnswers[] =>
    subjects.map((subject) => sumsOf(subject, windows, rights, replay));
  return {
    tested: of(test),
    calibrating: of(calibration),
    atWork,
    studentMacs: studentCost(trained.loaded.container.student).at(-1)?.macs ?? 0,
    encoderMacs: answers.encoderMacs,
    tableBytes: answers.tableBytes,
  };
}

type FormAnswers = Pick<SplitAnswers, "encoderMacs" | "tableBytes"> & {
  /** `[form]` class probabilities `[window][class]`, the teacher on whole int8 windows first. */
  readonly rows: readonly Float32Array[];
};

async function formAnswers(
  job: SplitJob,
  { trained, request, profile, test: windows }: Uncalibrated,
  onProgress: (share: number) => void,
): Promise<FormAnswers> {
  const train = request.trained;
  const rows: Float32Array[] = [];
  for (const form of wholeOrReduced(profile, job.learned)) {
    const samples = new Int8Array(windows.samples.length);
    const length = windows.windowSamples * windows.channels;
    for (let i = 0; i < windows.count; i++) {
      samples.set(throughPayload(windowAt(windows, i), form, windows.channels), i * length);
    }
    rows.push(await trained.teach({ ...windows, samples }));
  }
  const views = viewsOnce(profile, train, trained.teacherFile, job);
  const encoderMacs: number[] = [];
  const tableBytes: number[] = [];
  const learned = learnedForms(profile, job.learned, job.budgets);
  for (const [i, form] of learned.entries()) {
    const came = await answersThrough(form, { ...job, profile, train, asked: windows, views });
    rows.push(softmaxRows(came.logits, profile.classes.length));
    encoderMacs.push(came.macs);
    tableBytes.push(came.tableBytes);
    onProgress((i + 1) / learned.length);
  }
  return { rows, encoderMacs, tableBytes };
}

/** Drawn when somebody asks first: kept networks need none. */
function viewsOnce(
  profile: Profile,
  windows: WindowSet,
  teacherFile: Uint8Array,
  job: SplitJob,
): () => Promise<Views> {
  let drawn: Promise<Views> | undefined;
  const draw = async (): Promise<Views> => {
    const teacher = await onnxRuntime().compile(teacherFile);
    const { classes, inputMilligPerStep } = profile;
    const views = await drawViews({
      ...{ windows, classes: classes.length, inputMilligPerStep, seed: job.seed },
      ...{ ...trainingFor(profile, job), teacher },
    });
    await teacher.release();
    return views;
  };
  return () => {
    drawn ??= draw();
    return drawn;
  };
}

/** Tails of codes are told with the weight that their file would have, all others as teachers. */
function answeringForms(
  { learned, budgets }: SplitJob,
  profile: Profile,
  rows: readonly Float32Array[],
): readonly AnsweringForm[] {
  const forms = learnedForms(profile, learned, budgets);
  // Without any it is the forms alone that are asked about, many of which no frame carries.
  if (forms.length === 0) return [];
  return rows.map((answers, f) => {
    const form = forms[f - (rows.length - forms.length)];
    const isTail = form?.kind === "features";
    return {
      rows: answers,
      tailWeight: isTail ? studentWeightFor(profile, form.bytes) : undefined,
    };
  });
}

/** Each answer with the node's. */
function jointRows(
  rows: Float32Array,
  { answers, confidencesQ8 }: Pick<Replay, "answers" | "confidencesQ8">,
  weight: number,
  classes: number,
): Float32Array {
  const joint = new Float32Array(rows.length);
  answers.forEach((classIndex, i) => {
    const row = rows.subarray(i * classes, (i + 1) * classes);
    const confidence = (confidencesQ8[i] as number) / 255;
    joint.set(jointAnswer(row, classIndex, confidence, weight), i * classes);
  });
  return joint;
}

/** 1 where the largest of a row is the label. */
function rightOf({ labels }: WindowSet, rows: Float32Array, classes: number): Uint8Array {
  return labels.map((label, i) => {
    const row = rows.subarray(i * classes, (i + 1) * classes);
    return largestIndex(row) === label ? 1 : 0;
  });
}

/** 1 per window that was answered rightly. */
type Rights = {
  readonly student: Uint8Array;
  readonly node: Uint8Array;
  readonly forms: readonly Uint8Array[];
  /** `[form][weight]` */
  readonly joint: readonly (readonly Uint8Array[])[];
};

function sumsOf(
  subject: string,
  windows: WindowSet,
  rights: Rights,
  { doubted }: Replay,
): SubjectAnswers {
  const own = windows.subjects.flatMap((name, i) => (name === subject ? [i] : []));
  const doubts = own.filter((i) => doubted[i] === 1);
  const among = (some: readonly number[]) => (right: Uint8Array) =>
    some.reduce((sum, i) => sum + (right[i] as number), 0);
  return {
    subject,
    windows: own.length,
    student: among(own)(rights.student),
    forms: rights.forms.map(among(own)),
    doubts: {
      windows: doubts.length,
      node: among(doubts)(rights.node),
      forms: rights.forms.map((right, f) => ({
        alone: among(doubts)(right),
        together: (rights.joint[f] ?? []).map(among(doubts)),
      })),
    },
  };
}
