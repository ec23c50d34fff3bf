/** One node's life in which it is moved from one operating point to the next: what it offloaded. */

import { randomBoutOrder } from "../src/gate/bout-order.ts";
import type { GateParameters } from "../src/gate/gate-parameters.ts";
import { pointAt } from "../src/gate/operating-points.ts";
import { prng } from "../src/prng.ts";
import type { GateAnswers } from "./gate-job.ts";
import { replayGate } from "./gate-replay.ts";

/** Of the windows between two moves. */
export type Stretch = {
  readonly windows: number;
  readonly offloads: number;
  /** Windows from the move on until the share since then has come within a factor of `WITHIN` of what
   * is wanted, and stays there; the stretch's length where it does not. */
  readonly settledAfter: number;
  /** The most that any run of windows offloaded beyond the budget's share of them, in full buckets:
   * the budget is kept where this is at most 1. */
  readonly bucketsUsed: number;
};

export type Life = { readonly subject: string; readonly stretches: readonly Stretch[] };

/** A share is told to be held where it is within this factor of what is wanted. */
export const WITHIN = 1.25;

/**
 * Every subject as a node: its bouts in an order drawn anew whenever they are over, moved to the next
 * share every `windows` windows.
 *
 * @param shares 0..1, for each of which the gate has an operating point
 */
export function livesOf(
  { calibration, records, teacher, test }: GateAnswers,
  shares: readonly number[],
  windows: number,
  seed: number,
): readonly Life[] {
  const { parameters } = calibration;
  const random = prng(seed, "points-order");
  const sharesQ16 = shares.map((share) => Math.round(65535 * share));
  return [...new Set(test.subjects)].map((subject) => {
    const order: number[] = [];
    while (order.length < windows * shares.length) {
      order.push(...randomBoutOrder(test, random).filter((i) => test.subjects[i] === subject));
    }
    order.length = windows * shares.length;
    const wantedQ16 = (nth: number): number => sharesQ16[Math.floor(nth / windows)] as number;
    const life = { order, wantedQ16 };
    const { offloaded } = replayGate(parameters, records, test, teacher, seed, { life });
    const stretches = shares.map((share, part) => {
      const taken = offloaded.subarray(part * windows, (part + 1) * windows);
      return stretchOf(taken, share, budgetAt(parameters, sharesQ16[part] as number));
    });
    return { subject, stretches };
  });
}

/** What the token bucket lets through at this point: a share of windows, and so many more at once. */
function budgetAt(
  { operatingPoints, bucket }: GateParameters,
  shareQ16: number,
): { readonly share: number; readonly tokens: number } {
  const point = operatingPoints[pointAt(operatingPoints, shareQ16) - 1] ?? bucket;
  return { share: 256 / point.windowsPerTokenQ8, tokens: bucket.capacityTokens };
}

/** @param taken 1 for each window that was offloaded, 0 for the others */
export function stretchOf(
  taken: Uint8Array,
  share: number,
  budget: { readonly share: number; readonly tokens: number },
): Stretch {
  let offloads = 0;
  let settledAfter = 0;
  let beyond = 0;
  let most = 0;
  taken.forEach((one, i) => {
    offloads += one;
    const ratio = offloads / (i + 1) / share;
    if (ratio > WITHIN || ratio < 1 / WITHIN) settledAfter = i + 1;
    // The run that ends here, or one that begins here, whichever has more beyond the budget.
    beyond = Math.max(0, beyond) + one - budget.share;
    most = Math.max(most, beyond);
  });
  return { windows: taken.length, offloads, settledAfter, bucketsUsed: most / budget.tokens };
}
