/** The operating points of a gate: for each share of offloads the few numbers that change with it. */

import type { Belief } from "./belief.ts";
import { fitEarlyExits } from "./fit-early-exits.ts";
import type { FilterGate, OperatingPoint } from "./gate-parameters.ts";
import { UNKNOWN_CENTIPOINTS } from "./gate-parameters.ts";
import { sum, teacherRight } from "./offload-target.ts";
import type { AnsweredWindows, Rehearsal } from "./rehearse.ts";

/** Shares that every release carries: from a battery that is to last a season to an animal that
 * matters today. */
export const OPERATING_SHARES = [0.02, 0.05, 0.1, 0.2, 0.3] as const;
/** The budget of a point over its share: audits, bursts and a bad hour have to be paid as well. */
const BUDGET_OVER_SHARE = 1.5;

export type FittedGate = {
  readonly windows: AnsweredWindows;
  readonly rehearsal: Rehearsal;
  readonly filter: FilterGate;
  /** `[exit][window]`, without verdicts. */
  readonly answers: readonly (readonly Belief[])[];
};

/** One point for each share, 0..1, which rise and none of which is 0. */
export function fitPoints(
  shares: readonly number[],
  earlyExitPoints: number,
  { windows, rehearsal, filter, answers }: FittedGate,
): readonly OperatingPoint[] {
  return shares.map((share) => {
    const { unsureMarginQ8, right } = rehearsal.atShare(filter, share);
    const over = (sum(right) - (windows.teacher === null ? 0 : teacherRight(windows))) * 10_000;
    return {
      targetShareQ16: Math.round(share * 65535),
      overTeacherCentipoints:
        windows.teacher === null ? UNKNOWN_CENTIPOINTS : Math.round(over / rehearsal.count),
      unsureMarginQ8,
      windowsPerTokenQ8: windowsPerTokenQ8(Math.min(1, BUDGET_OVER_SHARE * share)),
      sureMarginsQ8: fitEarlyExits(answers, windows.labels, share, earlyExitPoints).sureMargins,
    };
  });
}

/** Windows for one token, Q8, where this share of them may be offloaded. */
export function windowsPerTokenQ8(budgetShare: number): number {
  return Math.max(256, Math.ceil(256 / budgetShare));
}
