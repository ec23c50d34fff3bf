/**
 * Gathers the answers of several windows into one report.
 *
 * A report is of one model and one operating point, so it is closed when either changes. While
 * nobody listens reports are longer, which makes a full outbox last longer; what is still held back
 * when the power is cut is lost, at most `reportWindowsOffline - 1` windows.
 */

import { LIMITS } from "../src/wire/limits.ts";
import type { ModelId, ReportEntry } from "../src/wire/messages.ts";
import type { NodeSettings, Now } from "./node-types.ts";

export type Reporter = {
  entries: ReportEntry[];
  modelId: ModelId | undefined;
  /** At which the entries were answered. */
  operatingPoint: number;
  /** Uptime at the first entry, and at the last report. */
  sinceMs: number;
  lastMs: number;
  driftQ8: number;
  alarm: boolean;
};

export type ClosedReport = {
  readonly modelId: ModelId;
  readonly operatingPoint: number;
  readonly driftQ8: number;
  readonly alarm: boolean;
  readonly entries: readonly ReportEntry[];
};

export function createReporter(now: Now): Reporter {
  const { uptimeMs } = now;
  const nothing = { entries: [], modelId: undefined, operatingPoint: 0, driftQ8: 0, alarm: false };
  return { ...nothing, sinceMs: uptimeMs, lastMs: uptimeMs };
}

/** Adds an answer of the model that runs. The caller has closed the report of any other model or
 * operating point. */
export function addEntry(
  reporter: Reporter,
  entry: ReportEntry,
  state: {
    readonly modelId: ModelId;
    readonly operatingPoint: number;
    readonly driftQ8: number;
    readonly alarm: boolean;
  },
  now: Now,
): void {
  if (reporter.entries.length === 0) reporter.sinceMs = now.uptimeMs;
  reporter.entries.push(entry);
  reporter.modelId = state.modelId;
  reporter.operatingPoint = state.operatingPoint;
  reporter.driftQ8 = state.driftQ8;
  reporter.alarm = state.alarm;
}

/** Whether the report should go now. A quiet node on a connection says so with an empty one. */
export function reportIsDue(
  reporter: Reporter,
  settings: NodeSettings,
  connected: boolean,
  now: Now,
): boolean {
  const count = reporter.entries.length;
  const enough = connected ? settings.reportWindows : settings.reportWindowsOffline;
  if (count >= Math.min(enough, LIMITS.reportEntries)) return true;
  if (count > 0 && now.uptimeMs - reporter.sinceMs >= settings.reportMsMax) return true;
  return connected && now.uptimeMs - reporter.lastMs >= settings.wakeMs / 2;
}

/** Takes the entries out. `present` is what runs now, for a report without entries. */
export function closeReport(
  reporter: Reporter,
  present: { readonly modelId: ModelId; readonly operatingPoint: number },
  now: Now,
): ClosedReport {
  const { entries, driftQ8, alarm, modelId, operatingPoint } = reporter;
  const source = modelId === undefined ? present : { modelId, operatingPoint };
  const report = { ...source, driftQ8, alarm, entries };
  reporter.entries = [];
  reporter.modelId = undefined;
  reporter.lastMs = now.uptimeMs;
  return report;
}
