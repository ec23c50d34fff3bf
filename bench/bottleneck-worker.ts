/** The thread in which `bottleneck.ts` runs one job after another. */
import { answerJobs } from "./answer-jobs.ts";
import { runBottleneckJob } from "./bottleneck-job.ts";

answerJobs(runBottleneckJob);
