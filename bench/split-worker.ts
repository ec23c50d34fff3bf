/** The thread in which `split.ts` runs one job after another. */
import { answerJobs } from "./answer-jobs.ts";
import { runSplitJob } from "./split-job.ts";

answerJobs(runSplitJob);
