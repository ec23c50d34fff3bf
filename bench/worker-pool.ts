/** Runs jobs on a few worker threads, each job alone on its thread. */
import { Worker } from "node:worker_threads";
import "../gateway/teacher/onnx-silence.ts";

type Answer<Result> =
  | { readonly kind: "progress"; readonly share: number }
  | { readonly kind: "done"; readonly answers: Result }
  | { readonly kind: "failed"; readonly message: string };

/**
 * Results in the order of the jobs.
 *
 * `script` is a module that answers each message (a job) with `progress` messages and then one `done`
 * or `failed`. The first failure, or the signal, ends all threads and rejects.
 */
export async function runJobs<Job, Result>(
  script: URL,
  jobs: readonly Job[],
  options: {
    readonly threads: number;
    readonly signal: AbortSignal;
    readonly onProgress: (share: number) => void;
  },
): Promise<Result[]> {
  const shares = jobs.map(() => 0);
  const results: Result[] = [];
  let next = 0;
  const workers: Worker[] = [];
  const drain = async (worker: Worker): Promise<void> => {
    while (next < jobs.length) {
      const index = next++;
      results[index] = await runJob<Job, Result>(worker, jobs[index] as Job, (share) => {
        shares[index] = share;
        options.onProgress(shares.reduce((a, b) => a + b, 0) / jobs.length);
      });
    }
  };
  const stop = (): void => {
    for (const worker of workers) void worker.terminate();
  };
  options.signal.addEventListener("abort", stop, { once: true });
  try {
    const threads = Math.min(options.threads, jobs.length);
    for (let i = 0; i < threads; i++) workers.push(new Worker(script));
    await Promise.all(workers.map(drain));
  } finally {
    options.signal.removeEventListener("abort", stop);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  return results;
}

function runJob<Job, Result>(
  worker: Worker,
  job: Job,
  onProgress: (share: number) => void,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number): void => reject(new Error(`a worker ended with code ${code}`));
    const onMessage = (answer: Answer<Result>): void => {
      if (answer.kind === "progress") {
        onProgress(answer.share);
        return;
      }
      worker.off("message", onMessage);
      worker.off("exit", onExit);
      worker.off("error", reject);
      onProgress(1);
      if (answer.kind === "done") resolve(answer.answers);
      else reject(new Error(answer.message));
    };
    worker.on("message", onMessage);
    worker.once("exit", onExit);
    worker.once("error", reject);
    worker.postMessage(job);
  });
}
