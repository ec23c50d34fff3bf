/**
 * The trial of a new model: it is confirmed when it has answered enough windows in a healthy way
 * and the gateway has been heard; otherwise the node goes back.
 *
 * Healthy means that its answers depend on what it sees. The self-test has shown that it computes
 * the promised bits; this shows that those bits are of use: a student whose logits stay the same,
 * bit for bit, while the signal plainly changes, or which never prefers one class to another, is
 * broken however it came to be. Whether it is a *good* student is the gateway's to judge.
 */

import { statisticsDistance, type WindowStatistics } from "../src/gate/window-statistics.ts";
import type { NodeSettings, Now } from "./node-types.ts";

/**
 * L1 distance of raw statistics, in int8 steps over all axes, that a working student must notice.
 */
const PLAIN_CHANGE = 24;
/** Plainly changed windows without any change of the logits. */
const MOVED_WINDOWS = 5;

export type Trial = {
  windows: number;
  /** Windows that differed plainly from the first, and those of them with the same logits. */
  moved: number;
  unmoved: number;
  /** Windows in which all classes had the same logit. */
  flat: number;
  first: { readonly statistics: WindowStatistics; readonly logits: Int16Array } | undefined;
  /** Outbox entries from here on were made under the new model; and whether the gateway has
   * acknowledged one, which proves the way there and back. */
  readonly firstSeq: number;
  heard: boolean;
  readonly startedMs: number;
};

export type TrialVerdict = "confirm" | "revert" | "go-on";

export function startTrial(firstSeq: number, now: Now): Trial {
  return {
    windows: 0,
    moved: 0,
    unmoved: 0,
    flat: 0,
    first: undefined,
    firstSeq,
    heard: false,
    startedMs: now.uptimeMs,
  };
}

/** Takes in one window's statistics and the logits of exit 0, which every window reaches. */
export function watchTrial(trial: Trial, statistics: WindowStatistics, logits: Int16Array): void {
  trial.windows += 1;
  if (logits.every((logit) => logit === logits[0])) trial.flat += 1;
  if (trial.first === undefined) {
    trial.first = { statistics, logits: logits.slice() };
    return;
  }
  const { first } = trial;
  if (statisticsDistance(first.statistics, statistics) < PLAIN_CHANGE) return;
  trial.moved += 1;
  if (logits.every((logit, i) => logit === first.logits[i])) trial.unmoved += 1;
}

export function judgeTrial(trial: Trial, settings: NodeSettings, now: Now): TrialVerdict {
  const constant = trial.moved >= MOVED_WINDOWS && trial.unmoved === trial.moved;
  if (constant) return "revert";
  if (trial.windows >= settings.trialWindows) {
    if (trial.flat === trial.windows) return "revert";
    if (trial.heard) return "confirm";
  }
  return now.uptimeMs - trial.startedMs >= settings.trialMs ? "revert" : "go-on";
}
