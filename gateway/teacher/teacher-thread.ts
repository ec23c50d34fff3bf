/**
 * A profile's teachers in a thread of their own: ONNX Runtime computes on the thread that asks, and a
 * batch on a Raspberry Pi may take half a second in which no message could be read.
 *
 * One thread for all of them, since the queue asks one at a time and a thread takes 10 MB and more.
 */

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { assert, EdgeError } from "../../src/assert.ts";
import type { Profile } from "../../src/signal/profile.ts";
import type { TailShape } from "./answerable.ts";
import type { OpenTeacher } from "./onnx-teacher.ts";
import type { Tail, Teacher, TeacherAnswer } from "./teacher.ts";
import type { TeacherDeclaration } from "./teacher-fit.ts";
import type { Problem } from "./thread-problems.ts";
import "./onnx-silence.ts";

export type TeacherFile = {
  readonly file: string;
  readonly profile: Profile;
  readonly declaration: TeacherDeclaration;
  readonly tailFile: string | undefined;
  readonly coarseFile: string | undefined;
};

export type ToTeacher = { readonly ticket: number; readonly count: number } & (
  | {
      readonly kind: "windows" | "coarse";
      readonly windows: Int8Array;
      readonly inputMilligPerStep: number;
    }
  | { readonly kind: "codes"; readonly codes: Uint8Array }
);

type Unnumbered<T> = T extends unknown ? Omit<T, "ticket"> : never;
type AskTeacher = Unnumbered<ToTeacher>;

export type FromTeacher =
  | ({
      readonly kind: "opened";
      readonly tail: TailShape | undefined;
      readonly coarse: OpenedTeacher | undefined;
    } & OpenedTeacher)
  | { readonly kind: "refused"; readonly problem: Problem }
  | ({ readonly kind: "answer"; readonly ticket: number } & TeacherAnswer)
  | { readonly kind: "failed"; readonly ticket: number; readonly message: string };

/** What a thread tells of a teacher that it has opened. */
export type OpenedTeacher = Pick<OpenTeacher, "id" | "assumptions" | "featureCount" | "typicalMs">;

type Waiting = {
  readonly resolve: (answer: TeacherAnswer) => void;
  readonly reject: (error: Error) => void;
};

const WORKER = new URL("./teacher-worker.ts", import.meta.url);

/** A teacher, and beside it in its thread those that answer what is not a whole window, where they
 * are: the tail codes, the coarse teacher windows in 2 bits. */
export type ProfileTeachers = OpenTeacher & {
  readonly tail: Tail | undefined;
  readonly coarse: Teacher | undefined;
};

/** @throws EdgeError those of `openTeacher`, and of `openOnnxTail` where a tail is named */
export async function openTeacherThread(
  file: string,
  profile: Profile,
  options: {
    readonly declaration?: TeacherDeclaration;
    readonly tailFile?: string | undefined;
    readonly coarseFile?: string | undefined;
  } = {},
): Promise<ProfileTeachers> {
  const { declaration = {}, tailFile, coarseFile } = options;
  const workerData: TeacherFile = { file, profile, declaration, tailFile, coarseFile };
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
  const { tail, coarse } = opened;
  const { windowSamples, channels, rateHz, classes } = profile;
  const teacherOf = (kind: "windows" | "coarse", told: OpenedTeacher): Teacher => ({
    ...{ id: told.id, classes, windowSamples, channels, rateHz, typicalMs: told.typicalMs },
    predict: (windows, count, inputMilligPerStep) =>
      ask({ kind, windows, count, inputMilligPerStep }),
  });
  return {
    ...teacherOf("windows", opened),
    assumptions: opened.assumptions,
    featureCount: opened.featureCount,
    tail: tail && { ...tail, predict: (codes, count) => ask({ kind: "codes", codes, count }) },
    coarse: coarse && teacherOf("coarse", coarse),
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
