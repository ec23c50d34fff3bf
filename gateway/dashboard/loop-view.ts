/**
 * What the page of the loop shows, worked out from the board: agreement by audits against offloading,
 * drift node by node, groups and alerts. Pure.
 *
 * Audits measure each node where it is, at one share of offloads. These are points, each with its
 * interval; no curve is drawn between nodes that are not the same animal. What one model would do at
 * other shares is estimated by the gateway (`src/gate/audit-curve.ts`), and shown where it can be.
 */

import type { Alert, Audit, BridgeInfo, BudgetSpan } from "../../src/wire/public.ts";
import type { CurvePoint, LoopCurve } from "../http/loop-payloads.ts";
import { agreementText, intervalText } from "./animal-view.ts";
import { counted, type Herd, percentText } from "./herd-view.ts";

export type AuditRow = {
  readonly name: string;
  readonly agreement: string;
  readonly mended: string;
  readonly left: string;
  readonly lift: string;
};

/** Every model that nodes of a cohort run. */
export function auditRows(info: BridgeInfo | undefined): AuditRow[] {
  return (info?.cohorts ?? []).map(({ cohort, model, nodes, audit }) => ({
    name: `${cohort}, model ${model.slice(0, 8)}, ${counted(nodes, "node")}`,
    agreement: agreementText(audit),
    mended: audit === null ? "" : intervalText(audit.mended, audit.mended_low, audit.mended_high),
    left: audit === null ? "" : intervalText(audit.left, audit.left_low, audit.left_high),
    lift: audit?.lift == null ? "" : audit.lift.toFixed(1),
  }));
}

export type Estimate = { readonly value: number; readonly low: number; readonly high: number };

/** A node where it is: its share of offloads, and how many of its answers are the teacher's. */
export type LoopPoint = {
  readonly node: string;
  readonly offload: number;
  /** The student's own answers. */
  readonly own: Estimate;
  /** What is told in the end, where offloads have mended some. */
  readonly told: Estimate;
};

export function pointsOf(herd: Herd): LoopPoint[] {
  return devicesOf(herd).flatMap(({ node, offload_ratio: offload, audit }) =>
    audit === null ? [] : [{ node, offload, ...estimatesOf(audit) }],
  );
}

function estimatesOf(audit: Audit): Pick<LoopPoint, "own" | "told"> {
  const { agreement, agreement_low: low, agreement_high: high } = audit;
  const { left, left_low: leastLeft, left_high: mostLeft } = audit;
  return {
    own: { value: agreement, low, high },
    told: { value: 1 - left, low: 1 - mostLeft, high: 1 - leastLeft },
  };
}

export function pointsText(points: readonly LoopPoint[], nodes: number): string {
  if (points.length === 0) return "No node has a trusted audit yet.";
  const gains = points.map(({ own, told }) => told.value - own.value).sort((a, b) => a - b);
  const gain = 100 * (gains[Math.floor(gains.length / 2)] ?? 0);
  return (
    `${points.length} of ${counted(nodes, "node")} have trusted audits; on the median one offloading mends ` +
    `${gain.toFixed(1)} of a hundred answers.`
  );
}

/** Shares that a table of a curve has, as far as the curve goes. */
const TABLE_SHARES = [0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5];

export function curveName({ cohort, model, nodes }: LoopCurve): string {
  return `${cohort}, model ${model.slice(0, 8)}, ${counted(nodes, "node")}`;
}

/** From what a curve is estimated, or why there is none. */
export function curveText({
  answers,
  audits,
  audits_least: least,
  now,
  points,
}: LoopCurve): string {
  if (points.length === 0) {
    return `Not enough audits: ${audits} of the ${least} that it takes have been answered.`;
  }
  const at = now === null ? "" : `; ${percentText(now)} are offloaded now`;
  return `By ${answers.toLocaleString("en")} answered windows, of them ${counted(audits, "audit")}${at}.`;
}

/** Rows for round shares: of each the point that offloads most without passing it, each point once. */
export function curveRows({ points }: LoopCurve): readonly CurvePoint[] {
  const chosen = TABLE_SHARES.flatMap((share) => {
    const point = points.findLast((one) => one.share <= share + 0.0005);
    return point === undefined ? [] : [point];
  });
  const [first] = points;
  return [...new Set([...(first === undefined ? [] : [first]), ...chosen])];
}

export type DriftRow = {
  readonly node: string;
  readonly drift: number;
  readonly alarm: boolean;
  readonly isOnline: boolean;
};

/** Numbers in names as numbers. */
const NAMES = new Intl.Collator("en", { numeric: true });

/** The farthest first. */
export function driftRows(herd: Herd): DriftRow[] {
  return devicesOf(herd)
    .map(({ node, drift, alarm, state }) => ({ node, drift, alarm, isOnline: state === "online" }))
    .sort((a, b) => b.drift - a.drift || NAMES.compare(a.node, b.node));
}

export type GroupRow = {
  readonly name: string;
  readonly nodes: number;
  readonly spans: readonly { readonly name: string; readonly span: BudgetSpan }[];
};

/** In the order of their names. */
export function groupRows(herd: Herd): GroupRow[] {
  return [...herd.groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { nodes, hour, day, yesterday }]) => ({
      name,
      nodes,
      spans: [
        { name: "this hour", span: hour },
        { name: "today", span: day },
        { name: "yesterday", span: yesterday },
      ],
    }));
}

/** The newest day first. */
export function alertRows(herd: Herd): Alert[] {
  return [...herd.alerts.values()].sort((a, b) => b.day - a.day || (a.id < b.id ? -1 : 1));
}

function devicesOf(herd: Herd) {
  return [...herd.nodes.values()].flatMap(({ device }) => device ?? []);
}
