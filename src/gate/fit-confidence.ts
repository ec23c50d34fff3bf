/**
 * Calibration of confidence: temperatures, and the chance of being right by margin.
 *
 * Temperature scaling (Guo et al., ICML 2017, arXiv 1706.04599) makes an exit's probabilities
 * honest on average; an isotonic table (Zadrozny and Elkan, KDD 2002) then says how often the
 * answer is right at each margin. All on windows that the student was not trained on.
 */

import type { Belief } from "./belief.ts";
import { believe } from "./belief.ts";
import type { ExitRecords } from "./exit-records.ts";
import { fusedAt, logitsAt } from "./exit-records.ts";
import { CONFIDENCE_NODES, CONFIDENCE_STEP_Q8, expectedConfidence } from "./gate-parameters.ts";
import type { ExitGate, FilterGate } from "./gate-parameters.ts";

const LOG2_E = Math.LOG2E;
/** A few subjects whom the student has wrong can ask for any temperature; none beyond this is
 * theirs alone to set. */
const LEAST_TEMPERATURE = 0.5;
const MOST_TEMPERATURE = 2.5;
/** Windows of prior belief (an even chance rising to certainty) in the confidence table, spread
 * evenly over it; as much again as one subject's windows is spread as the windows are. */
const PRIOR_WINDOWS = 8;
/** The variance of log T from subject to subject over its variance from exit to exit, .19 to .07 on
 * calibration subjects of people and cattle: so many subjects' worth of doubt. */
const DOUBT_SUBJECTS = 3;

/**
 * The temperature of one exit that makes the labels most likely, by golden section in log T, drawn
 * towards 1 where few subjects speak for it: thousands of windows of one animal are one animal's
 * (the shrinkage of a random effect, Efron and Morris, 1975).
 */
export function fitTemperature(
  records: ExitRecords,
  exit: number,
  labels: Uint8Array,
  subjects: readonly string[],
): { readonly temperature: number; readonly inverseTemperatureQ8: number } {
  let low = Math.log(LEAST_TEMPERATURE);
  let high = Math.log(MOST_TEMPERATURE);
  const golden = (Math.sqrt(5) - 1) / 2;
  const cost = (logT: number): number => meanLoss(records, exit, labels, Math.exp(logT));
  let left = high - golden * (high - low);
  let right = low + golden * (high - low);
  let leftCost = cost(left);
  let rightCost = cost(right);
  while (high - low > 0.005) {
    if (leftCost <= rightCost) {
      high = right;
      right = left;
      rightCost = leftCost;
      left = high - golden * (high - low);
      leftCost = cost(left);
    } else {
      low = left;
      left = right;
      leftCost = rightCost;
      right = low + golden * (high - low);
      rightCost = cost(right);
    }
  }
  const spoken = new Set(subjects).size;
  const temperature = Math.exp(((low + high) / 2) * (spoken / (spoken + DOUBT_SUBJECTS)));
  const inverseTemperatureQ8 = Math.max(1, Math.round((256 * LOG2_E) / temperature));
  return { temperature, inverseTemperatureQ8 };
}

/** Mean negative log likelihood of the labels under softmax(logits / T), natural logarithm. */
function meanLoss(
  records: ExitRecords,
  exit: number,
  labels: Uint8Array,
  temperature: number,
): number {
  let total = 0;
  for (let i = 0; i < records.count; i++) {
    const logits = logitsAt(records, exit, i);
    const best = Math.max(...logits);
    let sum = 0;
    for (const logit of logits) sum += Math.exp((logit - best) / (256 * temperature));
    const own = ((logits[labels[i] as number] as number) - best) / (256 * temperature);
    total += Math.log(sum) - own;
  }
  return total / Math.max(1, records.count);
}

/**
 * The answers `[exit][window]` as a node would give them: each window after the one before of the
 * same subject, whose belief is that of full depth. Windows of a subject must be in the order of
 * time.
 */
export function answersOf(
  records: ExitRecords,
  gates: readonly ExitGate[],
  filter: FilterGate,
  subjects: readonly string[],
): readonly (readonly Belief[])[] {
  const answers: Belief[][] = gates.map(() => []);
  const beliefs = new Map<string, readonly number[]>();
  for (let i = 0; i < records.count; i++) {
    const subject = subjects[i] as string;
    const before = beliefs.get(subject) ?? [];
    for (const [k, answersOfExit] of answers.entries()) {
      const answer = believe(filter, before, fusedAt(records, gates, k + 1, i));
      answersOfExit.push(answer);
      if (k === gates.length - 1) beliefs.set(subject, [...answer.beliefQ15]);
    }
  }
  return answers;
}

/**
 * The chance of being right as a table over margins, 0..255: pool-adjacent-violators over the
 * nodes' bins, each with some prior so that an empty bin says what its margin says, and one subject
 * alone is believed half.
 */
export function fitConfidence(
  answers: readonly Belief[],
  labels: Uint8Array,
  subjects: readonly string[],
): readonly number[] {
  const right = new Float64Array(CONFIDENCE_NODES);
  const seen = new Float64Array(CONFIDENCE_NODES);
  answers.forEach((answer, i) => {
    // Each window counts for the two nodes it lies between, by how near they are.
    const place = answer.marginQ8 / CONFIDENCE_STEP_Q8;
    const node = Math.min(Math.floor(place), CONFIDENCE_NODES - 2);
    const share = place - node;
    const isRight = answer.classIndex === labels[i] ? 1 : 0;
    for (const [at, weight] of [
      [node, 1 - share],
      [node + 1, share],
    ] as const) {
      right[at] = (right[at] as number) + weight * isRight;
      seen[at] = (seen[at] as number) + weight;
    }
  });
  const perSeen = 1 / Math.max(1, new Set(subjects).size);
  const blocks: { right: number; seen: number; nodes: number }[] = [];
  for (let node = 0; node < CONFIDENCE_NODES; node++) {
    const prior = PRIOR_WINDOWS / CONFIDENCE_NODES + perSeen * (seen[node] as number);
    blocks.push({
      right: (right[node] as number) + prior * expectedConfidence(node),
      seen: (seen[node] as number) + prior,
      nodes: 1,
    });
    for (let last = blocks.at(-1); last !== undefined; last = blocks.at(-1)) {
      const previous = blocks.at(-2);
      if (previous === undefined || previous.right / previous.seen <= last.right / last.seen) break;
      blocks.pop();
      previous.right += last.right;
      previous.seen += last.seen;
      previous.nodes += last.nodes;
    }
  }
  return blocks.flatMap((block) =>
    Array.from({ length: block.nodes }, () =>
      Math.max(0, Math.min(255, Math.round((255 * block.right) / block.seen))),
    ),
  );
}
