/** What goes to the distiller's thread and what comes back: plain data that can be copied. */

import { EdgeError } from "../../src/assert.ts";
import { chooseEngine } from "../../src/engine/choose-engine.ts";
import type { EngineName } from "../../src/engine/engine.ts";
import type { Runtime } from "../../src/learn/runtime.ts";
import { studentFromOnnx, studentOnnx } from "../../src/learn/student-network.ts";
import { decodeContainer } from "../../src/model/container.ts";
import { type DistilInput, type DistilReport, type DistilStage, distil } from "./distil.ts";

export type DistilTask = Omit<DistilInput, "current"> & {
  /** The container that runs now, and the ONNX file of its float student. */
  readonly current: { readonly container: Uint8Array; readonly student: Uint8Array };
  readonly engine?: EngineName;
};

export type DistilAnswer =
  | {
      readonly kind: "candidate";
      readonly container: Uint8Array;
      /** ONNX file of the float student, to be kept beside the container. */
      readonly student: Uint8Array;
      readonly report: DistilReport;
    }
  | {
      readonly kind: "refused";
      readonly reasons: readonly string[];
      readonly report: DistilReport;
    };

export type DistilMessage =
  | { readonly kind: "progress"; readonly stage: DistilStage; readonly share: number }
  | { readonly kind: "answer"; readonly answer: DistilAnswer }
  | { readonly kind: "failed"; readonly message: string };

/** @throws EdgeError `student-unreadable` where the ONNX file is not one of our float students */
export async function runDistilTask(
  runtime: Runtime,
  task: DistilTask,
  onProgress: (stage: DistilStage, share: number) => void,
): Promise<DistilAnswer> {
  const student = studentFromOnnx(task.current.student);
  if (student === undefined) {
    throw new EdgeError({
      code: "student-unreadable",
      message: "the present student's float weights cannot be read",
      where: "distiller",
      hint: "Start from a student that `bellwether train` made.",
    });
  }
  const container = decodeContainer(task.current.container);
  const input: DistilInput = { ...task, current: { container, student } };
  const result = await distil(runtime, chooseEngine(task.engine), input, onProgress);
  if (result.kind === "candidate") return { ...result, student: studentOnnx(result.student) };
  const { kind, reasons, report } = result;
  return { kind, reasons, report };
}
