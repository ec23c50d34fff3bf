/**
 * What a gateway counts of a student's windows, and what that says of all of them: how often the
 * student agrees with the teacher, what offloading mends, and how sure that is.
 *
 * Offloads are no fair sample: unsure windows go for certain, sure ones only by audit. Each answered
 * window therefore stands for one over the chance with which it was chosen (Horvitz and Thompson,
 * 1952), and the audited part is a ratio of two such sums (Hajek, 1971), so that audits which an
 * empty bucket forbade or a link lost do not bias it as long as they were no special windows.
 *
 * The intervals are about the windows that were counted, not about those to come. Every audit is
 * drawn by itself, so that windows of one bout may be as alike as they will: Wilson's interval
 * (1927) on the effective number of audits (Kish, 1965), and for sums of the two parts the method
 * of variance estimates recovery (Zou and Donner, 2008). It refuses to say anything of windows that
 * the teacher does not trust itself with: they are left out, and their share is told.
 */

/** Counts of one node with one model; those of several add up. All are whole but the weights. */
export type AuditCounts = {
  /** Windows that were reported. */
  readonly windows: number;
  /** Offloads that were chosen for certain, how many a trusted verdict answered, and agreed with. */
  readonly certain: number;
  readonly certainTrusted: number;
  readonly certainAgreed: number;
  /** Offloads that an audit chose, and how many a trusted verdict answered. */
  readonly audits: number;
  readonly auditsTrusted: number;
  /** Sums over the trusted audits: of one over the chance, of its square, and of it where the
   * verdict agreed. */
  readonly weight: number;
  readonly weightSquared: number;
  readonly weightAgreed: number;
};

export const NO_COUNTS: AuditCounts = {
  windows: 0,
  certain: 0,
  certainTrusted: 0,
  certainAgreed: 0,
  audits: 0,
  auditsTrusted: 0,
  weight: 0,
  weightSquared: 0,
  weightAgreed: 0,
};

export const COUNT_NAMES = Object.keys(NO_COUNTS) as readonly (keyof AuditCounts)[];

/** Why a window was offloaded, as far as counting cares. */
export type Chosen = { readonly audit: boolean; readonly chanceQ16: number };

/** What an offload adds when it is stored. */
export function offloadCount({ audit }: Chosen): AuditCounts {
  return audit ? { ...NO_COUNTS, audits: 1 } : { ...NO_COUNTS, certain: 1 };
}

/** What a trusted verdict on it adds. */
export function verdictCount({ audit, chanceQ16 }: Chosen, agrees: boolean): AuditCounts {
  const agreed = agrees ? 1 : 0;
  if (!audit) return { ...NO_COUNTS, certainTrusted: 1, certainAgreed: agreed };
  const weight = 65535 / Math.max(1, chanceQ16);
  return {
    ...NO_COUNTS,
    auditsTrusted: 1,
    weight,
    weightSquared: weight * weight,
    weightAgreed: agreed * weight,
  };
}

export function addCounts(a: AuditCounts, b: AuditCounts): AuditCounts {
  const sum = COUNT_NAMES.map((name) => [name, a[name] + b[name]]);
  return Object.fromEntries(sum) as AuditCounts;
}

/** A figure with its 95 % interval. */
export type Estimate = { readonly value: number; readonly low: number; readonly high: number };

export type AuditEstimates = {
  readonly windows: number;
  readonly audits: number;
  /** Audits of equal weight that would tell as much. */
  readonly effectiveAudits: number;
  /** Share of all windows where the student's own answer is the teacher's. */
  readonly agreement: Estimate;
  /** The same of those windows that it keeps to itself. */
  readonly keptAgreement: Estimate;
  /** Share of all windows whose answer an offload for cause changed: what offloading buys. */
  readonly mended: Estimate;
  /** Share of all windows that keep an answer which the teacher would change. */
  readonly left: Estimate;
  /** Changed answers per offload for cause, over changed answers per window drawn at random: 1 for
   * a gate that chooses no better than chance. Null where nothing was offloaded for cause. */
  readonly lift: number | null;
  /** Share of the stored offloads that a trusted verdict has answered. */
  readonly answered: number;
};

