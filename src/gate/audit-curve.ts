/**
 * What a model's answers would be worth at other shares of offloads, estimated from the offloads that
 * there are: everything the gate was unsure of, and audits of what it kept. Pure.
 *
 * Every answered window came with how sure the node was. Were windows offloaded below another
 * confidence, those below it would have the teacher's answer and those above their own: of the
 * windows that went for certain both are counted, of the kept ones each audit stands for one over its
 * chance (`audit-counts.ts`, whose intervals these are). Offloads for novelty and bursts go at any
 * confidence. Audits are not counted into a share, they come on top.
 *
 * Two things it does not know: verdicts also help the windows after them, so that less offloading is
 * a little worse than said here and more a little better; and the node's budget may stop it short.
 */

import {
  type AuditCounts,
  certainEstimate,
  type Chosen,
  complement,
  type Estimate,
  weightedSum,
  wilson,
} from "./audit-counts.ts";

/** Audits of equal weight without which nothing is said: with so many, the interval of a student that
 * is right nineteen times in twenty is 17 points wide. */
export const CURVE_AUDITS_LEAST = 30;
/** Nobody would offload more than this. */
const SHARE_MOST = 0.6;

/** A window that a trusted verdict has answered. */
export type CurveAnswer = Chosen & {
  /** Of what the node believed, 0 to 255. */
  readonly confidenceQ8: number;
  /** Offloaded for another reason than doubt: it would be at any confidence. */
  readonly always: boolean;
  readonly agrees: boolean;
};

export type CurvePoint = {
  /** Windows of less confidence are offloaded, 1 to 256. */
  readonly belowQ8: number;
  /** Of all windows, without audits. */
  readonly share: Estimate;
  /** Share of all windows that have the teacher's answer in the end. */
  readonly told: Estimate;
};

export type AuditCurve = {
  /** Audits of equal weight that would tell as much. */
  readonly effectiveAudits: number;
  /** Least share first; empty where there are too few audits. */
  readonly points: readonly CurvePoint[];
};

/** @param counts of the model, of which the answers are a part; they say how many windows of which
 * kind there were */
export function auditCurve(counts: AuditCounts, answers: readonly CurveAnswer[]): AuditCurve {
  const audits = answers.filter(({ audit }) => audit).map(weighed);
  const certain = answers.filter(({ audit }) => !audit).map(weighed);
  const effectiveAudits = effective(audits);
  if (effectiveAudits < CURVE_AUDITS_LEAST || counts.windows === 0) {
    return { effectiveAudits, points: [] };
  }
  // A report may come after the offloads that it tells of.
  const windows = Math.max(counts.windows, counts.certain + counts.audits);
  const certainShare = counts.certain / windows;
  const population = { certain, audits, certainShare, known: certain.length / counts.certain };
  const confidences = new Set(answers.map(({ confidenceQ8 }) => confidenceQ8));
  const points: CurvePoint[] = [];
  for (const belowQ8 of [0, ...confidences].sort((a, b) => a - b)) {
    const point = pointBelow(population, belowQ8);
    if (point.share.value > SHARE_MOST) break;
    // Thresholds that let the same windows through are one point.
    if (points.at(-1)?.share.value !== point.share.value) points.push(point);
  }
  return { effectiveAudits, points };
}

type Weighed = CurveAnswer & { readonly weight: number };

type Population = {
  readonly certain: readonly Weighed[];
  readonly audits: readonly Weighed[];
  /** Windows that go for certain, of all. */
  readonly certainShare: number;
  /** How many of them were answered, of all that went. */
  readonly known: number;
};

function weighed(answer: CurveAnswer): Weighed {
  return { ...answer, weight: answer.audit ? 65_535 / Math.max(1, answer.chanceQ16) : 1 };
}

/** Kish, 1965. */
function effective(answers: readonly Weighed[]): number {
  const weight = answers.reduce((sum, one) => sum + one.weight, 0);
  const squared = answers.reduce((sum, one) => sum + one.weight ** 2, 0);
  return squared === 0 ? 0 : weight ** 2 / squared;
}

function pointBelow(population: Population, belowQ8: number): CurvePoint {
  const goes = (one: Weighed): boolean => one.always || one.confidenceQ8 < belowQ8;
  const share = estimated(population, goes);
  const left = estimated(population, (one) => !goes(one) && !one.agrees);
  return { belowQ8, share, told: complement(left) };
}

/** The share of all windows of which something holds. */
function estimated(
  { certain, audits, certainShare, known }: Population,
  holds: (one: Weighed) => boolean,
): Estimate {
  const of = (answers: readonly Weighed[]): number => {
    const all = answers.reduce((sum, { weight }) => sum + weight, 0);
    const held = answers.reduce((sum, one) => sum + (holds(one) ? one.weight : 0), 0);
    return all === 0 ? 0 : held / all;
  };
  const kept = wilson(of(audits), effective(audits));
  if (certainShare === 0) return kept;
  return weightedSum([
    { share: 1 - certainShare, estimate: kept },
    { share: certainShare, estimate: certainEstimate(of(certain), certain.length, known) },
  ]);
}
