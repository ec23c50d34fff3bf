/**
 * The label log in a thread of its own: a flush to disk takes milliseconds, on an SD card tens of
 * them, and meanwhile frames are to be read and windows to be answered.
 *
 * `store-worker.ts` holds the one connection that writes; this side reads through its own.
 */

import { Worker } from "node:worker_threads";
import { assert, EdgeError } from "../../src/assert.ts";
import type { Problem } from "../teacher/thread-problems.ts";
import type { LabelLogOptions } from "./label-log.ts";
import { type LabelReader, openLabelReader } from "./label-reader.ts";
import type { CommitResult, StoreRow } from "./label-rows.ts";

export type ToStore =
  | { readonly kind: "commit"; readonly rows: readonly StoreRow[] }
  | { readonly kind: "close" };

export type FromStore =
  | { readonly kind: "opened"; readonly file: string; readonly setAside: string | undefined }
  | { readonly kind: "refused"; readonly problem: Problem }
  | { readonly kind: "committed"; readonly result: CommitResult }
  | { readonly kind: "closed" };

export type StoreThread = {
  readonly file: string;
  /** Where a damaged file was moved to at this start, if it was. */
  readonly setAside: string | undefined;
  readonly reader: LabelReader;
  /** One at a time. Rejects only when the thread died, which is a bug of ours. */
  commit(rows: readonly StoreRow[]): Promise<CommitResult>;
  close(): Promise<void>;
};

const WORKER = new URL("./store-worker.ts", import.meta.url);

/** @throws EdgeError those of `LabelLog` */
export async function openStoreThread(options: LabelLogOptions): Promise<StoreThread> {
  const worker = new Worker(WORKER, { workerData: options });
  const opened = await nextMessage(worker);
  if (opened.kind === "refused") {
    await worker.terminate();
    throw new EdgeError(opened.problem);
  }
  assert(opened.kind === "opened", "the thread opens the log first");
  const reader = openLabelReader(opened.file);
  return {
    file: opened.file,
    setAside: opened.setAside,
    reader,
    commit: async (rows) => {
      worker.postMessage({ kind: "commit", rows } satisfies ToStore);
      const answer = await nextMessage(worker);
      assert(answer.kind === "committed", "a commit is answered");
      return answer.result;
    },
    close: async () => {
      reader.close();
      worker.postMessage({ kind: "close" } satisfies ToStore);
      await nextMessage(worker);
      await worker.terminate();
    },
  };
}

/** The next word of the thread. A thread that dies has failed an assertion, and so have we. */
function nextMessage(worker: Worker): Promise<FromStore> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: FromStore): void => {
      worker.off("error", onError);
      resolve(message);
    };
    const onError = (error: Error): void => {
      worker.off("message", onMessage);
      reject(error);
    };
    worker.once("message", onMessage);
    worker.once("error", onError);
  });
}
