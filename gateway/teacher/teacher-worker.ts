/** The thread that runs the teachers. See `teacher-thread.ts`. */

import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../../src/assert.ts";
import type { TailShape } from "./answerable.ts";
import { type OpenTail, openOnnxTail } from "./onnx-tail.ts";
import type { OpenTeacher } from "./onnx-teacher.ts";
import { openTeacher } from "./open-teacher.ts";
import type { TeacherAnswer } from "./teacher.ts";
import type { FromTeacher, OpenedTeacher, TeacherFile, ToTeacher } from "./teacher-thread.ts";
import { problemOf } from "./thread-problems.ts";

const port = parentPort;
assert(port !== null, "runs as a worker");
const answer = (message: FromTeacher, transfer: ArrayBuffer[] = []): void =>
  port.postMessage(message, transfer);

type Opened = {
  readonly teacher: OpenTeacher;
  readonly tail: OpenTail | undefined;
  readonly coarse: OpenTeacher | undefined;
};

async function open(): Promise<Opened | undefined> {
  try {
    const { file, profile, declaration, tailFile, coarseFile } = workerData as TeacherFile;
    const tail = tailFile === undefined ? undefined : await openOnnxTail(tailFile, profile);
    const coarse = coarseFile === undefined ? undefined : await openTeacher(coarseFile, profile);
    return { teacher: await openTeacher(file, profile, declaration), tail, coarse };
  } catch (error) {
    answer({ kind: "refused", problem: problemOf(error) });
    return undefined;
  }
}

function ask({ teacher, tail, coarse }: Opened, message: ToTeacher): Promise<TeacherAnswer> {
  if (message.kind === "codes") {
    assert(tail !== undefined, "codes are asked of a tail that was opened");
    return tail.predict(message.codes, message.count);
  }
  const asked = message.kind === "coarse" ? coarse : teacher;
  assert(asked !== undefined, "windows in 2 bits are asked of a teacher that was opened");
  return asked.predict(message.windows, message.count, message.inputMilligPerStep);
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
  const { teacher, coarse } = opened;
  const tail = shapeOf(opened.tail);
  answer({ kind: "opened", ...toldOf(teacher), tail, coarse: coarse && toldOf(coarse) });
  port.on("message", (message: ToTeacher) => void predict(opened, message));
}

function toldOf({ id, assumptions, featureCount, typicalMs }: OpenTeacher): OpenedTeacher {
  return { id, assumptions, featureCount, typicalMs };
}

function shapeOf(tail: OpenTail | undefined): TailShape | undefined {
  if (tail === undefined) return undefined;
  const { id, encoder, codeTime, codeChannels, codeBits, studentWeight } = tail;
  return { id, encoder, codeTime, codeChannels, codeBits, studentWeight };
}
