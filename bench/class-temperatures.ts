/**
 * A temperature for each answered class, to see whether one for all is enough. The gate has one an
 * exit; this is the comparison, and no node runs it.
 */
import { largestIndex, softmaxRows } from "../src/learn/metrics.ts";
import type { WindowSet } from "../src/signal/window-set.ts";

/** Windows of doubt, with which a class that is seldom answered keeps the exit's temperature. */
const DOUBT_WINDOWS = 200;
const STEPS = 41;
const RANGE = 2.5;

/**
 * Per class the temperature that makes the truth of its answers most likely, among steps of log T
 * around the exit's, drawn towards it where the class is seldom answered.
 *
 * @param logits `[window][class]`, nats
 */
export function fitClassTemperatures(
  logits: Float32Array,
  { labels, count }: WindowSet,
  temperature: number,
): readonly number[] {
  const classes = logits.length / count;
  const rows = Array.from({ length: count }, (_, i) =>
    logits.subarray(i * classes, (i + 1) * classes),
  );
  return Array.from({ length: classes }, (_, c) => {
    const own = rows.flatMap((row, i) => (largestIndex(row) === c ? [{ row, i }] : []));
    const cost = (tried: number): number =>
      own.reduce((sum, { row, i }) => {
        const claimed = softmaxRows(row, classes, tried)[labels[i] as number] as number;
        return sum - Math.log(Math.max(1e-9, claimed));
      }, 0);
    const tried = Array.from(
      { length: STEPS },
      (_, n) => temperature * RANGE ** ((2 * n) / (STEPS - 1) - 1),
    );
    const costs = tried.map(cost);
    const best = tried[costs.indexOf(Math.min(...costs))] as number;
    const spoken = own.length / (own.length + DOUBT_WINDOWS);
    return temperature * (best / temperature) ** spoken;
  });
}
