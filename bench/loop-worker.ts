/** The thread in which `loop.ts` runs one seed after another. */
import { answerJobs } from "./answer-jobs.ts";
import { runLoop } from "./loop-run.ts";

answerJobs(runLoop);
