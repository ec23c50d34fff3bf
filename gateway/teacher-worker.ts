/** The thread that runs the teacher. See `teacher-thread.ts`. */

import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../src/assert.ts";
import { openTeacher } from "./open-teacher.ts";
import type { OpenTeacher } from "./onnx-teacher.ts";
import type { TailShape } from "./answerable.ts";
import { type OpenTail, openOnnxTail } from "./onnx-tail.ts";
import type { TeacherAnswer } from "./teacher.ts";
import type { FromTeacher, TeacherFile, ToTeacher } from "./teacher-thread.ts";
import { problemOf } from "./thread-problems.ts";

const port = parentPort;
assert(port !== null, "runs as a worker");
const answer = (message: FromTeacher, transfer: ArrayBuffer[] = []): void =>
  port.postMessage(message, transfer);

type Opened = { readonly teacher: OpenTeacher; readonly tail: OpenTail | undefined };

async function open(): Promise<Opened | undefined> {
  try {
    const { file, profile, declaration, tailFile } = workerData as TeacherFile;
    const tail = tailFile === undefined ? undefined : await openOnnxTail(tailFile, profile);
    return { teacher: await openTeacher(file, profile, declaration), tail };
  } catch (error) {
    answer({ kind: "refused", problem: problemOf(error) });
    return undefined;
  }
}

function ask({ teacher, tail }: Opened, message: ToTeacher): Promise<TeacherAnswer> {
  if (message.kind === "windows") {
    return teacher.predict(message.windows, message.count, message.inputMilligPerStep);
  }
  assert(tail !== undefined, "codes are asked of a tail that was opened");
  return tail.predict(message.codes, message.count);
}

async function predict(opened: Opened, message: ToTeacher): Promise<void> {
  const { ticket } = message;
  try {
    const { probabilities, features } = await ask(opened, message);
    answer({ kind: "answer", ticket, probabilities, features });
  } catch (error) {
    answer({ kind: "failed", ticket, message: error instanceof Error ? error.message : "" });
  }
}

const opened = await open();
if (opened !== undefined) {
  const { id, assumptions, featureCount, typicalMs } = opened.teacher;
  const tail = shapeOf(opened.tail);
  answer({ kind: "opened", id, assumptions, featureCount, typicalMs, tail });
  port.on("message", (message: ToTeacher) => void predict(opened, message));
}

function shapeOf(tail: OpenTail | undefined): TailShape | undefined {
  if (tail === undefined) return undefined;
  const { id, encoder, codeTime, codeChannels, codeBits, studentWeight } = tail;
  return { id, encoder, codeTime, codeChannels, codeBits, studentWeight };
}
