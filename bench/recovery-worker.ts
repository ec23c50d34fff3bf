/** The thread in which `recovery.ts` runs one seed after another. */
import { answerJobs } from "./answer-jobs.ts";
import { runRecovery } from "./recovery-job.ts";

answerJobs(runRecovery);
