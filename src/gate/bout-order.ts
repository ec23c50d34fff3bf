/**
 * Windows in an order that a node could have met: each subject's bouts one after another, by
 * chance.
 *
 * Recordings are often sorted by behaviour, all stairs of all trials first. A gate that remembers
 * would find such streams easier than life, so bouts are drawn anew before it is fitted or
 * measured.
 */

import { type Prng, shuffle } from "../prng.ts";
import type { WindowSet } from "../signal/window-set.ts";

/** Indices of the windows; those of one bout stay together and in order. */
export function randomBoutOrder(windows: WindowSet, random: Prng): readonly number[] {
  const bySubject = new Map<string, Map<number, number[]>>();
  for (let i = 0; i < windows.count; i++) {
    const subject = windows.subjects[i] as string;
    const bouts = bySubject.get(subject) ?? new Map<number, number[]>();
    bySubject.set(subject, bouts);
    const bout = bouts.get(windows.bouts[i] as number) ?? [];
    bouts.set(windows.bouts[i] as number, bout);
    bout.push(i);
  }
  return [...bySubject.values()].flatMap((bouts) => {
    const shuffled = [...bouts.values()];
    shuffle(random, shuffled);
    return shuffled.flat();
  });
}
