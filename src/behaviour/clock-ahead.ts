/**
 * Windows whose clock cannot be believed: from far ahead of everything that is known.
 *
 * Bouts follow the node's own clock, and what is older than the last half hour stands. So a single hour
 * with the clock of another century would end them for good: all that came after, with the clock put
 * right, would be older. Windows further ahead than this are left out, and what did an animal then is
 * unknown. A clock that is behind does no harm, nor does a simulated one that runs ahead day by day.
 */

import { DAY_MS } from "./budget.ts";
import type { SeenWindow } from "./open-windows.ts";

/** A gateway without a network may have been off for weeks, and its own clock be behind by as many. */
export const AHEAD_MOST_MS = 30 * DAY_MS;

/**
 * The windows that are believed, in the order given.
 *
 * @param newestMs the end of the newest window that was believed; the first of all always is
 * @param nowMs by the gateway's clock
 */
export function believedWindows(
  windows: readonly SeenWindow[],
  newestMs: number,
  nowMs: number,
): readonly SeenWindow[] {
  let newest = newestMs;
  return windows.filter(({ timeMs }) => {
    if (isFarAhead(timeMs, newest, nowMs)) return false;
    newest = Math.max(newest, timeMs);
    return true;
  });
}

export function isFarAhead(timeMs: number, newestMs: number, nowMs: number): boolean {
  const isFirst = newestMs === Number.NEGATIVE_INFINITY;
  return !isFirst && timeMs > Math.max(newestMs, nowMs) + AHEAD_MOST_MS;
}
