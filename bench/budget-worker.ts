/** The thread in which `budget.ts` runs one job after another. */
import { answerJobs } from "./answer-jobs.ts";
import { runBudgetJob } from "./budget-job.ts";

answerJobs(runBudgetJob);
