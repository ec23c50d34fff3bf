/** The thread in which `drift.ts` runs one job after another. */
import { answerJobs } from "./answer-jobs.ts";
import { runDriftJob } from "./drift-job.ts";

answerJobs(runDriftJob);
