/**
 * The alarm's threshold from the false alarms that unshifted recordings would give.
 *
 * Windows of one bout resemble each other, so formulas for independent samples promise far fewer
 * false alarms than there will be. Here whole bouts are drawn with replacement until a node-day is
 * full (a bootstrap over bouts), in two steps: which bouts exist at all, then which come in a day.
 * The bound is the 95th percentile over both. What no bout shows, no bootstrap can foresee: the
 * bound speaks of bouts like those recorded, and says how many there were; `fitAlarm` then adds
 * some slack of its own.
 */

import { assert } from "../assert.ts";
import type { Prng } from "../prng.ts";
import { below } from "../prng.ts";
import type { NoveltyGate } from "./gate-parameters.ts";
import { NO_DRIFT } from "./gate-state.ts";
import { accumulate } from "./novelty.ts";

/** Standardised log distances of one bout in order, Q8. */
export type BoutNovelty = Int32Array;

export type AlarmRate = {
  readonly bouts: number;
  readonly windows: number;
  /** Expected alarms per node-day, and the 95th percentile of the two-step bootstrap. */
  readonly perNodeDay: number;
  readonly upperPerNodeDay: number;
};

/** Node-days that are drawn for one estimate. */
const REPLICAS = 40;

/** Alarms (rising edges) per node-day under a gate's slack and threshold. */
export function falseAlarmRate(
  gate: NoveltyGate,
  bouts: readonly BoutNovelty[],
  windowsPerNodeDay: number,
  random: Prng,
): AlarmRate {
  const windows = bouts.reduce((sum, bout) => sum + bout.length, 0);
  if (windows === 0) {
    return {
      bouts: 0,
      windows: 0,
      perNodeDay: Number.POSITIVE_INFINITY,
      upperPerNodeDay: Number.POSITIVE_INFINITY,
    };
  }
  const days = Array.from({ length: REPLICAS }, () =>
    alarmsOfDay(gate, bouts, windowsPerNodeDay, random),
  ).sort((a, b) => a - b);
  return {
    bouts: bouts.length,
    windows,
    perNodeDay: days.reduce((sum, alarms) => sum + alarms, 0) / REPLICAS,
    upperPerNodeDay: days[Math.ceil(0.95 * REPLICAS) - 1] as number,
  };
}

function alarmsOfDay(
  gate: NoveltyGate,
  bouts: readonly BoutNovelty[],
  windowsPerNodeDay: number,
  random: Prng,
): number {
  const exist = bouts.map(() => below(random, bouts.length));
  let state = NO_DRIFT;
  let alarms = 0;
  let windows = 0;
  while (windows < windowsPerNodeDay) {
    const bout = bouts[exist[below(random, exist.length)] as number] as BoutNovelty;
    for (const standardised of bout) {
      const after = accumulate(gate, state, standardised);
      if (after.alarm && !state.alarm) alarms++;
      state = after;
    }
    windows += bout.length;
  }
  return alarms;
}

/** Candidates for the slack (k), in standard deviations. */
const SLACKS = [0.5, 0.75, 1, 1.5, 2, 2.5, 3] as const;
/** What no bout of calibration showed will come all the same: added to the slack that sufficed. */
const SPARE_SLACK = 0.25;
/** A threshold below this would alarm on a window or two, whatever the recordings say. */
const LEAST_THRESHOLD_Q8 = 8 * 256;
const MOST_THRESHOLD_Q8 = 32767;
/** How finely the threshold is sought. */
const THRESHOLD_STEP_Q8 = 64;

/**
 * The slack and threshold that see a lasting shift of `shift` standard deviations soonest among
 * those whose bound on false alarms holds. Where none holds, the largest threshold of the largest
 * slack is returned, and its rate says so.
 */
export function fitAlarm(
  gate: NoveltyGate,
  bouts: readonly BoutNovelty[],
  wanted: {
    readonly windowsPerNodeDay: number;
    readonly mostPerNodeDay: number;
    readonly shift: number;
  },
  random: (purpose: string) => Prng,
): { readonly gate: NoveltyGate; readonly rate: AlarmRate } {
  const fitted = SLACKS.map((slack) => {
    const withSlack = { ...gate, slackQ8: Math.round(slack * 256) };
    const rateAt = (thresholdQ8: number): AlarmRate =>
      falseAlarmRate(
        { ...withSlack, thresholdQ8 },
        bouts,
        wanted.windowsPerNodeDay,
        // The same days for every threshold: the rate then falls steadily as the threshold rises.
        random(`days-${slack}`),
      );
    let low = LEAST_THRESHOLD_Q8;
    let high = MOST_THRESHOLD_Q8;
    if (rateAt(low).upperPerNodeDay <= wanted.mostPerNodeDay) high = low;
    while (high - low > THRESHOLD_STEP_Q8) {
      const middle = (low + high) >> 1;
      if (rateAt(middle).upperPerNodeDay <= wanted.mostPerNodeDay) high = middle;
      else low = middle;
    }
    const delay = high / 256 / Math.max(0.01, wanted.shift - slack);
    const slackQ8 = Math.round((slack + SPARE_SLACK) * 256);
    return { gate: { ...gate, slackQ8, thresholdQ8: high }, rate: rateAt(high), delay };
  });
  const holding = fitted.filter(({ rate }) => rate.upperPerNodeDay <= wanted.mostPerNodeDay);
  const best = holding.sort((a, b) => a.delay - b.delay)[0] ?? fitted.at(-1);
  assert(best !== undefined, "there are slacks to choose from");
  return { gate: best.gate, rate: best.rate };
}
