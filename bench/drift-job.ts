/**
 * One seed of the drift benchmark: a student trained on some animals, an alarm calibrated on bouts
 * of the same animals that were held out, and then turned collars and other animals.
 *
 * Three parts of the training animals' bouts: trained on, calibrated on, and neither. False alarms
 * are counted on the third part; turns are those bouts again, turned. No threshold sees a window
 * that is tested.
 */
import { readRecordings } from "../recordings/read.ts";
import { calibrateGate } from "../src/gate/calibrate.ts";
import { logitsAt } from "../src/gate/exit-records.ts";
import { type AlarmRate, type BoutNovelty, falseAlarmRate } from "../src/gate/false-alarms.ts";
import type { NoveltyGate } from "../src/gate/gate-parameters.ts";
import { NO_DRIFT } from "../src/gate/gate-state.ts";
import { accumulate } from "../src/gate/novelty.ts";
import { boutNovelties, noveltySamples } from "../src/gate/novelty-samples.ts";
import { largestIndex } from "../src/learn/metrics.ts";
import { below, type Prng, prng } from "../src/prng.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import { hopMs } from "../src/signal/profile.ts";
import { profileFor } from "../src/signal/profiles.ts";
import { splitBouts, windowsOfSubjects } from "../src/signal/splits.ts";
import { parseTurn, turnRecordings } from "../src/signal/turn.ts";
import { pickWindows, type WindowSet } from "../src/signal/window-set.ts";
import { assert } from "../src/assert.ts";
import { type TrainedStudent, trainBoth } from "./gate-job.ts";

export type DriftJob = {
  readonly folder: string;
  readonly train: readonly string[];
  /** Animals whose collars sit differently: the natural turn. */
  readonly shift: readonly string[];
  readonly turns: readonly string[];
  readonly seed: number;
  readonly quick: boolean;
  readonly student: "default" | "plain";
};

export type ShiftAnswer = {
  readonly name: string;
  readonly studentAccuracy: number;
  readonly teacherAccuracy: number;
  /** Windows from the turn to the alarm, one per repetition; `NO_ALARM` where none came. */
  readonly windowsToAlarm: readonly number[];
};

export type DriftAnswers = {
  readonly unshifted: { readonly studentAccuracy: number; readonly falseAlarms: AlarmRate };
  /** On the bouts that set the thresholds. */
  readonly calibrated: AlarmRate | null;
  readonly thresholds: { readonly slack: number; readonly alarm: number };
  readonly shifts: readonly ShiftAnswer[];
};

/** Repetitions give up here. */
export const NO_ALARM = 1000;
const REPETITIONS = 100;
/** Unshifted windows before each turn, so that the statistic starts where it would be. */
const WINDOWS_BEFORE = 60;

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
  const calm = noveltiesOf(trained, gate, unshifted);
  const shifts: ShiftAnswer[] = [];
  const measure = async (name: string, windows: WindowSet): Promise<void> => {
    const novelties = noveltiesOf(trained, gate, windows);
    const random = prng(job.seed, `turn-${name}`);
    shifts.push({
      name,
      ...(await accuraciesOf(trained, windows)),
      windowsToAlarm: Array.from({ length: REPETITIONS }, () =>
        windowsToAlarm(gate, calm, novelties, random),
      ),
    });
  };
  for (const subject of job.shift) {
    await measure(subject, pickWindows(all, windowsOfSubjects(all, [subject])));
  }
  if (job.shift.length > 0) {
    await measure("natural", pickWindows(all, windowsOfSubjects(all, job.shift)));
  }
  for (const turn of job.turns) {
    const turned = makeWindows(turnRecordings(recordings, parseTurn(turn)), profile);
    await measure(turn, pickWindows(turned, rest.second));
    onProgress(0.8 + (0.2 * shifts.length) / (job.turns.length + job.shift.length + 1));
  }
  const answers = {
    unshifted: {
      studentAccuracy: (await accuraciesOf(trained, unshifted)).studentAccuracy,
      falseAlarms: falseAlarmRate(gate, calm, windowsPerNodeDay, prng(job.seed, "false-alarms")),
    },
    calibrated: expected.falseAlarms,
    thresholds: { slack: gate.slackQ8 / 256, alarm: gate.thresholdQ8 / 256 },
    shifts,
  };
  await trained.release();
  return answers;
}

function noveltiesOf(
  trained: TrainedStudent,
  gate: NoveltyGate,
  windows: WindowSet,
): readonly BoutNovelty[] {
  return boutNovelties(gate, noveltySamples(trained.loaded, windows), windows.bouts);
}

async function accuraciesOf(
  trained: TrainedStudent,
  windows: WindowSet,
): Promise<{ studentAccuracy: number; teacherAccuracy: number }> {
  const { records } = noveltySamples(trained.loaded, windows);
  const teacher = await trained.teach(windows);
  const last = records.exits.length - 1;
  let student = 0;
  let teaching = 0;
  for (let i = 0; i < windows.count; i++) {
    const row = teacher.subarray(i * records.classes, (i + 1) * records.classes);
    if (largestIndex(logitsAt(records, last, i)) === windows.labels[i]) student++;
    if (largestIndex(row) === windows.labels[i]) teaching++;
  }
  return { studentAccuracy: student / windows.count, teacherAccuracy: teaching / windows.count };
}

/** Unshifted bouts for a while, then shifted ones from a random place in a random bout on. A false
 * alarm before the turn is waited out, and leaves the gate as much harder to alarm as on a node. */
function windowsToAlarm(
  gate: NoveltyGate,
  calm: readonly BoutNovelty[],
  shifted: readonly BoutNovelty[],
  random: Prng,
): number {
  let state = NO_DRIFT;
  const before = streamOf(calm, random);
  for (let i = 0; i < WINDOWS_BEFORE || (state.alarm && i < NO_ALARM); i++) {
    state = accumulate(gate, state, before());
  }
  const after = streamOf(shifted, random);
  for (let windows = 1; windows < NO_ALARM; windows++) {
    state = accumulate(gate, state, after());
    if (state.alarm) return windows;
  }
  return NO_ALARM;
}

function streamOf(bouts: readonly BoutNovelty[], random: Prng): () => number {
  let bout = bouts[below(random, bouts.length)] as BoutNovelty;
  let at = below(random, bout.length);
  return () => {
    if (at >= bout.length) {
      bout = bouts[below(random, bouts.length)] as BoutNovelty;
      at = 0;
    }
    return bout[at++] as number;
  };
}
