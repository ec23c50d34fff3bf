/**
 * One fold and one seed of `bench -- budget`: what a gateway would have seen of the tested subjects,
 * and of the learners, each answered by a pair that did not learn from him.
 */
import { EdgeError } from "../src/assert.ts";
import { calibrateGate } from "../src/gate/calibrate.ts";
import { recordExits } from "../src/gate/exit-records.ts";
import type { Profile } from "../src/signal/profile.ts";
import type { WindowSet } from "../src/signal/window-set.ts";
import { type GateJob, prepareGateJob } from "./gate-job.ts";
import { replayGate } from "./gate-replay.ts";
import { rehearsedStreams, type SubjectStream, segmentRule, streamsOf } from "./seen-windows.ts";

export type BudgetAnswers = {
  readonly learners: readonly SubjectStream[];
  /** Mean length of the learners' labelled bouts of each class, in milliseconds. */
  readonly lengthsMs: readonly number[];
  readonly tested: readonly SubjectStream[];
};

export async function runBudgetJob(
  job: GateJob,
  onProgress: (share: number) => void,
): Promise<BudgetAnswers> {
  const { profile, trained, request, rehearsal, test } = await prepareGateJob(job, onProgress);
  if (rehearsal === null) {
    throw new EdgeError({
      code: "usage",
      message: "one subject to learn from, and lengths of bouts are learned by leaving one out",
      where: "bench budget",
      hint: "Name two or more with --train.",
    });
  }
  const { augmentation } = trained.recipe.student.options;
  const { parameters } = calibrateGate({ ...request, augmentation });
  const rule = segmentRule(profile);
  const teacher = await trained.teach(test);
  const replay = replayGate(parameters, recordExits(trained.loaded, test), test, teacher, job.seed);
  await trained.release();
  return {
    learners: rehearsedStreams(parameters, rehearsal, rule, job.seed),
    lengthsMs: boutLengths(rehearsal.windows, profile, rule.hopMs),
    tested: streamsOf(replay, test, teacher, rule),
  };
}

function boutLengths(windows: WindowSet, { classes }: Profile, hop: number): number[] {
  return classes.map((_, c) => {
    const own = [...windows.bouts].filter((_bout, i) => windows.labels[i] === c);
    return (hop * own.length) / Math.max(1, new Set(own).size);
  });
}