/** Null before the first trusted audit: nothing is known of what a node keeps to itself. */
export function auditEstimates(counted: AuditCounts): AuditEstimates | null {
  if (counted.auditsTrusted === 0 || counted.weight <= 0) return null;
  const counts = withTheirOffloads(counted);
  // A report may come after the offloads that it tells of.
  const windows = Math.max(counts.windows, counts.certain + counts.audits);
  const certainShare = counts.certain / windows;
  const keptShare = 1 - certainShare;
  const effectiveAudits = counts.weight ** 2 / counts.weightSquared;
  const kept = wilson(counts.weightAgreed / counts.weight, effectiveAudits);
  const certain = certainAgreement(counts);
  const parts = [
    { share: keptShare, estimate: kept },
    { share: certainShare, estimate: certain },
  ];
  const agreement = weightedSum(parts);
  const mended = weightedSum([{ share: certainShare, estimate: complement(certain) }]);
  const left = weightedSum([{ share: keptShare, estimate: complement(kept) }]);
  const changed = 1 - agreement.value;
  const offloads = counts.certain + counts.audits;
  return {
    windows,
    audits: counts.auditsTrusted,
    effectiveAudits,
    agreement,
    keptAgreement: kept,
    mended,
    left,
    lift: counts.certainTrusted === 0 || changed <= 0 ? null : (1 - certain.value) / changed,
    answered: (counts.certainTrusted + counts.auditsTrusted) / offloads,
  };
}

/** Counting begins anew where a node takes another model. Where it goes back, verdicts still come on
 * what it offloaded before, and each of these has been an offload. */
function withTheirOffloads(counts: AuditCounts): AuditCounts {
  const certain = Math.max(counts.certain, counts.certainTrusted);
  const audits = Math.max(counts.audits, counts.auditsTrusted);
  return { ...counts, certain, audits };
}

function certainAgreement({ certain, certainTrusted, certainAgreed }: AuditCounts): Estimate {
  return certainEstimate(certainAgreed / certainTrusted, certainTrusted, certainTrusted / certain);
}

/**
 * Offloads for certain are all of their kind; only unanswered ones leave a doubt, which the finite
 * population correction scales (Cochran, 1977, section 2.6).
 *
 * @param answered how many were answered @param known and their share of all that went
 */
export function certainEstimate(share: number, answered: number, known: number): Estimate {
  if (answered === 0) return { value: 0.5, low: 0, high: 1 };
  const unknown = Math.max(0, 1 - known);
  const { low, high } = wilson(share, answered);
  const scale = Math.sqrt(unknown);
  return { value: share, low: share - scale * (share - low), high: share + scale * (high - share) };
}

/** The 97.5th percentile of the normal distribution: two-sided 95 %. */
const Z = 1.959964;

/**
 * Wilson's score interval for a share of `n` trials; `n` need not be whole.
 *
 * @param z how sure, in deviations of the normal distribution; two-sided 95 % unless said otherwise
 */
export function wilson(share: number, n: number, z = Z): Estimate {
  if (n <= 0) return { value: share, low: 0, high: 1 };
  const middle = (share + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const half =
    (z * Math.sqrt((share * (1 - share)) / n + (z * z) / (4 * n * n))) / (1 + (z * z) / n);
  return {
    value: share,
    low: Math.min(share, Math.max(0, middle - half)),
    high: Math.max(share, Math.min(1, middle + half)),
  };
}

export function complement({ value, low, high }: Estimate): Estimate {
  return { value: 1 - value, low: 1 - high, high: 1 - low };
}

/** Limits of a sum of independent estimates from the limits of each. */
export function weightedSum(
  parts: readonly { readonly share: number; readonly estimate: Estimate }[],
): Estimate {
  let value = 0;
  let below = 0;
  let above = 0;
  for (const { share, estimate } of parts) {
    value += share * estimate.value;
    below += (share * (estimate.value - estimate.low)) ** 2;
    above += (share * (estimate.high - estimate.value)) ** 2;
  }
  return {
    value,
    low: Math.max(0, value - Math.sqrt(below)),
    high: Math.min(1, value + Math.sqrt(above)),
  };
}
