/**
 * A stored report: what it says of the windows that it names, whenever it comes, and of how the node is
 * now, where it is the newest. Pure.
 */

import { NO_COUNTS } from "../../src/gate/audit-counts.ts";
import type { GatewayEffect, GatewayState, NodeState } from "../gateway-state.ts";
import { onWindows } from "../release/serving.ts";
import type { Report, StoredRow } from "../store/label-rows.ts";
import { tellReport } from "../telling/telling.ts";
import { onReportedWindows } from "./behaviour-desk.ts";
import { countBeat } from "./cohort-desk.ts";
import { countNode } from "./count-node.ts";
import { followPoint } from "./operating-points.ts";
import { isSound, onTimed } from "./sensor-desk.ts";

/** @param stored what was new of it in the store */
export function onReport(
  state: GatewayState,
  node: NodeState,
  report: Report,
  { freshEntries: windows }: StoredRow,
  nowMs: number,
): GatewayEffect[] {
  countNode(state, node.row.node, { windows }, report.modelId, { ...NO_COUNTS, windows });
  const effects = onTimed(state, node, report, nowMs);
  if (isNewest(node, report)) effects.push(...takePresent(state, node, report, windows));
  countBeat(node, { ...report, driftQ8: isOfPresent(node, report) ? report.driftQ8 : null });
  effects.push(...tellReport(state, node, report));
  effects.push(...onReportedWindows(state, node, report, nowMs));
  effects.push(...onWindows(state, node, report, nowMs));
  return effects;
}

/** A report that was lost on its way comes after later ones; what is left of a life before comes after
 * the hello of the present one. */
function isNewest(node: NodeState, { epoch, seq }: Report): boolean {
  const { newestReport: newest, row } = node;
  if (row.epoch !== 0 && epoch !== row.epoch) return false;
  if (newest !== null && newest.epoch === epoch && seq < newest.seq) return false;
  node.newestReport = { epoch, seq };
  return true;
}

/** What a former model found new the present one may know: the last report of a node that has just
 * taken a release for its drift still tells of the alarm. */
function isOfPresent({ row }: NodeState, { modelId }: Report): boolean {
  return row.cohort === "" || modelId === row.modelId;
}

function takePresent(
  state: GatewayState,
  node: NodeState,
  report: Report,
  windows: number,
): GatewayEffect[] {
  const { modelId, driftQ8, alarm, batteryPercent, dropped } = report;
  node.row = { ...node.row, batteryPercent, dropped };
  if (!isOfPresent(node, report)) return [];
  const { node: id, alarm: wasAlarm } = node.row;
  node.row = { ...node.row, driftQ8, alarm };
  const effects = followPoint(state.points, node, report, state.uptimeMs);
  if (alarm !== wasAlarm) {
    const message = alarm ? "drift alarm" : "drift alarm over";
    effects.push({ kind: "log", level: "info", message, fields: { node: id } });
  }
  const sound = isSound(node);
  const drift = { kind: "drift", node: id, modelId, windows, driftQ8, alarm, sound } as const;
  return [...effects, { kind: "news", news: drift }];
}
