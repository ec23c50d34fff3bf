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
import { largestIndex, predictedOf } from "../src/learn/metrics.ts";
import { prng } from "../src/prng.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import { hopMs } from "../src/signal/profile.ts";
import { profileFor } from "../src/signal/profiles.ts";
import { splitBouts, windowsOfSubjects } from "../src/signal/splits.ts";
import { pickWindows, type WindowSet } from "../src/signal/window-set.ts";
import { type CohortAnswers, cohortAnswers } from "./drift-cohort-job.ts";
import { type Worn, wornOf } from "./drift-lives.ts";
import { type Collar, falseFaults, type SensorDelay, sensorDelayOf } from "./drift-sensors.ts";
import {
  FAULTS,
  numberedBySegment,
  rateFactorOf,
  shiftStages,
  stretchesOf,
  windowsWithin,
} from "./drift-shifts.ts";
import { type BoutTrack, type Delay, delayOf } from "./drift-streams.ts";
import { type TrainingJob, trainBoth } from "./gate-job.ts";
import type { TrainedStudent } from "./trained-student.ts";

export type DriftJob = TrainingJob & {
  readonly folder: string;
  readonly train: readonly string[];
  /** Animals whose collars sit differently: the natural turn. */
  readonly shift: readonly string[];
  /** Turns, slips and faults, as `drift-shifts.ts` names them. */
  readonly broken: readonly string[];
  /** A node-day, that calibration aims at; undefined for its default. */
  readonly falseAlarms?: number | undefined;
};

export type ShiftAnswer = {
  readonly name: string;
  /** At the end of a slip. */
  readonly studentAccuracy: number;
  readonly teacherAccuracy: number;
  /** One per repetition. */
  readonly delays: readonly Delay[];
  /** Of faults: until the gateway says that the sensor is broken, beside the same life's alarm. */
  readonly sensor: readonly SensorDelay[];
};

export type DriftAnswers = {
  readonly unshifted: {
    readonly studentAccuracy: number;
    readonly falseAlarms: AlarmRate;
    /** Sound sensors that were called broken, in so many node-days. */
    readonly falseFaults: { readonly count: number; readonly nodeDays: number };
  };
  /** On the bouts that set the thresholds. */
  readonly calibrated: AlarmRate | null;
  readonly thresholds: { readonly slack: number; readonly alarm: number };
  readonly shifts: readonly ShiftAnswer[];
  readonly cohort: CohortAnswers;
};

const REPETITIONS = 100;
const SENSOR_REPETITIONS = 40;

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
  const trained = await trainBoth(profile, train, job, (share) => onProgress(0.5 * share));
  const windowsPerNodeDay = 86_400_000 / hopMs(profile);
  const { parameters, expected } = calibrateGate({
    student: trained.loaded,
    trained: train,
    held: pickWindows(all, rest.first),
    target: { kind: "offload-share", share: 0.1 },
    augmentation: trained.recipe.student.options.augmentation,
    windowsPerNodeDay,
    ...(job.falseAlarms !== undefined && { falseAlarmsPerNodeDay: job.falseAlarms }),
    seed: job.seed,
  });
  const gate = parameters.novelty;
  assert(gate !== null, "calibration was asked for novelty");
  const calm = await wornBy(trained, pickWindows(all, rest.second));
  const { inputMilligPerStep } = profile;
  const collar: Collar = { gate: parameters, hopMs: hopMs(profile), inputMilligPerStep, calm };
  const tested = stretchesOf(makeWindows(numberedBySegment(recordings), profile), rest.second);
  const wornAs = (name: string): Promise<Worn>[] => {
    if (job.shift.includes(name)) {
      return [wornBy(trained, pickWindows(all, windowsOfSubjects(all, [name])))];
    }
    if (name === NATURAL) {
      return [wornBy(trained, pickWindows(all, windowsOfSubjects(all, job.shift)))];
    }
    return shiftStages(recordings, name, job.seed).map((broken) =>
      wornBy(trained, windowsWithin(makeWindows(numberedBySegment(broken), profile), tested)),
    );
  };
  const names = [...job.shift, ...(job.shift.length > 0 ? [NATURAL] : []), ...job.broken];
  const shifts: ShiftAnswer[] = [];
  const worn = new Map<string, Worn>();
  for (const name of names) {
    const stages = await Promise.all(wornAs(name));
    const animals = recordings.segments.map(({ subject }) => subject);
    shifts.push(shiftAnswer(job, collar, gate, name, stages, animals));
    worn.set(name, stages.at(-1) as Worn);
    onProgress(0.5 + (0.3 * shifts.length) / names.length);
  }
  const answers = {
    unshifted: unshiftedAnswers(job, collar, gate, windowsPerNodeDay),
    calibrated: expected.falseAlarms,
    thresholds: { slack: gate.slackQ8 / 256, alarm: gate.thresholdQ8 / 256 },
    shifts,
    cohort: cohortAnswers(collar, worn, job, (share) => onProgress(0.8 + 0.2 * share)),
  };
  await trained.release();
  return answers;
}

