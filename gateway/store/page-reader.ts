/**
 * What pages ask of the store, answered in a thread of its own: reading a day of a node takes
 * milliseconds to seconds, and meanwhile frames are to be read. The thread starts with the first
 * question, for most gateways are looked at seldom; `page-reader-worker.ts` is its other side.
 */

import { Worker } from "node:worker_threads";
import type { DayRule } from "../http/animal-day.ts";

/** Questions that wait for the thread; who asks when there are more is sent away. */
export const QUESTIONS_MAX = 32;

export type PageQuestion =
  | { readonly kind: "group"; readonly group: string; readonly day: string | undefined }
  /** What other shares of offloads would give. */
  | { readonly kind: "curves" }
  | { readonly kind: "animal"; readonly node: string; readonly day: string | undefined }
  | {
      readonly kind: "windows";
      readonly node: string;
      readonly day: string | undefined;
      /** Only those that end later, by the node's clock. */
      readonly afterMs: number | undefined;
    }
  | { readonly kind: "window"; readonly node: string; readonly offloadId: number }
  /** Those of the same bout, before and after it. */
  | { readonly kind: "near"; readonly node: string; readonly offloadId: number };

/** As it is sent: written in the thread, so that nobody else has to. */
export type PageAnswer = { readonly status: 200 | 404; readonly json: string };

export type PageReaderOptions = {
  /** The store. */
  readonly file: string;
  readonly classes: readonly string[];
  readonly rule: DayRule;
};

export type ToPageReader = { readonly number: number; readonly question: PageQuestion };
export type FromPageReader = { readonly number: number; readonly answer: PageAnswer };

const WORKER = new URL("./page-reader-worker.ts", import.meta.url);

export class PageReader {
  readonly #options: PageReaderOptions;
  readonly #waiting = new Map<number, (answer: PageAnswer | undefined) => void>();
  #worker: Worker | undefined;
  #number = 0;

  constructor(options: PageReaderOptions) {
    this.#options = options;
  }

  get hasRoom(): boolean {
    return this.#waiting.size < QUESTIONS_MAX;
  }

  /** Undefined where the thread ended over it, which is a bug of ours or a store that is broken. */
  ask(question: PageQuestion): Promise<PageAnswer | undefined> {
    this.#worker ??= this.#start();
    this.#number += 1;
    const number = this.#number;
    this.#worker.postMessage({ number, question } satisfies ToPageReader);
    return new Promise((resolve) => this.#waiting.set(number, resolve));
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(WORKER, { workerData: this.#options });
    worker.on("message", ({ number, answer }: FromPageReader) => {
      this.#waiting.get(number)?.(answer);
      this.#waiting.delete(number);
    });
    // A page is no reason to end a gateway: the next question starts another thread.
    worker.on("error", () => undefined);
    worker.once("exit", () => {
      if (this.#worker === worker) this.#worker = undefined;
      for (const resolve of this.#waiting.values()) resolve(undefined);
      this.#waiting.clear();
    });
    return worker;
  }
}
