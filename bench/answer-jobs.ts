/** The worker's side of `worker-pool.ts`: answers each job that comes with progress and a result. */
import { parentPort } from "node:worker_threads";
import { assert } from "../src/assert.ts";

export function answerJobs<Job, Result>(
  run: (job: Job, onProgress: (share: number) => void) => Promise<Result>,
): void {
  assert(parentPort !== null, "jobs are answered in a worker");
  const port = parentPort;
  port.on("message", (job: Job) => {
    let told = 0;
    run(job, (share) => {
      if (share < told + 0.01) return;
      told = share;
      port.postMessage({ kind: "progress", share });
    }).then(
      (answers) => {
        port.postMessage({ kind: "done", answers });
      },
      (error: unknown) => {
        const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
        port.postMessage({ kind: "failed", message });
      },
    );
  });
}