/** All animals of the natural turn together. */
const NATURAL = "natural";
const FALSE_FAULT_DAYS = 10;

function unshiftedAnswers(
  { seed, quick }: DriftJob,
  collar: Collar,
  gate: NoveltyGate,
  windowsPerNodeDay: number,
): DriftAnswers["unshifted"] {
  const tracks = tracksOf(gate, collar.calm);
  const novelties = tracks.map((track) => track.novelties);
  const random = prng(seed, "false-alarms");
  const nodeDays = quick ? 0.1 : FALSE_FAULT_DAYS;
  const windows = nodeDays * windowsPerNodeDay;
  return {
    studentAccuracy: studentAccuracyOf(tracks),
    falseAlarms: falseAlarmRate(gate, novelties, windowsPerNodeDay, random),
    falseFaults: { count: falseFaults(collar, windows, prng(seed, "false-faults")), nodeDays },
  };
}

function shiftAnswer(
  job: DriftJob,
  collar: Collar,
  gate: NoveltyGate,
  name: string,
  stages: readonly Worn[],
  animals: readonly string[],
): ShiftAnswer {
  const calm = tracksOf(gate, collar.calm);
  const tracks = stages.map((stage) => tracksOf(gate, stage));
  const last = stages.at(-1) as Worn;
  const random = prng(job.seed, `turn-${name}`);
  const rateFactor = rateFactorOf(name);
  const collars = FAULTS.includes(name) ? byAnimal(last, animals) : [];
  const sensorRandom = prng(job.seed, `sensor-${name}`);
  const repetitions = job.quick ? 4 : SENSOR_REPETITIONS;
  return {
    name,
    studentAccuracy: studentAccuracyOf(tracks.at(-1) as readonly BoutTrack[]),
    teacherAccuracy:
      last.taught.filter((label, i) => label === last.windows.labels[i]).length /
      last.taught.length,
    delays: Array.from({ length: REPETITIONS }, () => delayOf(gate, calm, tracks, random)),
    sensor:
      collars.length === 0
        ? []
        : Array.from({ length: repetitions }, (_, i) => {
            const broken = { worn: collars[i % collars.length] as Worn, rateFactor };
            return sensorDelayOf(collar, broken, sensorRandom);
          }),
  };
}

/** A sensor is of one animal, and sticks at one value. Subjects are numbers of segments. */
function byAnimal(worn: Worn, animals: readonly string[]): Worn[] {
  const { subjects } = worn.windows;
  const of = ([first = 0]: readonly number[]): string => animals[Number(subjects[first])] ?? "";
  return [...Map.groupBy(worn.bouts, of).values()].map((bouts) => ({ ...worn, bouts }));
}

/** Windows with what student and teacher say of them. */
async function wornBy(trained: TrainedStudent, windows: WindowSet): Promise<Worn> {
  const { classes } = trained.loaded.container.student;
  const probabilities = await trained.teach(windows);
  const taught = predictedOf({ classes, probabilities });
  return wornOf(windows, noveltySamples(trained.loaded, windows), Uint8Array.from(taught));
}

function tracksOf(gate: NoveltyGate, { windows, samples, bouts }: Worn): BoutTrack[] {
  const right = rightOf(samples.records, windows);
  return boutNovelties(gate, samples, windows.bouts).map((novelties, i) => ({
    novelties,
    right: Uint8Array.from(bouts[i] ?? [], (window) => right[window] as number),
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
