/**
 * Everything that ships for one profile, trained from recordings: a teacher, the default student, and
 * where asked for a plain one, each as a container for nodes and as floats to distil further from.
 */
import { createHash } from "node:crypto";
import { type CrossFitted, crossFit } from "../bench/cross-fit.ts";
import { type Kept, keptFiles, studentOf } from "../bench/kept-files.ts";
import { typicalBout } from "../bench/seen-windows.ts";
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { EdgeError } from "../src/assert.ts";
import { chooseEngine } from "../src/engine/choose-engine.ts";
import type { GateTarget } from "../src/gate/offload-target.ts";
import { packStudent } from "../src/gate/pack-student.ts";
import { halfWeights } from "../src/learn/onnx-half.ts";
import { withOnnxMetadata } from "../src/learn/onnx-model.ts";
import { plannedStudent, type QuantizationPlan } from "../src/learn/quantization-plan.ts";
import { plainRecipe, type Recipe } from "../src/learn/recipes.ts";
import type { Program, Runtime } from "../src/learn/runtime.ts";
import { splitRecipeFor, studentWeightFor } from "../src/learn/split-recipes.ts";
import { studentOnnx } from "../src/learn/student-network.ts";
import { tailOnnx } from "../src/learn/tail-network.ts";
import { teacherOnnx } from "../src/learn/teacher-network.ts";
import { trainCoarse } from "../src/learn/train-coarse.ts";
import { trainEncoder } from "../src/learn/train-encoder.ts";
import type { TrainingProgress } from "../src/learn/train-network.ts";
import { trainStudent } from "../src/learn/train-student.ts";
import { trainTeacher } from "../src/learn/train-teacher.ts";
import type { QuantizedEncoder } from "../src/model/encoder.ts";
import { decodeEncoder, encodeEncoder } from "../src/model/encoder-bytes.ts";
import type { FloatStudent } from "../src/model/student-spec.ts";
import type { Profile } from "../src/signal/profile.ts";
import { holdOut, splitBouts, subjectsOf, windowsOfSubjects } from "../src/signal/splits.ts";
import { pickWindows, type WindowSet } from "../src/signal/window-set.ts";

export type ProfileRequest = {
  readonly profile: Profile;
  readonly recipe: Recipe;
  readonly windows: WindowSet;
  /** Subjects of one way of wearing, for a student without turned copies; undefined for none. */
  readonly plainSubjects: readonly string[] | undefined;
  readonly seed: number;
  readonly plan: QuantizationPlan;
  /** Bytes of a code; undefined for students without an encoder. */
  readonly codeBytes?: number | undefined;
  /** Whether a teacher of windows in 2 bits is trained too. */
  readonly coarse?: boolean;
  readonly quick?: boolean;
  /** A folder as in `keptFiles`: all that was trained, so that another gate costs no training. */
  readonly keep?: string | undefined;
  /** What the gates' offloads are to achieve, where it is not the usual share. */
  readonly target?: GateTarget | undefined;
  readonly onProgress: (text: string, share: number) => void;
  readonly shouldStop: () => boolean;
};

/** A recipe's objective and passes, which are the same for every size of a code. */
const COARSE_BYTES = 64;

/** All that a training may make, besides what says what it made. */
export const MODEL_FILES = [
  "teacher.onnx",
  "tail.onnx",
  "coarse.onnx",
  ...["student", "student-plain"].flatMap((name) => [`${name}.bwm`, `${name}.onnx`]),
];

/** File names and bytes. */
export type ProfileFiles = ReadonlyMap<string, Uint8Array>;

/** With this many subjects some are set aside to calibrate the gate; with fewer, some bouts are. */
const MANY_SUBJECTS = 10;
const HELD_PART = 6;
const LEARNED_SHARE = 0.85;
/** From so many subjects on the gate is rehearsed by students that never saw the one they answer. */
const REHEARSING_SUBJECTS = 3;

