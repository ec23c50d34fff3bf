/** A teacher and the student that learns from it, on the same windows, by one recipe. */

import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import type { Recipe } from "../src/learn/recipes.ts";
import { type FloatTeacher, teacherOnnx } from "../src/learn/teacher-network.ts";
import { trainStudent } from "../src/learn/train-student.ts";
import { trainTeacher } from "../src/learn/train-teacher.ts";
import type { FloatStudent } from "../src/model/student-spec.ts";
import type { Profile } from "../src/signal/profile.ts";
import type { WindowSet } from "../src/signal/window-set.ts";

export type TrainedPair = {
  readonly teacher: FloatTeacher;
  /** The same as ONNX. */
  readonly teacherFile: Uint8Array;
  readonly student: FloatStudent;
};

export async function trainPair(
  windows: WindowSet,
  profile: Profile,
  recipe: Recipe,
  seed: number,
  onProgress: (part: "teacher" | "student", share: number) => void,
  shouldStop?: () => boolean,
): Promise<TrainedPair> {
  const runtime = onnxRuntime();
  const { classes, rateHz, inputMilligPerStep } = profile;
  const common = { windows, inputMilligPerStep, seed, ...(shouldStop && { shouldStop }) };
  const teacher = await trainTeacher(runtime, {
    ...common,
    classes,
    rateHz,
    options: recipe.teacher,
    onProgress: ({ step, steps }) => onProgress("teacher", step / steps),
  });
  const teacherFile = teacherOnnx(teacher);
  const program = await runtime.compile(teacherFile);
  const student = await trainStudent(runtime, {
    ...common,
    spec: recipe.student.spec,
    objective: recipe.student[recipe.objective],
    options: recipe.student.options,
    ...(recipe.objective === "distilled" && { teacher: program }),
    onProgress: ({ step, steps }) => onProgress("student", step / steps),
  });
  await program.release();
  return { teacher, teacherFile, student };
}
