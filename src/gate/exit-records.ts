/**
 * What a quantized student says of many windows, exit by exit: the raw material of calibration.
 *
 * It runs through an engine, so that thresholds are solved on the very integers a node will see.
 */

import type { LoadedStudent } from "../engine/engine.ts";
import type { WindowSet } from "../signal/window-set.ts";
import { windowAt } from "../signal/window-set.ts";
import type { ExitGate } from "./gate-parameters.ts";
import { fuseExits } from "./margins.ts";

export type ExitRecord = {
  /** `[window][class]`, Q8. */
  readonly logits: Int16Array;
  /** `[window][feature]`. */
  readonly features: Int8Array;
  readonly featureCount: number;
};

export type ExitRecords = {
  readonly count: number;
  readonly classes: number;
  readonly exits: readonly ExitRecord[];
};

/** Runs every stage on every window. */
export function recordExits(loaded: LoadedStudent, windows: WindowSet): ExitRecords {
  const { classes, stages } = loaded.container.student;
  const count = windows.count;
  const exits = stages.map(({ exit }) => ({
    logits: new Int16Array(count * classes),
    features: new Int8Array(count * exit.features),
    featureCount: exit.features,
  }));
  for (let i = 0; i < count; i++) {
    loaded.begin(windowAt(windows, i));
    for (const exit of exits) {
      const output = loaded.nextExit();
      exit.logits.set(output.logits, i * classes);
      exit.features.set(output.features, i * exit.featureCount);
    }
  }
  return { count, classes, exits };
}

/** The logits of one window at one exit, a view. */
export function logitsAt(records: ExitRecords, exit: number, window: number): Int16Array {
  const { logits } = records.exits[exit] as ExitRecord;
  return logits.subarray(window * records.classes, (window + 1) * records.classes);
}

/** The features of one window at one exit, a view. */
export function featuresAt(records: ExitRecords, exit: number, window: number): Int8Array {
  const { features, featureCount } = records.exits[exit] as ExitRecord;
  return features.subarray(window * featureCount, (window + 1) * featureCount);
}

/** What the first `depth` exits say of one window together, Q15. */
export function fusedAt(
  records: ExitRecords,
  gates: readonly ExitGate[],
  depth: number,
  window: number,
): Int32Array {
  const logits = Array.from({ length: depth }, (_, k) => logitsAt(records, k, window));
  return fuseExits(gates, logits);
}
