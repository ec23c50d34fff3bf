/**
 * Which exits a gate listens to, how long it remembers, and how much a verdict teaches it: chosen
 * from a few candidates by going through the windows, verdicts and all.
 *
 * What helps depends on how well the last exit knows these subjects, how long their bouts are, and
 * whether the student mistakes the same things again, so it is no default but part of calibration.
 * A candidate is judged by the errors that it leaves for each subject. Their square roots are
 * added, since counts have a spread that grows with their mean and square roots have not (Anscombe,
 * Biometrika 35, 1948): one subject whom the student has mostly wrong does not choose for all.
 */

import type { ExitGate, FilterGate } from "./gate-parameters.ts";
import { NEVER_Q8, ONE_Q15 } from "./gate-parameters.ts";
import { type AnsweredWindows, Rehearsal } from "./rehearse.ts";

/** Candidates for the weight of each exit beside those before it, the most usual first. Alike would
 * let a weak first exit spoil a good last one. */
const FUSION_WEIGHTS = [2, 1, 4, 16] as const;
/** Candidates for the chance that the behaviour changes between two windows, the most usual first;
 * 1 forgets. */
const CHANGES = [0.3, 0.15, 0.5, 1, 0.08, 0.04] as const;
/** Candidates for what a verdict moves the odds of the classes by, Q8 nats, the most usual first. */
const ADAPTATIONS_Q8 = [128, 0, 64, 192] as const;
/** Shares of windows offloaded at which candidates are judged. */
const JUDGED_SHARES = [0, 0.05, 0.1, 0.2] as const;
/** A later candidate must leave at most so much of what the best before it leaves: a twentieth
 * fewer errors, in square roots. */
const CLEARLY = 0.975;

export type Memory = { readonly fusionWeights: readonly number[]; readonly filter: FilterGate };

const USUAL: FilterGate = {
  changeQ15: Math.round(CHANGES[0] * ONE_Q15),
  adaptQ8: ADAPTATIONS_Q8[0],
};
const NONE: FilterGate = { changeQ15: ONE_Q15, adaptQ8: 0 };

/**
 * One after another: the weight of each exit, the chance of change, what verdicts teach.
 *
 * @param remembers false for a gate that takes each window by itself
 */
export function fitMemory(
  windows: AnsweredWindows,
  inverseTemperaturesQ8: readonly number[],
  remembers: boolean,
): Memory {
  const usual = remembers ? USUAL : NONE;
  const fusionWeights = inverseTemperaturesQ8.map(() => 1);
  for (let k = 1; k < fusionWeights.length; k++) {
    fusionWeights[k] = clearlyBest(FUSION_WEIGHTS, (candidate) => {
      fusionWeights[k] = candidate;
      const exits = exitGates(inverseTemperaturesQ8, fusionWeights).slice(0, k + 1);
      return errorsLeft(windows, new Rehearsal(windows, exits), usual);
    });
  }
  if (!remembers) return { fusionWeights, filter: NONE };
  const rehearsal = new Rehearsal(windows, exitGates(inverseTemperaturesQ8, fusionWeights));
  const change = clearlyBest(CHANGES, (candidate) =>
    errorsLeft(windows, rehearsal, { ...USUAL, changeQ15: Math.round(candidate * ONE_Q15) }),
  );
  const changeQ15 = Math.round(change * ONE_Q15);
  if (windows.teacher === null) return { fusionWeights, filter: { ...USUAL, changeQ15 } };
  const adaptQ8 = clearlyBest(ADAPTATIONS_Q8, (candidate) =>
    errorsLeft(windows, rehearsal, { changeQ15, adaptQ8: candidate }),
  );
  return { fusionWeights, filter: { changeQ15, adaptQ8 } };
}

function clearlyBest<Candidate>(
  candidates: readonly [Candidate, ...Candidate[]],
  cost: (candidate: Candidate) => number,
): Candidate {
  let best = candidates[0];
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const left = cost(candidate);
    if (left >= CLEARLY * least) continue;
    least = left;
    best = candidate;
  }
  return best;
}

/** Square roots of each subject's errors, all judged shares together, added up. */
function errorsLeft(windows: AnsweredWindows, rehearsal: Rehearsal, filter: FilterGate): number {
  const errors = new Map(windows.subjects.map((subject) => [subject, 0]));
  for (const share of JUDGED_SHARES) {
    const { right, kept } = rehearsal.atShare(filter, share);
    windows.subjects.forEach((subject, i) => {
      if (kept[i] === 1 || windows.teacher !== null) {
        errors.set(subject, (errors.get(subject) ?? 0) + 1 - (right[i] as number));
      }
    });
  }
  return [...errors.values()].reduce((sum, count) => sum + Math.sqrt(count), 0);
}

/** Exits of these weights that always go on. */
export function exitGates(
  inverseTemperaturesQ8: readonly number[],
  fusionWeights: readonly number[],
): readonly ExitGate[] {
  return inverseTemperaturesQ8.map((inverseTemperatureQ8, k) => ({
    inverseTemperatureQ8,
    fusionWeight: fusionWeights[k] as number,
    sureMarginQ8: NEVER_Q8,
    confidenceQ8: [],
  }));
}
