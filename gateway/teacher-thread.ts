/**
 * A teacher in a thread of its own: ONNX Runtime computes on the thread that asks, and a batch on a
 * Raspberry Pi may take half a second in which no message could be read.
 */

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { assert, EdgeError } from "../src/assert.ts";
import type { Profile } from "../src/signal/profile.ts";
import type { OpenTeacher } from "./onnx-teacher.ts";
import type { TeacherAnswer } from "./teacher.ts";
import type { TeacherDeclaration } from "./teacher-fit.ts";
import type { Problem } from "./thread-problems.ts";
import "./onnx-silence.ts";

export type TeacherFile = {
  readonly file: string;
  readonly profile: Profile;
  readonly declaration: TeacherDeclaration;
};

export type ToTeacher = {
  readonly ticket: number;
  readonly windows: Int8Array;
  readonly count: number;
  readonly inputMilligPerStep: number;
};

export type FromTeacher =
  | ({ readonly kind: "opened" } & Pick<OpenTeacher, "id" | "assumptions" | "featureCount">)
  | { readonly kind: "refused"; readonly problem: Problem }
  | ({ readonly kind: "answer"; readonly ticket: number } & TeacherAnswer)
  | { readonly kind: "failed"; readonly ticket: number; readonly message: string };

type Waiting = {
  readonly resolve: (answer: TeacherAnswer) => void;
  readonly reject: (error: Error) => void;
};

const WORKER = new URL("./teacher-worker.ts", import.meta.url);

/** @throws EdgeError those of `openTeacher` */
export async function openTeacherThread(
  file: string,
  profile: Profile,
  declaration: TeacherDeclaration = {},
): Promise<OpenTeacher> {
  const workerData: TeacherFile = { file, profile, declaration };
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
  return {
    id: opened.id,
    classes: profile.classes,
    windowSamples: profile.windowSamples,
    channels: profile.channels,
    rateHz: profile.rateHz,
    assumptions: opened.assumptions,
    featureCount: opened.featureCount,
    predict: (windows, count, inputMilligPerStep) => {
      const ticket = tickets++;
      const message: ToTeacher = { ticket, windows, count, inputMilligPerStep };
      return new Promise((resolve, reject) => {
        waiting.set(ticket, { resolve, reject });
        worker.postMessage(message);
      });
    },
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
