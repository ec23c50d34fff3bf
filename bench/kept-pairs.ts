/**
 * Trained teachers and students kept between two runs of a benchmark, as ONNX files.
 *
 * Training takes nearly all of the time of the gate's benchmarks, and what is asked of the models
 * changes far more often than the models do. A pair's name is a hash of everything that training
 * depends on, so that another recipe, seed or set of subjects trains anew; a change of the training
 * code itself is not seen, which is why nothing is kept unless a folder is named.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { studentFromOnnx, studentOnnx } from "../src/learn/student-network.ts";
import type { FloatStudent } from "../src/model/student-spec.ts";

export type FloatPair = {
  /** The teacher as `teacherOnnx` writes it. */
  readonly teacher: Uint8Array;
  readonly student: FloatStudent;
};

/** @param what all that training depends on, as JSON can say it */
export async function keptPair(
  folder: string | undefined,
  what: unknown,
  train: () => Promise<FloatPair>,
): Promise<FloatPair> {
  if (folder === undefined) return train();
  const name = createHash("sha256").update(JSON.stringify(what)).digest("hex").slice(0, 24);
  const files = ["teacher", "student"].map((part) => join(folder, `${name}.${part}.onnx`));
  const [teacherFile = "", studentFile = ""] = files;
  if (files.every((file) => existsSync(file))) {
    const student = studentFromOnnx(readFileSync(studentFile));
    if (student !== undefined) return { teacher: readFileSync(teacherFile), student };
  }
  const pair = await train();
  keepFile(teacherFile, pair.teacher);
  keepFile(studentFile, studentOnnx(pair.student));
  return pair;
}

/** Whole or not at all: another worker may look for it meanwhile. */
export function keepFile(file: string, bytes: Uint8Array): void {
  mkdirSync(dirname(file), { recursive: true });
  const partial = `${file}.${process.pid}.partial`;
  writeFileSync(partial, bytes);
  renameSync(partial, file);
}
