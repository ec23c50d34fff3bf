/**
 * What other shares of offloads would give, of every model that nodes of a cohort run, from the store:
 * the newest answered windows of the model, whoever of its nodes sent them. `src/gate/audit-curve.ts`
 * has the estimator.
 */

import type { DatabaseSync } from "node:sqlite";
import { type AuditCounts, NO_COUNTS } from "../../src/gate/audit-counts.ts";
import {
  auditCurve,
  CURVE_AUDITS_LEAST,
  type CurveAnswer,
  type CurvePoint as EstimatedPoint,
} from "../../src/gate/audit-curve.ts";
import { largestIndex } from "../../src/learn/metrics.ts";
import { OFFLOAD_REASONS } from "../../src/wire/messages.ts";
import type { CurvePoint, LoopCurve, LoopCurves } from "../http/loop-payloads.ts";
import { rounded } from "../telling/tell-behaviours.ts";
import { probabilitiesOf } from "./label-animal.ts";
import { chosenOf } from "./label-rows.ts";

export const CURVE_LIMITS = {
  /** Answered windows of a model that are looked at, the newest. */
  answers: 20_000,
  /** Offloads of all models among which these are sought: there is no index by model. */
  sought: 200_000,
  /** Cohorts and models that are told. */
  curves: 8,
  /** Points of a curve that are told; more are no different on a page. */
  points: 64,
} as const;

/** What is read of the store. */
export type CurveSource = {
  modelAudits(): ReadonlyMap<string, AuditCounts>;
  nodes(): readonly { readonly cohort: string; readonly modelId: string }[];
  curveAnswers(model: string): readonly CurveAnswer[];
};

type Row = {
  readonly reason: number;
  readonly chance_q16: number;
  readonly class: number;
  readonly confidence_q8: number;
  readonly probabilities: Uint8Array;
};

/** A model's newest windows with a trusted answer. */
export function curveAnswers(database: DatabaseSync, model: string): CurveAnswer[] {
  const rows = database
    .prepare(
      `SELECT o.reason, o.chance_q16, o.class, o.confidence_q8, l.probabilities
       FROM offloads o JOIN labels l ON l.offload = o.id
       WHERE o.id > (SELECT coalesce(max(id), 0) FROM offloads) - ? AND o.model = ? AND l.trusted = 1
       ORDER BY o.id DESC LIMIT ?`,
    )
    .iterate(CURVE_LIMITS.sought, model, CURVE_LIMITS.answers) as Iterable<Row>;
  const answers: CurveAnswer[] = [];
  for (const row of rows) {
    const reason = OFFLOAD_REASONS[row.reason] ?? "unsure";
    answers.push({
      ...chosenOf({ reason, chanceQ16: row.chance_q16 }),
      confidenceQ8: row.confidence_q8,
      always: reason !== "unsure" && reason !== "audit",
      agrees: largestIndex(probabilitiesOf(row.probabilities)) === row.class,
    });
  }
  return answers;
}

/** Of what nodes run now, by cohort and model, in that order. */
export function loopCurves(reader: CurveSource): LoopCurves {
  const counts = reader.modelAudits();
  const groups = new Map<string, { cohort: string; model: string; nodes: number }>();
  for (const { cohort, modelId: model } of reader.nodes()) {
    if (cohort === "") continue;
    const key = `${cohort} ${model}`;
    const group = groups.get(key) ?? { cohort, model, nodes: 0 };
    groups.set(key, { ...group, nodes: group.nodes + 1 });
  }
  const ordered = [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
  // Those that most nodes run, where there are many.
  const told = [...ordered].sort((a, b) => b.nodes - a.nodes).slice(0, CURVE_LIMITS.curves);
  const curves = ordered
    .filter((group) => told.includes(group))
    .map((group) => ({ ...group, ...curveOf(reader, group.model, counts) }));
  return { v: 1, curves };
}

function curveOf(
  reader: CurveSource,
  model: string,
  counts: ReadonlyMap<string, AuditCounts>,
): Omit<LoopCurve, "cohort" | "model" | "nodes"> {
  const answers = reader.curveAnswers(model);
  const all = counts.get(model) ?? NO_COUNTS;
  const { effectiveAudits, points } = auditCurve(all, answers);
  const step = Math.max(1, points.length / CURVE_LIMITS.points);
  const chosen = Array.from({ length: Math.min(points.length, CURVE_LIMITS.points) }, (_, i) =>
    points.at(Math.floor(i * step)),
  );
  return {
    answers: answers.length,
    audits: Math.floor(effectiveAudits),
    audits_least: CURVE_AUDITS_LEAST,
    now: all.windows === 0 ? null : rounded(Math.min(1, all.certain / all.windows)),
    points: chosen.flatMap((point) => (point === undefined ? [] : [publicPoint(point)])),
  };
}

function publicPoint({ share, told }: EstimatedPoint): CurvePoint {
  return {
    share: rounded(share.value),
    share_low: rounded(share.low),
    share_high: rounded(share.high),
    told: rounded(told.value),
    told_low: rounded(told.low),
    told_high: rounded(told.high),
  };
}
