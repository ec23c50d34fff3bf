/** The thread in which `drift.ts` runs one job after another. */
import { parentPort } from "node:worker_threads";
import { assert } from "../src/assert.ts";
import { type DriftJob, runDriftJob } from "./drift-job.ts";

assert(parentPort !== null, "this file runs as a worker");
const port = parentPort;

port.on("message", (job: DriftJob) => {
  let told = 0;
  runDriftJob(job, (share) => {
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
