/**
 * How a burst tells bouts and repetitions apart, from the raw statistics of recordings.
 *
 * The student has no say in it: after an alarm it is in doubt about everything, or worse, about
 * nothing.
 */

import { below, prng } from "../prng.ts";
import type { WindowSet } from "../signal/window-set.ts";
import { windowAt } from "../signal/window-set.ts";
import type { BurstGate } from "./gate-parameters.ts";
import { statisticsDistance, windowStatistics } from "./window-statistics.ts";

/** Pairs of windows that are compared. */
const DRAWS = 4000;
const WINDOWS_PER_BOUT = 4;
const GAP_WINDOWS = 2;
/** A burst that has not found its windows within a quarter of a day never will. */
const EXPIRY_DAYS = 0.25;

/** Diversity from the recordings: a new bout is as far as windows of different bouts typically are,
 * a repetition nearer than half of the windows of one bout are to their neighbours. */
export function fitBurst(
  held: WindowSet,
  wanted: {
    readonly burstWindows?: number;
    readonly windowsPerNodeDay: number;
    readonly seed?: number;
  },
): BurstGate {
  const statistics = Array.from({ length: held.count }, (_, i) =>
    windowStatistics(windowAt(held, i), held.channels),
  );
  const random = prng(wanted.seed ?? 1, "calibrate-burst");
  const within: number[] = [];
  const between: number[] = [];
  for (let draw = 0; draw < DRAWS; draw++) {
    const a = below(random, held.count);
    const near = Math.min(held.count - 1, a + 1);
    const b = draw % 2 === 0 ? near : below(random, held.count);
    const distance = statisticsDistance(statistics[a] ?? [], statistics[b] ?? []);
    if (held.bouts[a] === held.bouts[b]) within.push(distance);
    else between.push(distance);
  }
  const quantile = (values: number[], share: number): number =>
    values.sort((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? 0;
  return {
    windows: wanted.burstWindows ?? 50,
    delayWindows: 0,
    expiryWindows: Math.min(65535, Math.round(wanted.windowsPerNodeDay * EXPIRY_DAYS)),
    perBout: WINDOWS_PER_BOUT,
    gapWindows: GAP_WINDOWS,
    diversity: Math.max(2, Math.round(quantile(within, 0.5))),
    boutChange: Math.max(8, Math.round(quantile(between, 0.5))),
  };
}
