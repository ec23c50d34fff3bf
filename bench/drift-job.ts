/**
 * One seed of the drift benchmark: a student trained on some animals, an alarm calibrated on bouts
 * of the same animals that were held out, and then collars that turn, slip or break, and other
 * animals.
 *
 * Three parts of the training animals' bouts: trained on, calibrated on, and neither. False alarms
 * are counted on the third part; shifts are those bouts again, turned or broken. No threshold sees
 * a window that is tested.
 */
import { readRecordings } from "../recordings/read.ts";
import { assert } from "../src/assert.ts";
import { calibrateGate } from "../src/gate/calibrate.ts";
import { type ExitRecords, logitsAt } from "../src/gate/exit-records.ts";
import { type AlarmRate, falseAlarmRate } from "../src/gate/false-alarms.ts";
import type { NoveltyGate } from "../src/gate/gate-parameters.ts";
import { boutNovelties, noveltySamples } from "../src/gate/novelty-samples.ts";
import { accuracyOf, confusionOf, largestIndex, predictedOf } from "../src/learn/metrics.ts";
import { prng } from "../src/prng.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import { hopMs } from "../src/signal/profile.ts";
import { profileFor } from "../src/signal/profiles.ts";
import { splitBouts, windowsOfSubjects } from "../src/signal/splits.ts";
import { pickWindows, type WindowSet } from "../src/signal/window-set.ts";
import { numberedBySegment, shiftStages, stretchesOf, windowsWithin } from "./drift-shifts.ts";
import { type BoutTrack, type Delay, delayOf } from "./drift-streams.ts";
import { trainBoth, type TrainingJob } from "./gate-job.ts";
import type { TrainedStudent } from "./trained-student.ts";

export type DriftJob = TrainingJob & {
  readonly folder: string;
  readonly train: readonly string[];
  /** Animals whose collars sit differently: the natural turn. */
  readonly shift: readonly string[];
  /** Turns, slips and faults, as `drift-shifts.ts` names them. */
  readonly broken: readonly string[];
};

export type ShiftAnswer = {
  readonly name: string;
  /** At the end of a slip. */
  readonly studentAccuracy: number;
  readonly teacherAccuracy: number;
  /** One per repetition. */
  readonly delays: readonly Delay[];
};

export type DriftAnswers = {
  readonly unshifted: { readonly studentAccuracy: number; readonly falseAlarms: AlarmRate };
  /** On the bouts that set the thresholds. */
  readonly calibrated: AlarmRate | null;
  readonly thresholds: { readonly slack: number; readonly alarm: number };
  readonly shifts: readonly ShiftAnswer[];
};

const REPETITIONS = 100;

export async function runDriftJob(
  job: DriftJob,
  onProgress: (share: number) => void,
): Promise<DriftAnswers> {
  const recordings = await readRecordings(job.folder);
  const profile = profileFor(recordings);
  const all = makeWindows(recordings, profile);
  const known = splitBouts(all, windowsOfSubjects(all, job.train), job.seed, { share: 0.6 });
  const rest = splitBouts(all, known.second, job.seed + 1, { share: 0.5 });
  const train = pickWindows(all, known.first);
  const unshifted = pickWindows(all, rest.second);
  const trained = await trainBoth(profile, train, job, (share) => onProgress(0.8 * share));
  const windowsPerNodeDay = 86_400_000 / hopMs(profile);
  const { parameters, expected } = calibrateGate({
    student: trained.loaded,
    trained: train,
    held: pickWindows(all, rest.first),
    target: { kind: "offload-share", share: 0.1 },
    augmentation: trained.recipe.student.options.augmentation,
    windowsPerNodeDay,
    seed: job.seed,
  });
  const gate = parameters.novelty;
  assert(gate !== null, "calibration was asked for novelty");
  const calm = tracksOf(trained, gate, unshifted);
  const shifts: ShiftAnswer[] = [];
  const measure = async (name: string, stages: readonly WindowSet[]): Promise<void> => {
    const tracks = stages.map((windows) => tracksOf(trained, gate, windows));
    const random = prng(job.seed, `turn-${name}`);
    shifts.push({
      name,
      studentAccuracy: studentAccuracyOf(tracks.at(-1) as readonly BoutTrack[]),
      teacherAccuracy: await teacherAccuracyOf(trained, stages.at(-1) as WindowSet),
      delays: Array.from({ length: REPETITIONS }, () => delayOf(gate, calm, tracks, random)),
    });
    const all = job.broken.length + job.shift.length + 1;
    onProgress(0.8 + (0.2 * shifts.length) / all);
  };
  for (const subject of job.shift) {
    await measure(subject, [pickWindows(all, windowsOfSubjects(all, [subject]))]);
  }
  if (job.shift.length > 0) {
    await measure("natural", [pickWindows(all, windowsOfSubjects(all, job.shift))]);
  }
  const tested = stretchesOf(makeWindows(numberedBySegment(recordings), profile), rest.second);
  for (const name of job.broken) {
    const stages = shiftStages(recordings, name, job.seed).map((broken) =>
      windowsWithin(makeWindows(numberedBySegment(broken), profile), tested),
    );
    await measure(name, stages);
  }
  const answers = {
    unshifted: {
      studentAccuracy: studentAccuracyOf(calm),
      falseAlarms: falseAlarmRate(
        gate,
        calm.map(({ novelties }) => novelties),
        windowsPerNodeDay,
        prng(job.seed, "false-alarms"),
      ),
    },
    calibrated: expected.falseAlarms,
    thresholds: { slack: gate.slackQ8 / 256, alarm: gate.thresholdQ8 / 256 },
    shifts,
  };
  await trained.release();
  return answers;
}

function tracksOf(trained: TrainedStudent, gate: NoveltyGate, windows: WindowSet): BoutTrack[] {
  const samples = noveltySamples(trained.loaded, windows);
  const right = rightOf(samples.records, windows);
  const inOrder = [...new Set(windows.bouts)];
  return boutNovelties(gate, samples, windows.bouts).map((novelties, i) => ({
    novelties,
    right: right.filter((_, window) => windows.bouts[window] === inOrder[i]),
  }));
}

/** Of the last exit: 1 where it is right. */
function rightOf(records: ExitRecords, windows: WindowSet): Uint8Array {
  const last = records.exits.length - 1;
  return Uint8Array.from(windows.labels, (label, i) =>
    largestIndex(logitsAt(records, last, i)) === label ? 1 : 0,
  );
}

function studentAccuracyOf(tracks: readonly BoutTrack[]): number {
  const right = tracks.flatMap((track) => [...track.right]);
  return right.reduce((sum, one) => sum + one, 0) / right.length;
}

async function teacherAccuracyOf(trained: TrainedStudent, windows: WindowSet): Promise<number> {
  const { classes } = trained.loaded.container.student;
  const predicted = predictedOf({ classes, probabilities: await trained.teach(windows) });
  return accuracyOf(confusionOf(classes, windows.labels, predicted), classes);
}
