/**
 * A window that is complete: answered, reported, and offloaded when the gate says so.
 */

import { encodeUp } from "../src/wire/frames.ts";
import { offloadBytes } from "../src/wire/offload-frame.ts";
import { type Answer, decideWindow } from "./deciding.ts";
import type { NodeEffect, Now } from "./node-types.ts";
import { type Node, saveGate } from "./node-state.ts";
import { putEntry } from "./outbox.ts";
import { addEntry, closeReport, reportIsDue } from "./reporting.ts";
import { watchTrial } from "./trial.ts";

export type WindowToAnswer = {
  readonly window: Int8Array;
  readonly endSample: number | undefined;
  readonly timeMs: number;
};

export function answerWindow(
  node: Node,
  asked: WindowToAnswer,
  now: Now,
  effects: NodeEffect[],
): void {
  const { updater, tools } = node;
  const { model, sequence } = updater.running;
  const windowIndex = node.nextWindow;
  const answer = decideWindow(model, node.gate, asked.window, windowIndex, tools.random);
  const { decision } = answer;
  node.nextWindow += 1;
  node.gate = decision.nextState;
  const timeMs = wireTime(asked.timeMs);
  const { classIndex, confidenceQ8, exit, driftQ8, alarm } = decision;
  const offload = linkCarries(node) ? decision.offload : null;
  if (offload !== null) putOffload(node, asked, answer, now, effects);
  const entry = {
    windowIndex,
    timeMs,
    classIndex,
    confidenceQ8,
    exit,
    offloaded: offload !== null,
  };
  addEntry(node.reporter, entry, { modelId: model.modelId, driftQ8, alarm }, now);
  if (reportIsDue(node.reporter, node.settings, node.connected, now)) {
    flushReport(node, now, effects);
  }
  effects.push({
    kind: "decided",
    windowIndex,
    timeMs,
    endSample: asked.endSample,
    classIndex,
    confidenceQ8,
    exit,
    offload,
    chanceQ16: decision.chanceQ16,
    driftQ8,
    alarm,
    modelId: model.modelId,
    releaseSequence: sequence,
  });
  const logits = answer.exits[0]?.logits;
  if (updater.trial !== undefined && logits !== undefined) {
    watchTrial(updater.trial, answer.statistics, logits);
  }
  if (node.nextWindow % node.settings.gateSaveWindows === 0) saveGate(node, effects);
}

function linkCarries({ settings, outbox, updater }: Node): boolean {
  const { student } = updater.running.model.container;
  const fits = offloadBytes(settings.offloadEncoding, student) <= settings.offloadBytesMax;
  return fits && outbox.offloads < settings.offloadsOwedMax;
}

/** A clock that was never set, or set to anything, still gives a time that a frame can carry. */
function wireTime(wallMs: number): number {
  return Math.max(0, Math.min(0xffff_ffff_ffff, Math.round(wallMs)));
}

function putOffload(
  node: Node,
  asked: WindowToAnswer,
  { decision }: Answer,
  now: Now,
  effects: NodeEffect[],
): void {
  const { model } = node.updater.running;
  const { student, inputMilligPerStep, rateCentihertz } = model.container;
  // The report of the windows before goes first, so that a gateway meets windows in order.
  if (node.reporter.entries.length > 0) flushReport(node, now, effects);
  const frame = encodeUp({
    kind: "offload",
    epoch: node.outbox.epoch,
    seq: node.outbox.nextSeq,
    modelId: model.modelId,
    windowIndex: node.nextWindow - 1,
    timeMs: wireTime(asked.timeMs),
    reason: decision.offload ?? "audit",
    chanceQ16: decision.chanceQ16,
    classIndex: decision.classIndex,
    confidenceQ8: decision.confidenceQ8,
    exit: decision.exit,
    windowSamples: student.windowSamples,
    channels: student.channels,
    inputMilligPerStep,
    rateCentihertz,
    encoding: node.settings.offloadEncoding,
    window: asked.window,
  });
  for (const record of putEntry(node.outbox, "offload", frame, node.nextWindow)) {
    effects.push({ kind: "outbox", record });
  }
}

export function flushReport(node: Node, now: Now, effects: NodeEffect[]): void {
  const quiet = node.reporter.entries.length === 0;
  if (quiet && !node.connected) return;
  const report = closeReport(node.reporter, node.updater.running.model.modelId, now);
  const { epoch, nextSeq: seq, dropped } = node.outbox;
  const { batteryPercent } = node;
  const frame = encodeUp({ kind: "report", epoch, seq, batteryPercent, dropped, ...report });
  for (const record of putEntry(node.outbox, "report", frame, node.nextWindow)) {
    effects.push({ kind: "outbox", record });
  }
}
