/**
 * How often a node is to be audited: more while little is known of what it keeps to itself, less
 * once that is known well, never less than a bound. Pure.
 *
 * Judged is the agreement on lately audited windows, older ones counting for less and less, so that
 * a student which begins to fail is doubted again. Between `sureHalf` and `unsureHalf` nothing
 * changes, and after a change nothing does until as many audits have come as the chance promised:
 * the chance does not swing. The node's own budget holds whatever is asked of it here.
 */

import type { Chosen } from "../../src/gate/audit-counts.ts";
import { wilson } from "../../src/gate/audit-counts.ts";

export type AuditRule = {
  /** Bounds, in multiples of the chance that the release carries. */
  readonly least: number;
  readonly most: number;
  /** Half the width of the 95 % interval of agreement: rarer audits below the first, more above the
   * second. */
  readonly sureHalf: number;
  readonly unsureHalf: number;
  /** Audits to be expected between two changes. */
  readonly settleAudits: number;
  /** An audit counts for this much of what the one after it counts. */
  readonly forget: number;
};

/** With this memory, some 127 audits, nineteen agreements in twenty are sure and three in five are
 * not: a student that fails is looked at more often, however well it is known to fail. */
export const DEFAULT_AUDIT_RULE: AuditRule = {
  least: 0.25,
  most: 4,
  sureHalf: 0.05,
  unsureHalf: 0.08,
  settleAudits: 16,
  forget: 1 - 1 / 64,
};

export type AuditControl = {
  /** In multiples of the release's chance: a power of two. */
  readonly factor: number;
  /** Sums over trusted audits as in `AuditCounts`, each older one a little less. */
  readonly weight: number;
  readonly weightSquared: number;
  readonly weightAgreed: number;
  /** Audits that could be expected since the last change, by the windows that came. */
  readonly expected: number;
};

export const NEW_AUDIT_CONTROL: AuditControl = {
  factor: 1,
  weight: 0,
  weightSquared: 0,
  weightAgreed: 0,
  expected: 0,
};

/** Takes in a trusted verdict. Only audits tell of what is kept. */
export function learnAudit(
  control: AuditControl,
  chosen: Chosen,
  agrees: boolean,
  rule: AuditRule,
): AuditControl {
  if (!chosen.audit) return control;
  const weight = 65535 / Math.max(1, chosen.chanceQ16);
  return {
    ...control,
    weight: rule.forget * control.weight + weight,
    weightSquared: rule.forget ** 2 * control.weightSquared + weight * weight,
    weightAgreed: rule.forget * control.weightAgreed + (agrees ? weight : 0),
  };
}

/**
 * Takes in reported windows, and says what the chance is to be from now on.
 *
 * @param releaseChance that of the release which the node runs, 0..1; where it is 0 a person has
 * switched audits off, and they stay off
 */
export function stepAudit(
  before: AuditControl,
  windows: number,
  releaseChance: number,
  rule: AuditRule,
): { readonly control: AuditControl; readonly changed: boolean } {
  const expected = before.expected + windows * auditChance(before, releaseChance);
  const control = { ...before, expected };
  if (releaseChance <= 0 || expected < rule.settleAudits) return { control, changed: false };
  const half = halfWidth(control);
  const wanted = half < rule.sureHalf ? 0.5 : half > rule.unsureHalf ? 2 : 1;
  const factor = Math.min(rule.most, Math.max(rule.least, wanted * control.factor));
  if (factor === control.factor) return { control, changed: false };
  return { control: { ...control, factor, expected: 0 }, changed: true };
}

/** 0..1. */
export function auditChance({ factor }: AuditControl, releaseChance: number): number {
  return Math.min(1, factor * releaseChance);
}

/** Half the width of the interval of lately audited agreement, 0 to .5. */
export function halfWidth({ weight, weightSquared, weightAgreed }: AuditControl): number {
  if (weight <= 0) return 0.5;
  const { low, high } = wilson(weightAgreed / weight, weight ** 2 / weightSquared);
  return (high - low) / 2;
}
