/**
 * Everything that ships for one profile, trained from recordings: a teacher, the default student, and
 * where asked for a plain one, each as a container for nodes and as floats to distil further from.
 */
import { createHash } from "node:crypto";
import { crossFit } from "../bench/cross-fit.ts";
import { onnxRuntime } from "../gateway/onnx-runtime.ts";
import { chooseEngine } from "../src/engine/choose-engine.ts";
import { packStudent } from "../src/gate/pack-student.ts";
import type { AnsweredWindows } from "../src/gate/rehearse.ts";
import { plannedStudent, type QuantizationPlan } from "../src/learn/quantization-plan.ts";
import { plainRecipe, type Recipe } from "../src/learn/recipes.ts";
import type { Program, Runtime } from "../src/learn/runtime.ts";
import { splitRecipeFor } from "../src/learn/split-recipes.ts";
import { studentOnnx } from "../src/learn/student-network.ts";
import { tailOnnx } from "../src/learn/tail-network.ts";
import { teacherOnnx } from "../src/learn/teacher-network.ts";
import { trainCoarse } from "../src/learn/train-coarse.ts";
import { trainEncoder } from "../src/learn/train-encoder.ts";
import type { TrainingProgress } from "../src/learn/train-network.ts";
import { trainStudent } from "../src/learn/train-student.ts";
import { trainTeacher } from "../src/learn/train-teacher.ts";
import { encodeEncoder } from "../src/model/encoder-bytes.ts";
import type { QuantizedEncoder } from "../src/model/encoder.ts";
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
  readonly onProgress: (text: string, share: number) => void;
  readonly shouldStop: () => boolean;
};

/** A recipe's objective and passes, which are the same for every size of a code. */
const COARSE_BYTES = 64;

/** File names and bytes. */
export type ProfileFiles = ReadonlyMap<string, Uint8Array>;

/** With this many subjects some are set aside to calibrate the gate; with fewer, some bouts are. */
const MANY_SUBJECTS = 10;
const HELD_PART = 6;
const LEARNED_SHARE = 0.85;
/** From so many subjects on the gate is rehearsed by students that never saw the one they answer. */
const REHEARSING_SUBJECTS = 3;

export async function trainProfile(request: ProfileRequest): Promise<ProfileFiles> {
  const { profile, recipe, windows, seed, onProgress } = request;
  const runtime = onnxRuntime();
  const files = new Map<string, Uint8Array>();
  const told =
    (text: string) =>
    ({ step, steps }: TrainingProgress): void =>
      onProgress(text, step / steps);

  const teacher = await trainTeacher(runtime, {
    windows,
    classes: profile.classes,
    rateHz: profile.rateHz,
    inputMilligPerStep: profile.inputMilligPerStep,
    seed,
    options: recipe.teacher,
    onProgress: told("teacher"),
    shouldStop: request.shouldStop,
  });
  files.set("teacher.onnx", teacherOnnx(teacher));
  const program = await runtime.compile(teacherOnnx(teacher));
  const encoder = await encoderFor(runtime, program, request, files);
  if (request.coarse === true) {
    const { quick = false } = request;
    const coarse = await trainCoarse(runtime, {
      ...{ profile, windows, seed, quick, teacher: program },
      recipe: splitRecipeFor(profile, COARSE_BYTES, { quick }),
      onProgress: told("coarse teacher"),
      shouldStop: request.shouldStop,
    });
    files.set("coarse.onnx", teacherOnnx(coarse));
  }
  const student = async (name: string, of: WindowSet, with_: Recipe): Promise<void> => {
    const asked = { ...request, windows: of, recipe: with_, encoder };
    const made = await trainOne(runtime, program, asked, name);
    for (const [file, bytes] of made) files.set(file, bytes);
  };
  await student("student", windows, recipe);
  if (request.plainSubjects !== undefined) {
    const some = pickWindows(windows, windowsOfSubjects(windows, request.plainSubjects));
    await student("student-plain", some, plainRecipe(recipe));
  }
  await program.release();
  return files;
}

/** The encoder that the profile's students get, and its tail among the files. */
async function encoderFor(
  runtime: Runtime,
  teacher: Program,
  request: ProfileRequest,
  files: Map<string, Uint8Array>,
): Promise<QuantizedEncoder | undefined> {
  const { profile, windows, seed, codeBytes, quick = false } = request;
  if (codeBytes === undefined) return undefined;
  const { split, encoder } = await trainEncoder(runtime, {
    ...{ profile, windows, teacher, seed },
    recipe: splitRecipeFor(profile, codeBytes, { quick }),
    onProgress: ({ step, steps }) => request.onProgress("encoder and tail", step / steps),
    shouldStop: request.shouldStop,
  });
  const hash = createHash("sha256").update(encodeEncoder(encoder)).digest("hex");
  const { classes, rateHz } = profile;
  files.set("tail.onnx", tailOnnx(split, { classes, rateHz, encoder: hash }));
  return encoder;
}

/** One student from the teacher: `<name>.bwm` and `<name>.onnx`. */
async function trainOne(
  runtime: Runtime,
  teacher: Program,
  request: ProfileRequest & { readonly encoder: QuantizedEncoder | undefined },
  name: string,
): Promise<ProfileFiles> {
  const { profile, recipe, windows, seed } = request;
  const { learned, held } = splitForGate(windows, seed);
  const student = await trainStudent(runtime, {
    spec: recipe.student.spec,
    windows: learned,
    inputMilligPerStep: profile.inputMilligPerStep,
    seed,
    objective: recipe.student[recipe.objective],
    options: recipe.student.options,
    ...(recipe.objective === "distilled" && { teacher }),
    onProgress: ({ step, steps }) => request.onProgress(name, step / steps),
    shouldStop: request.shouldStop,
  });
  const planned = await plannedStudent(runtime, request.plan, {
    student,
    windows: learned,
    inputMilligPerStep: profile.inputMilligPerStep,
    seed,
    options: recipe.student.options,
    onProgress: ({ step, steps }) => request.onProgress(`${name}, fine-tuning`, step / steps),
    shouldStop: request.shouldStop,
  });
  const rehearsal = await rehearsalFor(request, name);
  const packed = packStudent({
    ...planned,
    profile,
    ...(rehearsal !== undefined && { rehearsal }),
    trained: learned,
    held,
    augmentation: recipe.student.options.augmentation,
    engine: chooseEngine(),
    seed,
    encoder: request.encoder,
  });
  return new Map([
    [`${name}.bwm`, packed.bytes],
    [`${name}.onnx`, studentOnnx(planned.student, { profile: profile.name })],
  ]);
}

/** What the gate is calibrated on where there are subjects enough; of two, each would be answered by
 * students that know a single one. A trial in seconds does without. */
async function rehearsalFor(
  request: ProfileRequest,
  name: string,
): Promise<AnsweredWindows | undefined> {
  const { profile, recipe, windows, seed, quick = false, onProgress } = request;
  if (quick || subjectsOf(windows).length < REHEARSING_SUBJECTS) return undefined;
  const told = (share: number): void => onProgress(`${name}, rehearsal`, share);
  return (await crossFit({ profile, recipe, windows, seed, onProgress: told })) ?? undefined;
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
