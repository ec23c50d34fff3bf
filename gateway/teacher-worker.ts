/** The thread that runs the teacher. See `teacher-thread.ts`. */

import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../src/assert.ts";
import { openTeacher } from "./open-teacher.ts";
import type { OpenTeacher } from "./onnx-teacher.ts";
import type { FromTeacher, TeacherFile, ToTeacher } from "./teacher-thread.ts";
import { problemOf } from "./thread-problems.ts";

const port = parentPort;
assert(port !== null, "runs as a worker");
const answer = (message: FromTeacher, transfer: ArrayBuffer[] = []): void =>
  port.postMessage(message, transfer);

async function open(): Promise<OpenTeacher | undefined> {
  try {
    const { file, profile, declaration } = workerData as TeacherFile;
    return await openTeacher(file, profile, declaration);
  } catch (error) {
    answer({ kind: "refused", problem: problemOf(error) });
    return undefined;
  }
}

async function predict(teacher: OpenTeacher, message: ToTeacher): Promise<void> {
  const { ticket, windows, count, inputMilligPerStep } = message;
  try {
    const { probabilities, features } = await teacher.predict(windows, count, inputMilligPerStep);
    answer({ kind: "answer", ticket, probabilities, features });
  } catch (error) {
    answer({ kind: "failed", ticket, message: error instanceof Error ? error.message : "" });
  }
}

const teacher = await open();
if (teacher !== undefined) {
  const { id, assumptions, featureCount } = teacher;
  answer({ kind: "opened", id, assumptions, featureCount });
  port.on("message", (message: ToTeacher) => void predict(teacher, message));
}
