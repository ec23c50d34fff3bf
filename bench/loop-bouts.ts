/**
 * Splits recordings by whole bouts for the loop's benchmark: the loop may see one part, the test is
 * the other. Windows of one bout are nearly copies of each other, so no bout is on both sides; a
 * class with a single bout is cut in time, with a window's length left out at the cut.
 */

import { prng, shuffle } from "../src/prng.ts";
import type { Profile } from "../src/signal/profile.ts";
import type { Recordings, Segment } from "../src/signal/recordings.ts";

/** `parts[i]` has about `shares[i]` of the time of each subject's each class. */
export function splitSegments(
  recordings: Recordings,
  profile: Profile,
  subjects: readonly string[],
  shares: readonly number[],
  seed: number,
): Recordings[] {
  const parts: Segment[][] = shares.map(() => []);
  const leastSamples = Math.ceil((profile.windowSamples * recordings.rateHz) / profile.rateHz);
  const random = prng(seed, "loop bouts");
  for (const bouts of boutsByClass(recordings, profile, subjects, leastSamples)) {
    const dealt = bouts.length < shares.length ? cutLongest(bouts, shares, leastSamples) : bouts;
    shuffle(random, dealt);
    dealt.sort((a, b) => b.length - a.length);
    const samples = shares.map(() => 0);
    dealt.forEach((segment, i) => {
      // Each part gets one bout first, so that every class is in every part.
      const part = i < shares.length ? i : furthestBelow(samples, shares);
      parts[part]?.push(segment);
      samples[part] = (samples[part] ?? 0) + segment.length;
    });
  }
  return parts.map((segments) => ({
    ...recordings,
    segments: segments.sort((a, b) => a.start - b.start),
  }));
}

/** The bouts of each subject's each class that are long enough for a window. */
function boutsByClass(
  recordings: Recordings,
  profile: Profile,
  subjects: readonly string[],
  leastSamples: number,
): Segment[][] {
  const groups = new Map<string, Segment[]>();
  for (const segment of recordings.segments) {
    const name = profile.labelClass[segment.label];
    if (name === undefined || segment.length < leastSamples) continue;
    if (!subjects.includes(segment.subject)) continue;
    const key = `${segment.subject} ${name}`;
    groups.set(key, [...(groups.get(key) ?? []), segment]);
  }
  return [...groups.values()];
}

function furthestBelow(samples: readonly number[], shares: readonly number[]): number {
  const filled = samples.map((count, part) => count / (shares[part] ?? 1));
  return filled.indexOf(Math.min(...filled));
}

/** Cuts the longest bout into one piece per share; pieces that are too short fall away. */
function cutLongest(
  bouts: readonly Segment[],
  shares: readonly number[],
  leastSamples: number,
): Segment[] {
  const [longest, ...rest] = [...bouts].sort((a, b) => b.length - a.length);
  if (longest === undefined) return [];
  const whole = shares.reduce((sum, share) => sum + share, 0);
  const usable = longest.length - (shares.length - 1) * leastSamples;
  const pieces: Segment[] = [];
  let start = longest.start;
  for (const share of shares) {
    const length = Math.floor((usable * share) / whole);
    if (length >= leastSamples) pieces.push({ ...longest, start, length });
    start += length + leastSamples;
  }
  return [...pieces, ...rest];
}