/** Throws `EdgeError` `gate-target` for a target beside a teacher that nothing is known of. */
export async function trainProfile(request: ProfileRequest): Promise<ProfileFiles> {
  const { recipe, windows } = request;
  if (request.target?.kind === "points-below-teacher" && !isRehearsed(request)) throw unrehearsed();
  const runtime = onnxRuntime();
  const files = new Map<string, Uint8Array>();
  const teacherFile = await teacherFor(runtime, request);
  files.set("teacher.onnx", teacherFile);
  const teacher: KnownTeacher = {
    program: await runtime.compile(teacherFile),
    hash: sha256(teacherFile),
  };
  const split = await splitFor(runtime, teacher, request);
  if (split !== undefined) files.set("tail.onnx", halfWeights(split.tail));
  if (request.coarse === true) {
    files.set("coarse.onnx", halfWeights(await coarseFor(runtime, teacher, request)));
  }
  const student = async (name: string, of: WindowSet, with_: Recipe): Promise<Trained> => {
    const asked = { ...request, windows: of, recipe: with_, encoder: split?.encoder };
    const made = await trainOne(runtime, teacher, asked, name);
    for (const [file, bytes] of made.files) files.set(file, bytes);
    return made;
  };
  const { typicalMs } = await student("student", windows, recipe);
  if (typicalMs !== undefined) {
    const typicalSeconds = String(typicalMs / 1000);
    files.set("teacher.onnx", withOnnxMetadata(teacherFile, { typicalSeconds }));
  }
  if (request.plainSubjects !== undefined) {
    const some = pickWindows(windows, windowsOfSubjects(windows, request.plainSubjects));
    await student("student-plain", some, plainRecipe(recipe));
  }
  await teacher.program.release();
  return files;
}

/** A compiled teacher and the hash of its file. */
type KnownTeacher = { readonly program: Program; readonly hash: string };

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** What training by this request depends on whatever is trained. */
function dependsOn({ profile, windows, seed, quick = false }: ProfileRequest): object {
  return { profile, subjects: subjectsOf(windows), windows: windows.count, seed, quick };
}

function told(request: ProfileRequest, text: string): (progress: TrainingProgress) => void {
  return ({ step, steps }) => request.onProgress(text, step / steps);
}

async function teacherFor(runtime: Runtime, request: ProfileRequest): Promise<Uint8Array> {
  const { profile, windows, seed, shouldStop } = request;
  const options = request.recipe.teacher;
  const what = { part: "teacher", ...dependsOn(request), options };
  const files = await keptFiles(keptBy(request), what, ["teacher.onnx"], async () => {
    const { classes, rateHz, inputMilligPerStep } = profile;
    const onProgress = told(request, "teacher");
    const teacher = await trainTeacher(runtime, {
      ...{ windows, classes, rateHz, inputMilligPerStep, seed, options, onProgress, shouldStop },
    });
    return { "teacher.onnx": teacherOnnx(teacher) };
  });
  return files["teacher.onnx"];
}

function keptBy({ keep, shouldStop }: ProfileRequest): Kept {
  return { folder: keep, shouldStop };
}

/** The encoder that the profile's students get, and the tail's file. */
async function splitFor(
  runtime: Runtime,
  teacher: KnownTeacher,
  request: ProfileRequest,
): Promise<{ readonly encoder: QuantizedEncoder; readonly tail: Uint8Array } | undefined> {
  const { profile, windows, seed, codeBytes, quick = false, shouldStop } = request;
  if (codeBytes === undefined) return undefined;
  const recipe = splitRecipeFor(profile, codeBytes, { quick });
  const what = { part: "encoder", ...dependsOn(request), recipe, teacher: teacher.hash };
  const files = await keptFiles(keptBy(request), what, ["encoder", "tail.onnx"], async () => {
    const { split, encoder } = await trainEncoder(runtime, {
      ...{ profile, windows, teacher: teacher.program, seed, recipe, shouldStop },
      onProgress: (share) => request.onProgress("encoder and tail", share),
    });
    const section = encodeEncoder(encoder);
    const { classes, rateHz } = profile;
    const tail = tailOnnx(split, { classes, rateHz, encoder: sha256(section) });
    return { encoder: section, "tail.onnx": tail };
  });
  const studentWeight = String(studentWeightFor(profile, codeBytes));
  const tail = withOnnxMetadata(files["tail.onnx"], { studentWeight });
  return { encoder: decodeEncoder(files.encoder), tail };
}

async function coarseFor(
  runtime: Runtime,
  teacher: KnownTeacher,
  request: ProfileRequest,
): Promise<Uint8Array> {
  const { profile, windows, seed, quick = false, shouldStop } = request;
  const recipe = splitRecipeFor(profile, COARSE_BYTES, { quick });
  const { objective, options } = recipe;
  const { widths, strides, kernels } = request.recipe.teacher;
  const size = { widths, strides, kernels };
  const what = { part: "coarse", ...dependsOn(request), objective, options, size };
  const asked = { ...what, teacher: teacher.hash };
  const files = await keptFiles(keptBy(request), asked, ["coarse.onnx"], async () => {
    const coarse = await trainCoarse(runtime, {
      ...{ profile, windows, seed, size, teacher: teacher.program, recipe, shouldStop },
      onProgress: (share) => request.onProgress("coarse teacher", share),
    });
    return { "coarse.onnx": teacherOnnx(coarse) };
  });
  return files["coarse.onnx"];
}

type Trained = {
  /** `<name>.bwm` and `<name>.onnx`. */
  readonly files: ProfileFiles;
  /** How long bouts are taken to last; undefined where there was no rehearsal to learn it from. */
  readonly typicalMs: number | undefined;
};

