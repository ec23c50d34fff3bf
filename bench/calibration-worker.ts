/** Measures calibration in a worker, one job after another. */
import { answerJobs } from "./answer-jobs.ts";
import { runCalibrationJob } from "./calibration-job.ts";

answerJobs(runCalibrationJob);
