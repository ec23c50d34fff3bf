/**
 * The float students of one fold and one seed, trained by the profile's recipe, shared by everything
 * that is then done to them.
 *
 * Training is where the time goes, and it is deterministic: with a folder to keep students in, one
 * that was trained there before from the same subjects, seed and recipe is read instead.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { type Recipe, recipeAsked, type StudentFamily } from "../src/learn/recipes.ts";
import type { Program } from "../src/learn/runtime.ts";
import { studentFromOnnx, studentOnnx } from "../src/learn/student-network.ts";
import { teacherOnnx } from "../src/learn/teacher-network.ts";
import { trainStudent } from "../src/learn/train-student.ts";
import { trainTeacher } from "../src/learn/train-teacher.ts";
import type { FloatStudent } from "../src/model/student-spec.ts";
import type { Profile } from "../src/signal/profile.ts";
import type { WindowSet } from "../src/signal/window-set.ts";
import { keepFile } from "./kept-files.ts";

export type FloatStudentsRequest = {
  readonly profile: Profile;
  readonly windows: WindowSet;
  readonly families: readonly StudentFamily[];
  readonly seed: number;
  readonly quick: boolean;
  /** Where students are kept from one run to the next; undefined trains them all. */
  readonly keptIn: string | undefined;
  readonly onProgress: (share: number) => void;
};

/** One student per family, each with the recipe that it was trained by. */
export async function floatStudents(
  request: FloatStudentsRequest,
): Promise<
  ReadonlyMap<StudentFamily, { readonly student: FloatStudent; readonly recipe: Recipe }>
> {
  const made = new Map<StudentFamily, { student: FloatStudent; recipe: Recipe }>();
  let teacher: Program | undefined;
  for (const [i, family] of request.families.entries()) {
    const recipe = recipeAsked(request.profile, { quick: request.quick, family });
    const file = fileOf(request, family, recipe);
    const onProgress = (share: number): void =>
      request.onProgress((i + share) / request.families.length);
    const found = file !== undefined && existsSync(file) ? readFileSync(file) : undefined;
    let student = found && studentFromOnnx(found);
    if (student === undefined) {
      if (recipe.objective === "distilled") teacher ??= await trainedTeacher(request, recipe);
      student = await trainedStudent(request, recipe, teacher, onProgress);
      if (file !== undefined) keepFile(file, studentOnnx(student));
    }
    made.set(family, { student, recipe });
    onProgress(1);
  }
  await teacher?.release();
  return made;
}

async function trainedTeacher(request: FloatStudentsRequest, recipe: Recipe): Promise<Program> {
  const { profile, windows, seed } = request;
  const runtime = onnxRuntime();
  const { classes, rateHz, inputMilligPerStep } = profile;
  const options = recipe.teacher;
  const common = { windows, classes, rateHz, inputMilligPerStep, seed };
  return runtime.compile(teacherOnnx(await trainTeacher(runtime, { ...common, options })));
}

async function trainedStudent(
  request: FloatStudentsRequest,
  recipe: Recipe,
  teacher: Program | undefined,
  onProgress: (share: number) => void,
): Promise<FloatStudent> {
  return trainStudent(onnxRuntime(), {
    spec: recipe.student.spec,
    windows: request.windows,
    inputMilligPerStep: request.profile.inputMilligPerStep,
    seed: request.seed,
    objective: recipe.student[recipe.objective],
    options: recipe.student.options,
    ...(recipe.objective === "distilled" && teacher && { teacher }),
    onProgress: ({ step, steps }) => onProgress(step / steps),
  });
}

/** Named for everything that the student depends on. */
function fileOf(
  { profile, windows, seed, keptIn }: FloatStudentsRequest,
  family: StudentFamily,
  recipe: Recipe,
): string | undefined {
  if (keptIn === undefined) return undefined;
  const subjects = [...new Set(windows.subjects)].sort();
  const hash = createHash("sha256");
  hash.update(JSON.stringify([profile, subjects, windows.count, recipe]));
  hash.update(windows.samples);
  const digest = hash.digest("hex").slice(0, 12);
  return join(keptIn, `${profile.name}-${family}-seed${seed}-${digest}.onnx`);
}
