/** The thread in which `quantize.ts` runs one job after another. */
import { answerJobs } from "./answer-jobs.ts";
import { runQuantizeJob } from "./quantize-job.ts";

answerJobs(runQuantizeJob);
