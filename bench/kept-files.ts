/**
 * Trained models kept between two runs, as ONNX files and sections of containers.
 *
 * Training takes nearly all of the time wherever a gate is measured or calibrated, and what is asked
 * of the models changes far more often than the models do. Names are a hash of everything that
 * training depends on, so that another recipe, seed or set of subjects trains anew; a change of the
 * training code itself is not seen, which is why nothing is kept unless a folder is named.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { assert } from "../src/assert.ts";
import { studentFromOnnx, studentOnnx } from "../src/learn/student-network.ts";
import type { FloatStudent } from "../src/model/student-spec.ts";

export type Kept = {
  /** Undefined trains each time. */
  readonly folder: string | undefined;
  /** A training that was stopped before its end is not kept. */
  readonly shouldStop?: (() => boolean) | undefined;
};

/** Files by the names that `make` gives them, from there or made now.
 *
 * @param what all that training depends on, as JSON can say it
 * @param endings of the files, such as `teacher.onnx` */
export async function keptFiles<Ending extends string>(
  { folder, shouldStop }: Kept,
  what: unknown,
  endings: readonly Ending[],
  make: () => Promise<Readonly<Record<Ending, Uint8Array>>>,
): Promise<Readonly<Record<Ending, Uint8Array>>> {
  if (folder === undefined) return make();
  const name = createHash("sha256").update(JSON.stringify(what)).digest("hex").slice(0, 24);
  const fileOf = (ending: Ending): string => join(folder, `${name}.${ending}`);
  if (endings.every((ending) => existsSync(fileOf(ending)))) {
    // A copy: cutting a piece out of Node's buffers would share their memory.
    const found = endings.map((ending) => [ending, Uint8Array.from(readFileSync(fileOf(ending)))]);
    return Object.fromEntries(found) as Record<Ending, Uint8Array>;
  }
  const made = await make();
  if (shouldStop?.() === true) return made;
  for (const ending of endings) keepFile(fileOf(ending), made[ending]);
  return made;
}

export type FloatPair = {
  /** The teacher as `teacherOnnx` writes it. */
  readonly teacher: Uint8Array;
  readonly student: FloatStudent;
};

/** @param what all that training depends on, as JSON can say it */
export async function keptPair(
  kept: Kept,
  what: unknown,
  train: () => Promise<FloatPair>,
): Promise<FloatPair> {
  const endings = ["teacher.onnx", "student.onnx"] as const;
  const files = await keptFiles(kept, what, endings, async () => {
    const { teacher, student } = await train();
    return { "teacher.onnx": teacher, "student.onnx": studentOnnx(student) };
  });
  return { teacher: files["teacher.onnx"], student: studentOf(files["student.onnx"]) };
}

/** A student as it was kept. */
export function studentOf(file: Uint8Array): FloatStudent {
  const student = studentFromOnnx(file);
  assert(student !== undefined, "a kept student was written by this program");
  return student;
}

/** Whole or not at all: another worker may look for it meanwhile. */
export function keepFile(file: string, bytes: Uint8Array): void {
  mkdirSync(dirname(file), { recursive: true });
  const partial = `${file}.${process.pid}.partial`;
  writeFileSync(partial, bytes);
  renameSync(partial, file);
}
