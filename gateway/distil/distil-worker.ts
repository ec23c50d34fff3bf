/**
 * The thread in which a student is distilled, at the lowest priority that the system gives.
 *
 * A Raspberry Pi has the teacher to run and acknowledgements to send; a better student can wait.
 */

import { constants, setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../../src/assert.ts";
import { onnxRuntime } from "../teacher/onnx-runtime.ts";
import { type DistilMessage, runDistilTask } from "./distil-task.ts";
import type { DistilWork } from "./distiller.ts";

const port = parentPort;
assert(port !== null, "this file runs as a worker");
const tell = (message: DistilMessage): void => port.postMessage(message);

/** Progress is told in steps of one in a hundred. */
const PROGRESS_STEP = 0.01;

try {
  // On Linux a process id of 0 means the calling thread alone. Elsewhere it would be the whole
  // gateway, whose answers nodes wait for.
  if (process.platform === "linux") setPriority(0, constants.priority.PRIORITY_LOW);
} catch {
  // Some containers forbid it; the work is the same.
}

const { task, stop } = workerData as DistilWork;
let told = -PROGRESS_STEP;
try {
  const answer = await runDistilTask(onnxRuntime({ threads: 1 }), task, (stage, share) => {
    // Told between two steps of training, when the native runtime is at rest.
    if (Atomics.load(stop, 0) !== 0) throw new Error("stopped before it was done");
    if (share < told + PROGRESS_STEP) return;
    told = share;
    tell({ kind: "progress", stage, share });
  });
  tell({ kind: "answer", answer });
} catch (error) {
  tell({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
}
