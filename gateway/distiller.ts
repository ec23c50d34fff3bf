/** Runs one distillation at a time in a thread of its own. It keeps nothing: a task can be repeated. */

import { Worker } from "node:worker_threads";
import { assert } from "../src/assert.ts";
import type { DistilStage } from "./distil.ts";
import type { DistilAnswer, DistilMessage, DistilTask } from "./distil-task.ts";

const WORKER = new URL("./distil-worker.ts", import.meta.url);

export type DistilEnd = DistilAnswer | { readonly kind: "failed"; readonly message: string };

export class Distiller {
  #worker: Worker | undefined;

  get busy(): boolean {
    return this.#worker !== undefined;
  }

  /** Resolves with what came of it; a crash of the thread is a `failed` like any other. */
  async run(
    task: DistilTask,
    onProgress: (stage: DistilStage, share: number) => void,
  ): Promise<DistilEnd> {
    assert(!this.busy, "one distillation at a time");
    const worker = new Worker(WORKER, { workerData: task });
    this.#worker = worker;
    try {
      return await new Promise<DistilEnd>((resolve) => {
        worker.on("message", (message: DistilMessage) => {
          if (message.kind === "progress") onProgress(message.stage, message.share);
          else resolve(message.kind === "answer" ? message.answer : message);
        });
        worker.on("error", (error) => resolve({ kind: "failed", message: error.message }));
        worker.on("exit", () => resolve({ kind: "failed", message: "the thread ended early" }));
      });
    } finally {
      this.#worker = undefined;
      await worker.terminate();
    }
  }

  /** Ends a running distillation; its `run` resolves as failed. */
  async stop(): Promise<void> {
    await this.#worker?.terminate();
  }
}
