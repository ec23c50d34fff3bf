/**
 * Calibration of confidence: temperatures, fusion weights, and the chance of being right by margin.
 *
 * Temperature scaling (Guo et al., ICML 2017, arXiv 1706.04599) makes an exit's probabilities honest
 * on average; an isotonic table (Zadrozny and Elkan, KDD 2002) then says how often the fused answer
 * is right at each margin. All on windows that the student was not trained on.
 */

import type { ExitRecords } from "./exit-records.ts";
import { logitsAt } from "./exit-records.ts";
import { CONFIDENCE_NODES, ONE_Q15 } from "./gate-parameters.ts";
import type { ExitGate } from "./gate-parameters.ts";
import type { FusedAnswer } from "./margins.ts";
import { fuseExits } from "./margins.ts";

const LOG2_E = Math.LOG2E;
/** Candidates for the weight of each exit beside the others. */
const FUSION_WEIGHTS = [1, 2, 4, 8, 16] as const;
/** Windows of prior belief (an even chance rising to certainty) in the confidence table. */
const PRIOR_WINDOWS = 8;

/** The temperature of one exit that makes the labels most likely, by golden section in log T. */
export function fitTemperature(
  records: ExitRecords,
  exit: number,
  labels: Uint8Array,
): { readonly temperature: number; readonly inverseTemperatureQ8: number } {
  let low = Math.log(0.25);
  let high = Math.log(16);
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
  const temperature = Math.exp((low + high) / 2);
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

/** Fusion weights, one exit after another, by the likelihood of the mean's probabilities. Ties go to
 * the first candidate, so that exits which add nothing are weighted alike. */
export function fitFusion(
  records: ExitRecords,
  inverseTemperaturesQ8: readonly number[],
  labels: Uint8Array,
): readonly number[] {
  const weights = inverseTemperaturesQ8.map(() => 1);
  for (let k = 1; k < weights.length; k++) {
    let bestLoss = Number.POSITIVE_INFINITY;
    let best = 1;
    for (const candidate of FUSION_WEIGHTS) {
      weights[k] = candidate;
      const gates = exitGates(inverseTemperaturesQ8, weights).slice(0, k + 1);
      const loss = fusedLoss(records, gates, labels);
      if (loss < bestLoss - 1e-6) {
        bestLoss = loss;
        best = candidate;
      }
    }
    weights[k] = best;
  }
  return weights;
}

function exitGates(inverse: readonly number[], weights: readonly number[]): readonly ExitGate[] {
  return inverse.map((inverseTemperatureQ8, k) => ({
    inverseTemperatureQ8,
    fusionWeight: weights[k] as number,
    sureMarginQ15: 0,
    confidenceQ8: [],
  }));
}

function fusedLoss(records: ExitRecords, gates: readonly ExitGate[], labels: Uint8Array): number {
  let total = 0;
  for (let i = 0; i < records.count; i++) {
    const { probabilitiesQ15 } = fuseAt(records, gates, gates.length, i);
    const own = (probabilitiesQ15[labels[i] as number] as number) / ONE_Q15;
    total -= Math.log(Math.max(own, 1 / ONE_Q15));
  }
  return total / Math.max(1, records.count);
}

/** The fused answer of the first `depth` exits for one window. */
export function fuseAt(
  records: ExitRecords,
  gates: readonly ExitGate[],
  depth: number,
  window: number,
): ReturnType<typeof fuseExits> {
  const logits = Array.from({ length: depth }, (_, k) => logitsAt(records, k, window));
  return fuseExits(gates, logits);
}

/** The fused answers of the first `depth` exits for every window. */
export function fusedAnswers(
  records: ExitRecords,
  gates: readonly ExitGate[],
  depth: number,
): readonly (FusedAnswer & { readonly probabilitiesQ15: Int32Array })[] {
  return Array.from({ length: records.count }, (_, i) => {
    const { answer, probabilitiesQ15 } = fuseAt(records, gates, depth, i);
    return { ...answer, probabilitiesQ15 };
  });
}

/**
 * The chance of being right as a table over margins, 0..255: pool-adjacent-violators over the nodes'
 * bins, each with a few windows of prior so that an empty bin says what its margin says.
 */
export function fitConfidence(
  answers: readonly FusedAnswer[],
  labels: Uint8Array,
): readonly number[] {
  const right = new Float64Array(CONFIDENCE_NODES);
  const seen = new Float64Array(CONFIDENCE_NODES);
  answers.forEach((answer, i) => {
    // Each window counts for the two nodes it lies between, by how near they are.
    const place = (answer.marginQ15 / ONE_Q15) * (CONFIDENCE_NODES - 1);
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
  const prior = PRIOR_WINDOWS / CONFIDENCE_NODES;
  const blocks: { right: number; seen: number; nodes: number }[] = [];
  for (let node = 0; node < CONFIDENCE_NODES; node++) {
    const expected = 0.5 + (0.5 * node) / (CONFIDENCE_NODES - 1);
    blocks.push({
      right: (right[node] as number) + prior * expected,
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
