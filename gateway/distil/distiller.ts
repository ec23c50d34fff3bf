/** Runs one distillation at a time in a thread of its own. It keeps nothing: a task can be repeated. */

import { Worker } from "node:worker_threads";
import { assert } from "../../src/assert.ts";
import type { DistilStage } from "./distil.ts";
import type { DistilAnswer, DistilMessage, DistilTask } from "./distil-task.ts";
import "../teacher/onnx-silence.ts";

const WORKER = new URL("./distil-worker.ts", import.meta.url);

export type DistilEnd = DistilAnswer | { readonly kind: "failed"; readonly message: string };

/** What the thread is given. `stop` holds one flag: not 0 asks it to end between two steps. */
export type DistilWork = { readonly task: DistilTask; readonly stop: Int32Array };

export class Distiller {
  #running: { readonly stop: Int32Array; readonly ended: Promise<unknown> } | undefined;

  get busy(): boolean {
    return this.#running !== undefined;
  }

  /** Resolves with what came of it; a crash of the thread is a `failed` like any other. */
  async run(
    task: DistilTask,
    onProgress: (stage: DistilStage, share: number) => void,
  ): Promise<DistilEnd> {
    assert(!this.busy, "one distillation at a time");
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(WORKER, { workerData: { task, stop } satisfies DistilWork });
    const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    this.#running = { stop, ended };
    const end = await new Promise<DistilEnd>((resolve) => {
      worker.on("message", (message: DistilMessage) => {
        if (message.kind === "progress") onProgress(message.stage, message.share);
        else resolve(message.kind === "answer" ? message.answer : message);
      });
      worker.on("error", (error) => resolve({ kind: "failed", message: error.message }));
      worker.on("exit", () => resolve({ kind: "failed", message: "the thread ended early" }));
    });
    // It ends by itself. Terminating a thread inside the native runtime would end the process.
    await ended;
    this.#running = undefined;
    return end;
  }

  /** Ends a running distillation after its present step; its `run` resolves as failed. */
  async stop(): Promise<void> {
    if (this.#running === undefined) return;
    Atomics.store(this.#running.stop, 0, 1);
    await this.#running.ended;
  }
}