/** One student from the teacher. */
async function trainOne(
  runtime: Runtime,
  teacher: KnownTeacher,
  request: ProfileRequest & { readonly encoder: QuantizedEncoder | undefined },
  name: string,
): Promise<Trained> {
  const { profile, recipe, windows, seed, shouldStop } = request;
  const { inputMilligPerStep } = profile;
  const { learned, held } = splitForGate(windows, seed);
  const asked = { ...request, windows: learned };
  const planned = await plannedStudent(runtime, request.plan, {
    student: await floatStudentFor(runtime, teacher, asked, name),
    ...{ windows: learned, inputMilligPerStep, seed, options: recipe.student.options, shouldStop },
    onProgress: told(request, `${name}, fine-tuning`),
  });
  const rehearsal = await rehearsalFor(request, name);
  // Of the plain student's few subjects no teacher is known either: it gets the usual share.
  const isKnown = rehearsal !== undefined || request.target?.kind !== "points-below-teacher";
  const target = isKnown ? request.target : undefined;
  const packed = packStudent({
    ...planned,
    profile,
    ...(rehearsal !== undefined && { rehearsal }),
    ...(target !== undefined && { target }),
    trained: learned,
    held,
    augmentation: recipe.student.options.augmentation,
    engine: chooseEngine(),
    seed,
    encoder: request.encoder,
  });
  const { parameters } = packed.calibration;
  return {
    files: new Map([
      [`${name}.bwm`, packed.bytes],
      [`${name}.onnx`, studentOnnx(planned.student, { profile: profile.name })],
    ]),
    typicalMs: rehearsal && typicalBout(parameters, rehearsal, profile, seed).typicalMs,
  };
}

async function floatStudentFor(
  runtime: Runtime,
  teacher: KnownTeacher,
  request: ProfileRequest,
  name: string,
): Promise<FloatStudent> {
  const { profile, recipe, windows, seed, shouldStop } = request;
  const { spec, options } = recipe.student;
  const objective = recipe.student[recipe.objective];
  const distils = recipe.objective === "distilled";
  const what = { part: "student", ...dependsOn(request), spec, options, objective };
  const asked = { ...what, teacher: distils ? teacher.hash : null };
  const files = await keptFiles(keptBy(request), asked, ["student.onnx"], async () => {
    const student = await trainStudent(runtime, {
      ...{ spec, windows, seed, objective, options, shouldStop },
      inputMilligPerStep: profile.inputMilligPerStep,
      ...(distils && { teacher: teacher.program }),
      onProgress: told(request, name),
    });
    return { "student.onnx": studentOnnx(student) };
  });
  return studentOf(files["student.onnx"]);
}

/** What the gate is calibrated on where there are subjects enough; of two, each would be answered by
 * students that know a single one. A trial in seconds does without. */
async function rehearsalFor(
  request: ProfileRequest,
  name: string,
): Promise<CrossFitted | undefined> {
  const { profile, recipe, windows, seed, keep, shouldStop } = request;
  if (!isRehearsed(request)) return undefined;
  const onProgress = (share: number): void => request.onProgress(`${name}, rehearsal`, share);
  const asked = { profile, recipe, windows, seed, keep, shouldStop, onProgress };
  return (await crossFit(asked)) ?? undefined;
}

function isRehearsed({ windows, quick = false }: ProfileRequest): boolean {
  return !quick && subjectsOf(windows).length >= REHEARSING_SUBJECTS;
}

/** The teacher has learned from every window that is left: beside it nobody can be right enough. */
function unrehearsed(): EdgeError {
  return new EdgeError({
    code: "gate-target",
    message: "nothing is known of the teacher on subjects that it has not learned from",
    where: "--target",
    hint: `Bring recordings of ${REHEARSING_SUBJECTS} subjects or more, without --quick, or state a share.`,
  });
}

/** What the student learns from, and what its gate's novelty and bursts are fitted on; all of the
 * gate where there is no rehearsal. */
function splitForGate(
  windows: WindowSet,
  seed: number,
): { readonly learned: WindowSet; readonly held: WindowSet } {
  const subjects = subjectsOf(windows);
  if (subjects.length >= MANY_SUBJECTS) {
    const count = Math.floor(subjects.length / HELD_PART);
    const { train, validation } = holdOut(subjects, count, seed);
    return {
      learned: pickWindows(windows, windowsOfSubjects(windows, train)),
      held: pickWindows(windows, windowsOfSubjects(windows, validation)),
    };
  }
  const split = splitBouts(windows, windowsOfSubjects(windows, subjects), seed, {
    share: LEARNED_SHARE,
  });
  return { learned: pickWindows(windows, split.first), held: pickWindows(windows, split.second) };
}
