/** Opens a teacher of either kind, by what the path names. */

import type { Profile } from "../../src/signal/profile.ts";
import { type OpenTeacher, openOnnxTeacher } from "./onnx-teacher.ts";
import type { TeacherDeclaration } from "./teacher-fit.ts";

/** @throws EdgeError those of `openOnnxTeacher` and `openTensorflowTeacher` */
export async function openTeacher(
  file: string,
  profile: Profile,
  declaration: TeacherDeclaration = {},
): Promise<OpenTeacher> {
  if (file.endsWith(".onnx")) return openOnnxTeacher(file, profile, declaration);
  // TensorFlow.js is tens of megabytes of a thread, so only a gateway that serves from it has it.
  const { openTensorflowTeacher } = await import("./tensorflow-teacher.ts");
  return openTensorflowTeacher(file, profile, declaration);
}
