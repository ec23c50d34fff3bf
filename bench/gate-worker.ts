/** The thread in which `gate.ts` runs one job after another. */
import { answerJobs } from "./answer-jobs.ts";
import { runGateJob } from "./gate-job.ts";

answerJobs(runGateJob);
