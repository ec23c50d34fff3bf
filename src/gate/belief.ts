/**
 * A hidden Markov filter over behaviours: what the window before says about this one.
 *
 * The forward step (Rabiner, Proceedings of the IEEE 77, 1989) with one number, the chance of change:
 * all changes are alike, and the fused probabilities stand in for the likelihoods. Whole numbers
 * only. A teacher's verdict enters as evidence that weighs more than the node's own.
 */

import { ONE_Q15 } from "./gate-parameters.ts";
import type { FilterGate } from "./gate-parameters.ts";

/** Added to every probability, so that no behaviour is ever ruled out. */
const FLOOR_Q15 = 8;

/** The belief after a window, Q15, from the belief before (empty for none) and the probabilities. */
export function believe(
  filter: FilterGate,
  beforeQ15: readonly number[],
  probabilitiesQ15: Int32Array,
): Int32Array {
  const classes = probabilitiesQ15.length;
  const change = filter.changeQ15;
  const even = Math.trunc(ONE_Q15 / classes);
  const joint = new Int32Array(classes);
  let sum = 0;
  for (let c = 0; c < classes; c++) {
    const stays = beforeQ15.length === 0 ? even : (beforeQ15[c] as number);
    // Both factors are at most 2^15 and a little; their products add up to less than 2^31.
    const prior = ((ONE_Q15 - change) * stays + change * even) >> 15;
    joint[c] = prior * ((probabilitiesQ15[c] as number) + FLOOR_Q15);
    sum += joint[c] as number;
  }
  return normalised(joint, sum);
}

/** The belief after a trusted verdict on one of the last windows: half of what the teacher says and
 * half of what the filter makes of it. */
export function instruct(
  beliefQ15: readonly number[],
  probabilitiesQ8: Uint8Array,
): readonly number[] {
  const taught = Int32Array.from(probabilitiesQ8, (p, c) => (p << 7) + (beliefQ15[c] as number));
  return [
    ...normalised(
      taught,
      taught.reduce((sum, value) => sum + value, 0),
    ),
  ];
}

/** Scaled so that they add up to one, less rounding, Q15. */
function normalised(values: Int32Array, sum: number): Int32Array {
  // Keeps 16 bits of the sum, so that a value times 2^15 stays below 2^31.
  const shift = Math.max(0, 16 - Math.clz32(sum));
  const total = Math.max(1, sum >> shift);
  return values.map((value) => Math.trunc(((value >> shift) * ONE_Q15) / total));
}
