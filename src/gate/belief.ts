/**
 * What the windows before say about this one, and what verdicts say about this animal.
 *
 * A hidden Markov filter over behaviours, the forward step (Rabiner, Proceedings of the IEEE 77,
 * 1989) with one number, the chance of change: all changes are alike, and the fused probabilities
 * stand in for the likelihoods. Besides, a bias per class that the teacher's verdicts teach by
 * gradient steps on the cross entropy: no two animals walk alike, and one that is taken for another
 * class once will be again. Whole numbers only.
 */

import { MARGIN_TOP_Q8, ONE_Q15 } from "./gate-parameters.ts";
import type { FilterGate } from "./gate-parameters.ts";
import type { PendingOffload } from "./gate-state.ts";
import { exp2Q16, log2Q8 } from "./margins.ts";

/** Three nats to either side. */
const BIAS_LIMIT_Q8 = 1108;
/** Each verdict takes one part in so many off the bias: collars move, seasons change. */
const FORGET = 50;
/** Added to every probability, so that no behaviour is ever ruled out. */
const FLOOR_Q15 = 8;
/** Added to every belief that a verdict is multiplied with: a student that is surely wrong must let
 * itself be told so. */
const BELIEF_FLOOR_Q15 = 1024;

/** What is believed after a window. */
export type Belief = {
  /** Per class, Q15. */
  readonly beliefQ15: Int32Array;
  /** The most likely class, the first of equals, and its margin over the next, 0..MARGIN_TOP_Q8. */
  readonly classIndex: number;
  readonly marginQ8: number;
};

/** From the belief before (Q15, empty for none) and the probabilities of this window. */
export function believe(
  filter: FilterGate,
  beforeQ15: readonly number[],
  probabilitiesQ15: Int32Array,
): Belief {
  const classes = probabilitiesQ15.length;
  const change = filter.changeQ15;
  const even = Math.trunc(ONE_Q15 / classes);
  const joint = new Int32Array(classes);
  let classIndex = 0;
  let best = -1;
  let second = -1;
  for (let c = 0; c < classes; c++) {
    const stays = beforeQ15.length === 0 ? even : (beforeQ15[c] as number);
    // Both factors are at most 2^15 and a little; their products add up to less than 2^31.
    const prior = ((ONE_Q15 - change) * stays + change * even) >> 15;
    const value = prior * ((probabilitiesQ15[c] as number) + FLOOR_Q15);
    joint[c] = value;
    if (value > best) {
      second = best;
      best = value;
      classIndex = c;
    } else {
      second = Math.max(second, value);
    }
  }
  const marginQ8 = Math.min(MARGIN_TOP_Q8, log2Q8(best) - log2Q8(second));
  return { beliefQ15: normalised(joint), classIndex, marginQ8 };
}

/**
 * The belief after a trusted verdict on the window so many windows ago. Of the last one the teacher is
 * one more witness: what it says is multiplied with what the student and the windows before have
 * said, since it saw this window better than the student and nothing else. Neither can rule a class
 * out. A window later half of what the teacher says is believed, after that nothing.
 */
export function instruct(
  beliefQ15: readonly number[],
  probabilitiesQ8: Uint8Array,
  windowsAgo: number,
): readonly number[] {
  if (windowsAgo < 0 || windowsAgo > 1 || beliefQ15.length !== probabilitiesQ8.length) {
    return beliefQ15;
  }
  const taught = Int32Array.from(probabilitiesQ8, (p, c) => {
    const believed = beliefQ15[c] as number;
    if (windowsAgo === 1) return (p << 7) + believed;
    // Halved, so that 64 classes of whatever a state may hold add up to less than 2^31.
    return ((believed + BELIEF_FLOOR_Q15) * (2 * p + 1)) >> 1;
  });
  return [...normalised(taught)];
}

/** Probabilities with the odds of each class shifted by its bias. */
export function personalise(biasQ8: readonly number[], probabilitiesQ15: Int32Array): Int32Array {
  if (biasQ8.length !== probabilitiesQ15.length) return probabilitiesQ15;
  const most = Math.max(...biasQ8);
  return normalised(
    probabilitiesQ15.map((p, c) => {
      const below = most - (biasQ8[c] as number);
      // 32768 * 65535 stays below 2^31.
      return ((p * exp2Q16(below & 255)) >> 16) >> (below >> 8);
    }),
  );
}

/** The bias after a trusted verdict on an offload: towards what the teacher says, away from what
 * the node said. Only the answered class's probability was kept; the rest is shared among the
 * others. */
export function adapt(
  filter: FilterGate,
  biasQ8: readonly number[],
  offload: PendingOffload,
  probabilitiesQ8: Uint8Array,
): readonly number[] {
  if (filter.adaptQ8 === 0) return biasQ8;
  const others = Math.trunc((255 - offload.probabilityQ8) / (probabilitiesQ8.length - 1));
  return Array.from(probabilitiesQ8, (taught, c) => {
    const said = c === offload.classIndex ? offload.probabilityQ8 : others;
    const before = biasQ8[c] ?? 0;
    // A step of adaptQ8 / 256 nats for a difference of 255: 370 / 65536 is 256 log2(e) / 255 / 256.
    const step = ((taught - said) * filter.adaptQ8 * 370) >> 16;
    const after = before - Math.trunc(before / FORGET) + step;
    return Math.max(-BIAS_LIMIT_Q8, Math.min(BIAS_LIMIT_Q8, after));
  });
}

/** Scaled so that they add up to one, less rounding, Q15. */
function normalised(values: Int32Array): Int32Array {
  const sum = values.reduce((total, value) => total + value, 0);
  // Keeps 16 bits of the sum, so that a value times 2^15 stays below 2^31.
  const shift = Math.max(0, 16 - Math.clz32(sum));
  const total = Math.max(1, sum >> shift);
  return values.map((value) => Math.trunc(((value >> shift) * ONE_Q15) / total));
}
