/**
 * A teacher in a thread of its own: ONNX Runtime computes on the thread that asks, and a batch on a
 * Raspberry Pi may take half a second in which no message could be read.
 */

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { assert, EdgeError } from "../src/assert.ts";
import type { Profile } from "../src/signal/profile.ts";
import type { OpenTeacher } from "./onnx-teacher.ts";
import type { TailShape } from "./answerable.ts";
import type { Tail, TeacherAnswer } from "./teacher.ts";
import type { TeacherDeclaration } from "./teacher-fit.ts";
import type { Problem } from "./thread-problems.ts";
import "./onnx-silence.ts";

export type TeacherFile = {
  readonly file: string;
  readonly profile: Profile;
  readonly declaration: TeacherDeclaration;
  readonly tailFile: string | undefined;
};

export type ToTeacher = { readonly ticket: number; readonly count: number } & (
  | { readonly kind: "windows"; readonly windows: Int8Array; readonly inputMilligPerStep: number }
  | { readonly kind: "codes"; readonly codes: Uint8Array }
);

type Unnumbered<T> = T extends unknown ? Omit<T, "ticket"> : never;
type AskTeacher = Unnumbered<ToTeacher>;

export type FromTeacher =
  | ({ readonly kind: "opened"; readonly tail: TailShape | undefined } & Pick<
      OpenTeacher,
      "id" | "assumptions" | "featureCount" | "typicalMs"
    >)
  | { readonly kind: "refused"; readonly problem: Problem }
  | ({ readonly kind: "answer"; readonly ticket: number } & TeacherAnswer)
  | { readonly kind: "failed"; readonly ticket: number; readonly message: string };

type Waiting = {
  readonly resolve: (answer: TeacherAnswer) => void;
  readonly reject: (error: Error) => void;
};

const WORKER = new URL("./teacher-worker.ts", import.meta.url);

/** A teacher, and beside it in its thread the tail that answers codes, where there is one. */
export type TeacherWithTail = OpenTeacher & { readonly tail: Tail | undefined };

/** @throws EdgeError those of `openTeacher`, and of `openOnnxTail` where a tail is named */
export async function openTeacherThread(
  file: string,
  profile: Profile,
  options: { readonly declaration?: TeacherDeclaration; readonly tailFile?: string } = {},
): Promise<TeacherWithTail> {
  const { declaration = {}, tailFile } = options;
  const workerData: TeacherFile = { file, profile, declaration, tailFile };
  const worker = new Worker(WORKER, { workerData });
  const opened = await firstMessage(worker);
  if (opened.kind === "refused") {
    await worker.terminate();
    throw new EdgeError(opened.problem);
  }
  assert(opened.kind === "opened", "the thread opens the teacher first");
  const waiting = new Map<number, Waiting>();
  let tickets = 0;
  worker.on("message", (message: FromTeacher) => settle(waiting, message));
  // Nobody listens for `error`: a thread that dies has failed an assertion, and takes us with it.
  const ask = (message: AskTeacher): Promise<TeacherAnswer> => {
    const ticket = tickets++;
    return new Promise((resolve, reject) => {
      waiting.set(ticket, { resolve, reject });
      worker.postMessage({ ...message, ticket } satisfies ToTeacher);
    });
  };
  const { tail } = opened;
  return {
    id: opened.id,
    classes: profile.classes,
    windowSamples: profile.windowSamples,
    channels: profile.channels,
    rateHz: profile.rateHz,
    typicalMs: opened.typicalMs,
    assumptions: opened.assumptions,
    featureCount: opened.featureCount,
    predict: (windows, count, inputMilligPerStep) =>
      ask({ kind: "windows", windows, count, inputMilligPerStep }),
    tail: tail && { ...tail, predict: (codes, count) => ask({ kind: "codes", codes, count }) },
    close: async () => {
      // Terminating a thread inside the native runtime would end the process.
      while (waiting.size > 0) await once(worker, "message");
      await worker.terminate();
    },
  };
}

function settle(waiting: Map<number, Waiting>, message: FromTeacher): void {
  assert(message.kind === "answer" || message.kind === "failed", "a teacher is opened once");
  const asked = waiting.get(message.ticket);
  assert(asked !== undefined, "an answer to a question");
  waiting.delete(message.ticket);
  if (message.kind === "answer") asked.resolve(message);
  else asked.reject(new Error(message.message));
}

function firstMessage(worker: Worker): Promise<FromTeacher> {
  return new Promise((resolve, reject) => {
    worker.once("message", (message: FromTeacher) => {
      worker.off("error", reject);
      resolve(message);
    });
    worker.once("error", reject);
  });
}
