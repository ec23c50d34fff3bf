/** What the nodes' students are worth on bouts that the loop never saw, and on the animals it knew. */

import { chooseEngine } from "../src/engine/choose-engine.ts";
import type { LoadedStudent } from "../src/engine/engine.ts";
import { logitsAt, recordExits } from "../src/gate/exit-records.ts";
import type { AlarmRate } from "../src/gate/false-alarms.ts";
import { falseAlarmRate } from "../src/gate/false-alarms.ts";
import { gateOf } from "../src/gate/gate-bytes.ts";
import { boutNovelties, noveltySamples } from "../src/gate/novelty-samples.ts";
import { boutAccuracyOf, metricsOf, softmaxRows } from "../src/learn/metrics.ts";
import { decodeContainer } from "../src/model/container.ts";
import { prng } from "../src/prng.ts";
import { hopMs } from "../src/signal/profile.ts";
import { windowsOfSubjects } from "../src/signal/splits.ts";
import { pickWindows, type WindowSet } from "../src/signal/window-set.ts";
import type { LoopSetup } from "./loop-setup.ts";

export type Scores = {
  readonly accuracy: number;
  readonly macroF1: number;
  readonly boutAccuracy: number;
};

export type LoopScores = {
  readonly before: Scores;
  readonly after: Scores;
  readonly teacher: Scores;
  readonly anchorBefore: number;
  readonly anchorAfter: number;
  /** Of the factory student on kept bouts of the animals that it knows. */
  readonly falseAlarms: AlarmRate;
};

/** @param final bytes of the container that each shifted subject's node runs at the end */
export function scoreLoop(setup: LoopSetup, final: ReadonlyMap<string, Uint8Array>): LoopScores {
  const { test, unshifted, packed, profile } = setup;
  const classes = profile.classes.length;
  const factory = chooseEngine().load(packed.container);
  const after = new Float32Array(test.count * classes);
  const known: number[] = [];
  for (const [subject, bytes] of final) {
    const student = chooseEngine().load(decodeContainer(bytes));
    const indices = windowsOfSubjects(test, [subject]);
    const own = probabilitiesOf(student, pickWindows(test, indices));
    indices.forEach((index, row) => {
      after.set(own.subarray(row * classes, (row + 1) * classes), index * classes);
    });
    known.push(scoresOf(probabilitiesOf(student, unshifted), unshifted, classes).accuracy);
  }
  const before = scoresOf(probabilitiesOf(factory, unshifted), unshifted, classes);
  return {
    before: scoresOf(probabilitiesOf(factory, test), test, classes),
    after: scoresOf(after, test, classes),
    teacher: scoresOf(softmaxRows(setup.teacherLogits, classes), test, classes),
    anchorBefore: before.accuracy,
    anchorAfter: Math.min(...known),
    falseAlarms: falseAlarmsOf(factory, unshifted, setup),
  };
}

/** Answers of the last exit, nothing offloaded. */
export function probabilitiesOf(student: LoadedStudent, windows: WindowSet): Float32Array {
  const records = recordExits(student, windows);
  const logits = new Float32Array(windows.count * records.classes);
  for (let i = 0; i < windows.count; i++) {
    const row = Float32Array.from(logitsAt(records, student.exits - 1, i), (q8) => q8 / 256);
    logits.set(row, i * records.classes);
  }
  return softmaxRows(logits, records.classes);
}

export function scoresOf(probabilities: Float32Array, windows: WindowSet, classes: number): Scores {
  const scored = { classes, probabilities, labels: windows.labels };
  const { accuracy, macroF1 } = metricsOf(scored);
  return { accuracy, macroF1, boutAccuracy: boutAccuracyOf(scored, windows.bouts) };
}

function falseAlarmsOf(student: LoadedStudent, windows: WindowSet, setup: LoopSetup): AlarmRate {
  const { novelty } = gateOf(setup.packed.container);
  if (novelty === null) return { bouts: 0, windows: 0, perNodeDay: 0, upperPerNodeDay: 0 };
  const bouts = boutNovelties(novelty, noveltySamples(student, windows), windows.bouts);
  const windowsPerNodeDay = 86_400_000 / hopMs(setup.profile);
  return falseAlarmRate(novelty, bouts, windowsPerNodeDay, prng(1, "false alarms"));
}
