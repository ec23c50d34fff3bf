/** What audits say, as people are told it: per node in `bridge/devices`, and for every model that
 * nodes of a cohort run in `bridge/info`. */

import {
  type AuditCounts,
  type AuditEstimates,
  addCounts,
  auditEstimates,
  NO_COUNTS,
} from "../../src/gate/audit-counts.ts";
import type { ModelId } from "../../src/wire/messages.ts";
import type { Audit, CohortAudit } from "../../src/wire/public.ts";
import type { NodeRow } from "../store/label-rows.ts";
import { rounded } from "./tell-behaviours.ts";

/** Null before the first trusted audit. */
export function auditOf(counts: AuditCounts): Audit | null {
  const estimates = auditEstimates(counts);
  return estimates === null ? null : publicAudit(estimates);
}

/** By cohort and model, in that order; nodes that never said hello have no cohort. */
export function cohortAudits(rows: Iterable<NodeRow>): CohortAudit[] {
  type Group = { cohort: string; model: ModelId; nodes: number; counts: AuditCounts };
  const groups = new Map<string, Group>();
  for (const { cohort, modelId: model, counts } of rows) {
    if (cohort === "") continue;
    const key = `${cohort} ${model}`;
    const group = groups.get(key) ?? { cohort, model, nodes: 0, counts: NO_COUNTS };
    group.nodes++;
    group.counts = addCounts(group.counts, counts);
    groups.set(key, group);
  }
  const ordered = [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
  return ordered.map(([, { counts, ...group }]) => ({ ...group, audit: auditOf(counts) }));
}

function publicAudit(estimates: AuditEstimates): Audit {
  const { agreement, keptAgreement, mended, left, lift } = estimates;
  return {
    windows: estimates.windows,
    audits: estimates.audits,
    agreement: rounded(agreement.value),
    agreement_low: rounded(agreement.low),
    agreement_high: rounded(agreement.high),
    kept_agreement: rounded(keptAgreement.value),
    mended: rounded(mended.value),
    mended_low: rounded(mended.low),
    mended_high: rounded(mended.high),
    left: rounded(left.value),
    left_low: rounded(left.low),
    left_high: rounded(left.high),
    lift: lift === null ? null : rounded(lift),
    answered: rounded(Math.min(1, estimates.answered)),
  };
}
