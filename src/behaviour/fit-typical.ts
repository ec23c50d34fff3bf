/**
 * How long bouts are taken to last where windows are put together: learned from subjects whose
 * behaviour is known, each answered by a student and a teacher that never saw him.
 *
 * One length for all behaviours. One for each was tried on cattle and people, as a multiple of the
 * labelled bouts' mean and freely: it finds no more bouts of others, and few subjects choose it anew
 * with each training (`bench -- budget`).
 */
import { assert } from "../assert.ts";
import { type LabelledStream, meanScores, scoreBouts } from "./bout-scores.ts";
import type { SegmentRule } from "./segment.ts";

/** Seconds to choose from; 1 leaves each window by itself. Longer ones would hide what recordings of
 * minutes cannot show to be worth hiding. */
const CHOICES = [1, 5, 10, 20, 40, 80];

export type TypicalBout = {
  readonly typicalMs: number;
  /** Of what it was chosen on. */
  readonly boutF1: number;
};

/** The length with which the most bouts are found; of equals the shortest.
 *
 * @param rule its `typicalMs` is not looked at */
export function fitTypical(streams: readonly LabelledStream[], rule: SegmentRule): TypicalBout {
  assert(streams.length > 0, "lengths are learned from some subject");
  let best: TypicalBout = { typicalMs: 0, boutF1: -1 };
  for (const seconds of CHOICES) {
    const tried = withTypical(rule, 1_000 * seconds);
    const { boutF1 } = meanScores(streams.map((stream) => scoreBouts(stream, tried, true)));
    if (boutF1 > best.boutF1) best = { typicalMs: 1_000 * seconds, boutF1 };
  }
  return best;
}

/** The same rule with one length for all behaviours. */
export function withTypical(rule: SegmentRule, typicalMs: number): SegmentRule {
  return { ...rule, typicalMs: Array.from({ length: rule.classes }, () => typicalMs) };
}
