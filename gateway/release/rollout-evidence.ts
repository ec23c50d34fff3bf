/** What a release is expected to do, and whether the audits of its nodes bear that out. Pure. */

import { wilson } from "../../src/gate/audit-counts.ts";

/** The least that the publish gate expects of the model. */
export type Expectation = {
  /** With the teacher on audits; null for a model that people taught because the teacher does not
   * know the signal. */
  readonly agreement: number | null;
  /** What such a model's nodes are audited with may never be trusted: it is not waited for. */
  readonly auditsOptional?: boolean | undefined;
  readonly offloadShare: number;
};

/** Bad luck waits for more audits; a bad model is told from it by the upper end. */
export function agreesEnough(
  expected: Expectation,
  { audits, agreements }: { readonly audits: number; readonly agreements: number },
  rule: { readonly auditsLeast: number; readonly agreementMargin: number },
): boolean {
  const { agreement, auditsOptional = false } = expected;
  if (agreement === null || (auditsOptional && audits < rule.auditsLeast)) return true;
  const wanted = (agreement - rule.agreementMargin) * audits;
  return audits >= rule.auditsLeast && agreements >= wanted;
}

/** The upper end at 99 % one-sided, since it is looked at again and again: 1 where nothing was seen. */
export function upperAgreement(agreements: number, audits: number): number {
  return wilson(agreements / Math.max(1, audits), audits, 2.326).high;
}
