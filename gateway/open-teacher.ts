/** Opens a teacher of either kind, by what the path names. */

import type { Profile } from "../src/signal/profile.ts";
import { type OpenTeacher, openOnnxTeacher } from "./onnx-teacher.ts";
import type { TeacherDeclaration } from "./teacher-fit.ts";
import { openTensorflowTeacher } from "./tensorflow-teacher.ts";

/** @throws EdgeError those of `openOnnxTeacher` and `openTensorflowTeacher` */
export function openTeacher(
  file: string,
  profile: Profile,
  declaration: TeacherDeclaration = {},
): Promise<OpenTeacher> {
  return file.endsWith(".onnx")
    ? openOnnxTeacher(file, profile, declaration)
    : openTensorflowTeacher(file, profile, declaration);
}
