/**
 * What offloads are to achieve, solved for the share of windows that it takes.
 *
 * A person states accuracy, bytes or energy; a gate knows one threshold. Where the teacher's answers
 * to the calibration windows are known the way in between is gone, verdicts and all, not computed.
 */

import { assert } from "../assert.ts";
import { predictedOf } from "../learn/metrics.ts";
import { type FilterGate, MARGIN_TOP_Q8 } from "./gate-parameters.ts";
import type { AnsweredWindows, Rehearsal } from "./rehearse.ts";

/** What the offloads are to achieve. */
export type GateTarget =
  /** Offload this share of windows, 0..1. */
  | { readonly kind: "offload-share"; readonly share: number }
  /** Offload as few as keep the accuracy within so many points (hundredths) of the teacher's. */
  | { readonly kind: "points-below-teacher"; readonly points: number }
  /** Offload what so many bytes a day pay for. */
  | {
      readonly kind: "bytes-per-day";
      readonly bytes: number;
      readonly bytesPerOffload: number;
    }
  /** Offload what so much energy a day pays for, whatever the link makes of a window. */
  | {
      readonly kind: "millijoules-per-day";
      readonly millijoules: number;
      readonly millijoulesPerOffload: number;
    };

/** Thresholds tried for a target below the teacher: a quarter of an octave apart. */
const MARGIN_STEP_Q8 = 64;

/** The share of windows to offload, 0..1, that meets the target on these windows. */
export function targetShare(
  target: GateTarget,
  windows: AnsweredWindows,
  rehearsal: Rehearsal,
  filter: FilterGate,
  windowsPerNodeDay: number,
): number {
  if (target.kind === "offload-share") return target.share;
  if (target.kind === "bytes-per-day") {
    return Math.min(1, target.bytes / target.bytesPerOffload / windowsPerNodeDay);
  }
  if (target.kind === "millijoules-per-day") {
    const offloads = target.millijoules / target.millijoulesPerOffload;
    return Math.min(1, offloads / windowsPerNodeDay);
  }
  const wanted = teacherRight(windows) - (target.points / 100) * rehearsal.count;
  for (let marginQ8 = 0; marginQ8 <= MARGIN_TOP_Q8; marginQ8 += MARGIN_STEP_Q8) {
    const { offloads, right } = rehearsal.run(filter, marginQ8);
    if (sum(right) >= wanted) return offloads / rehearsal.count;
  }
  return 1;
}

/** Right answers of the teacher alone. */
export function teacherRight({ teacher, labels, records }: AnsweredWindows): number {
  assert(teacher !== null, "a target below the teacher needs its answers");
  const said = predictedOf({ classes: records.classes, probabilities: teacher });
  return labels.reduce((right, label, i) => right + Number(said[i] === label), 0);
}

export function sum(values: Uint8Array): number {
  return values.reduce((total, value) => total + value, 0);
}
