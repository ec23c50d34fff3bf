/** The thread in which `learn.ts` runs one job after another. */
import { answerJobs } from "./answer-jobs.ts";
import { runLearnJob } from "./learn-job.ts";

answerJobs(runLearnJob);
