/**
 * Whether a node measures as often as its profile says, by when its windows ended: a chip that samples
 * twice as fast fills its windows in half of the time, and every window then shows another animal
 * than it says. No signal processing sees that where behaviours survive it; a clock does.
 *
 * Eight windows by eight: the time that they took, over the time that they should have. Gaps make
 * windows late and never early, and few steps of a stretch are gaps; so a rate is wrong when every
 * one of the last stretches says so, in its middle step where that is faster. Windows that are timed
 * by counting samples instead of by a clock tell nothing. Pure.
 */

/** Windows in a stretch, and stretches that must agree: 40 windows, a minute or two. */
const STRETCH_WINDOWS = 8;
const STRETCHES = 5;
/** Chips keep their nominal rate to about a tenth; this is beyond. */
const WRONG_FACTOR = 1.15;

export type WindowEnd = {
  /** Counts the windows of an epoch. */
  readonly windowIndex: number;
  /** By the node's clock. */
  readonly timeMs: number;
};

export type RateWatch = {
  readonly epoch: number;
  /** Of the running stretch, the first window's end first. */
  readonly ends: readonly WindowEnd[];
  /** Of the last stretches, oldest first: time taken over time due. */
  readonly paces: readonly number[];
  /** How many times as fast as it should; null while nothing is wrong. */
  readonly factor: number | null;
};

export const NEW_RATE_WATCH: RateWatch = { epoch: 0, ends: [], paces: [], factor: null };

/** Takes in the windows of one report. What was seen before, or is from before that, is passed over. */
export function watchRate(
  before: RateWatch,
  epoch: number,
  windows: readonly WindowEnd[],
  hopMs: number,
): RateWatch {
  let watch = epoch === before.epoch ? before : { ...before, epoch, ends: [] };
  for (const end of windows) watch = afterWindow(watch, end, hopMs);
  return watch;
}

function afterWindow(
  watch: RateWatch,
  { windowIndex, timeMs }: WindowEnd,
  hopMs: number,
): RateWatch {
  const last = watch.ends.at(-1);
  if (last !== undefined && windowIndex <= last.windowIndex) return watch;
  const ends = [...watch.ends, { windowIndex, timeMs }];
  if (ends.length <= STRETCH_WINDOWS) return { ...watch, ends };
  const paces = [...watch.paces, paceOf(ends, hopMs)].slice(-STRETCHES);
  return { ...watch, ends: ends.slice(-1), paces, factor: factorOf(paces, watch.factor) };
}

/** In the mean, or of the middle one of its steps where that is less: one gap is in the mean only, and
 * of windows that are handed over in blocks only the mean is right. */
function paceOf(ends: readonly WindowEnd[], hopMs: number): number {
  const step = (from: WindowEnd, to: WindowEnd): number =>
    (to.timeMs - from.timeMs) / ((to.windowIndex - from.windowIndex) * hopMs);
  const steps = ends.slice(1).map((end, i) => step(ends[i] as WindowEnd, end));
  steps.sort((a, b) => a - b);
  const mean = step(ends[0] as WindowEnd, ends.at(-1) as WindowEnd);
  return Math.min(mean, steps[Math.floor(steps.length / 2)] as number);
}

/** Once it was wrong, it is until every stretch is within bounds again. */
function factorOf(paces: readonly number[], before: number | null): number | null {
  if (paces.length < STRETCHES) return before;
  const typical = [...paces].sort((a, b) => a - b)[Math.floor(paces.length / 2)] as number;
  // A clock that stands still or runs back says nothing of the sensor.
  if (typical <= 0) return before;
  const isFast = (pace: number): boolean => pace > 0 && pace * WRONG_FACTOR < 1;
  const isSlow = (pace: number): boolean => pace > WRONG_FACTOR;
  if (paces.every(isFast) || paces.every(isSlow)) return 1 / typical;
  return paces.some((pace) => isFast(pace) || isSlow(pace)) ? before : null;
}
