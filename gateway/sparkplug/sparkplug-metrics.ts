/**
 * What of the public topics is told as metrics of Sparkplug B, and under which names. Pure.
 *
 * Every metric that there will ever be is in the lists of a birth, as null until it is known: a host
 * refuses data of a metric that no birth has named. Folders are parted by `/`, as hosts show them.
 */

import type {
  Behaviour,
  BridgeInfo,
  BudgetSpan,
  NodeStateMessage,
  PublicBudget,
} from "../../src/wire/public.ts";
import type { DataType, Metric } from "./sparkplug-payload.ts";

const SPANS = { hour: "Hour", day: "Day", yesterday: "Yesterday" } as const;
const UNKNOWN = "Unknown";

/** Of one device, before anything is known of it. */
export function noDeviceMetrics(classes: readonly string[], timeMs: number): Metric[] {
  const of = (name: string, type: DataType): Metric => ({ name, type, value: null, timeMs });
  const budgets = Object.values(SPANS).flatMap((span) =>
    [...classes, UNKNOWN].map((name) => of(minutesName(span, name), "Double")),
  );
  return [
    of("Behaviour", "String"),
    of("Since", "DateTime"),
    of("Confidence", "Double"),
    of("Source", "String"),
    of("Trusted", "Boolean"),
    of("Battery", "Int32"),
    of("Offload Share", "Double"),
    of("Agreement", "Double"),
    of("Drift Alarm", "Boolean"),
    of("Sensor Fault", "String"),
    of("Model/Name", "String"),
    of("Model/Release", "Int64"),
    of("Model/Latest Release", "Int64"),
    of("Model/Updating", "Boolean"),
    ...budgets,
  ];
}

export function behaviourMetrics(told: Behaviour): Metric[] {
  const of = metricsAt(told.time);
  return [
    of("Behaviour", "String", told.behaviour),
    of("Since", "DateTime", told.since),
    of("Confidence", "Double", told.confidence),
    of("Source", "String", told.source),
    of("Trusted", "Boolean", told.trusted),
  ];
}

export function stateMetrics(told: NodeStateMessage, nowMs: number): Metric[] {
  const of = metricsAt(nowMs);
  return [
    of("Battery", "Int32", told.battery),
    of("Offload Share", "Double", told.offload_ratio),
    of("Agreement", "Double", told.agreement),
    of("Drift Alarm", "Boolean", told.alarm),
    of("Sensor Fault", "String", told.fault),
    of("Model/Name", "String", told.model),
    of("Model/Release", "Int64", told.release),
    of("Model/Latest Release", "Int64", told.latest_release),
    of("Model/Updating", "Boolean", told.updating),
  ];
}

export function budgetMetrics(classes: readonly string[], told: PublicBudget): Metric[] {
  const of = metricsAt(told.time);
  const minutes = ({ minutes: known, unknown_minutes: unknown }: BudgetSpan, name: string) =>
    name === UNKNOWN ? unknown : (known[name] ?? 0);
  return (["hour", "day", "yesterday"] as const).flatMap((span) =>
    [...classes, UNKNOWN].map((name) =>
      of(minutesName(SPANS[span], name), "Double", minutes(told[span], name)),
    ),
  );
}

/** Of the gateway itself, before anything is known. */
export function noEdgeMetrics(version: string, timeMs: number): Metric[] {
  const of = metricsAt(timeMs);
  return [
    of("Properties/Version", "String", version),
    of("Detail", "String", null),
    of("Nodes", "Int32", null),
    of("Loop/State", "String", null),
    of("Loop/Soft Labels", "Int64", null),
    of("Loop/Release", "Int64", null),
    of("Teacher/Name", "String", null),
    of("Teacher/Trusted", "Boolean", null),
  ];
}

export function infoMetrics(told: BridgeInfo): Metric[] {
  const of = metricsAt(told.time);
  return [
    of("Nodes", "Int32", told.nodes),
    of("Loop/State", "String", told.loop.state),
    of("Loop/Soft Labels", "Int64", told.soft_labels),
    of("Loop/Release", "Int64", told.release.sequence),
    of("Teacher/Name", "String", told.teacher.name),
    of("Teacher/Trusted", "Boolean", told.teacher.trusted),
  ];
}

/** What keeps the gateway from working as it should; null where nothing does. */
export function detailMetrics(told: { readonly detail?: string }, nowMs: number): Metric[] {
  return [metricsAt(nowMs)("Detail", "String", told.detail ?? null)];
}

/** A behaviour is a name in a folder, and makes no further one. */
function minutesName(span: string, behaviour: string): string {
  return `Minutes/${span}/${behaviour.replaceAll("/", "_")}`;
}

function metricsAt(timeMs: number) {
  return (name: string, type: DataType, value: Metric["value"]): Metric => ({
    name,
    type,
    value,
    timeMs,
  });
}
