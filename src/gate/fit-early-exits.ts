/** From which margin an early exit may answer, so that all of them together cost next to nothing. */

import type { Belief } from "./belief.ts";
import { NEVER_Q8 } from "./gate-parameters.ts";

/** Share of the offloads that early answers may forestall. */
const LOST_OFFLOADS = 0.1;

/** Window indices, least margin first. */
function byMargin(answers: readonly Belief[]): readonly number[] {
  return answers
    .map((_, i) => i)
    .sort((a, b) => (answers[a]?.marginQ8 as number) - (answers[b]?.marginQ8 as number));
}

/**
 * The margins from which early exits answer: as low as their answers cost at most `points` of
 * accuracy against full depth with its offloads, with one standard error to spare, and leave the
 * gate most of the windows that it would have offloaded.
 */
export function fitEarlyExits(
  answers: readonly (readonly Belief[])[],
  labels: Uint8Array,
  share: number,
  points: number,
): { readonly sureMargins: readonly number[]; readonly answeredBy: readonly number[] } {
  const last = answers.length - 1;
  const deep = answers[last] as readonly Belief[];
  const offloaded = new Set(byMargin(deep).slice(0, Math.round(share * deep.length)));
  const answeredBy = deep.map(() => last);
  const allowed = ((points / 100) * deep.length) / Math.max(1, last);
  const sureMargins = answers.map((early, k) => {
    if (k === last) return 0;
    const order = byMargin(early)
      .filter((i) => answeredBy[i] === last)
      .reverse();
    let excess = 0;
    let differing = 0;
    let lost = 0;
    let sure = 0;
    order.forEach((i, n) => {
      const earlyRight = early[i]?.classIndex === labels[i];
      const deepRight = offloaded.has(i) || deep[i]?.classIndex === labels[i];
      excess += Number(deepRight) - Number(earlyRight);
      differing += Number(deepRight !== earlyRight);
      lost += Number(offloaded.has(i));
      const spared = lost <= (LOST_OFFLOADS * offloaded.size) / Math.max(1, last);
      if (spared && excess + Math.sqrt(differing) <= allowed) sure = n + 1;
    });
    if (sure === 0) return NEVER_Q8;
    for (const i of order.slice(0, sure)) answeredBy[i] = k;
    const border = order[sure - 1] as number;
    return early[border]?.marginQ8 as number;
  });
  return { sureMargins, answeredBy };
}
