/**
 * A window that is complete: answered, reported, and offloaded when the gate says so.
 */

import { assert } from "../src/assert.ts";
import type { GateDecision } from "../src/gate/decide.ts";
import {
  doubtsStoodFor,
  type FormCost,
  type FormQuestion,
  offloadForm,
} from "../src/gate/offload-form.ts";
import { pointAt } from "../src/gate/operating-points.ts";
import { packCodes } from "../src/wire/codes.ts";
import { encodeUp } from "../src/wire/frames.ts";
import type {
  FeaturesOffload,
  ModelId,
  OffloadHead,
  WindowEncoding,
  WindowOffload,
} from "../src/wire/messages.ts";
import { offloadBytes } from "../src/wire/offload-frame.ts";
import { type Answer, decideWindow } from "./deciding.ts";
import type { Model } from "./models.ts";
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
  const question = formQuestion(node, decision);
  const rule = node.settings.features?.rule;
  const form = offloadForm(question, rule);
  const offload = form === "none" ? null : decision.offload;
  // One window of eight doubts has an eighth of a doubt's chance: learning weighs it so.
  const chanceQ16 = Math.floor(decision.chanceQ16 / doubtsStoodFor(question, rule));
  if (form !== "none") putOffload(node, asked, { ...answer, form, chanceQ16 }, now, effects);
  if (offload === "unsure") node.doubts += 1;
  const entry = {
    windowIndex,
    timeMs,
    classIndex,
    confidenceQ8,
    exit,
    offloaded: offload !== null,
  };
  addEntry(node.reporter, entry, { ...presentOf(node), driftQ8, alarm }, now);
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
    form,
    chanceQ16,
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

/** As the node is set, but that of 2 bits nothing is learned: what is offloaded to be learned from, or
 * is unknown, goes in 4 where the link carries that. */
function encodingOf({ settings, updater }: Node, reason: GateDecision["offload"]): WindowEncoding {
  const { offloadEncoding, offloadBytesMax } = settings;
  const { student } = updater.running.model.container;
  const isFiner = reason !== "unsure" && offloadBytes("companded4", student) <= offloadBytesMax;
  return offloadEncoding === "companded2" && isFiner ? "companded4" : offloadEncoding;
}

/** What is asked of `offloadForm`: windows alone where nobody said that codes are read. */
function formQuestion(node: Node, { offload, alarm }: GateDecision): FormQuestion {
  const { settings, outbox, updater } = node;
  const { container, encoder } = updater.running.model;
  const rawBytes = offloadBytes(encodingOf(node, offload), container.student);
  const fits = rawBytes <= settings.offloadBytesMax;
  const free: FormCost = { microjoules: 0 };
  const costs =
    settings.features === undefined || encoder === undefined
      ? { raw: free, features: undefined }
      : settings.features.costs({ rawBytes, ...encoder });
  return {
    ...{ reason: offload, alarm, batteryPercent: node.batteryPercent, doubts: node.doubts },
    ...{ owed: outbox.offloads, owedMax: settings.offloadsOwedMax },
    features: costs.features,
    raw: fits ? costs.raw : undefined,
  };
}

/** A clock that was never set, or set to anything, still gives a time that a frame can carry. */
function wireTime(wallMs: number): number {
  return Math.max(0, Math.min(0xffff_ffff_ffff, Math.round(wallMs)));
}

function putOffload(
  node: Node,
  asked: WindowToAnswer,
  {
    decision,
    form,
    chanceQ16,
  }: Answer & { readonly form: "features" | "raw"; readonly chanceQ16: number },
  now: Now,
  effects: NodeEffect[],
): void {
  const { model } = node.updater.running;
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
    chanceQ16,
    classIndex: decision.classIndex,
    confidenceQ8: decision.confidenceQ8,
    exit: decision.exit,
    ...(form === "features"
      ? codesOf(model)
      : windowOf(model, encodingOf(node, decision.offload), asked.window)),
  });
  for (const record of putEntry(node.outbox, "offload", frame, node.nextWindow)) {
    effects.push({ kind: "outbox", record });
  }
}

type Payload<T> = Omit<T, keyof OffloadHead>;

function windowOf(
  { container }: Model,
  encoding: WindowEncoding,
  window: Int8Array,
): Payload<WindowOffload> {
  const { student, inputMilligPerStep, rateCentihertz } = container;
  const { windowSamples, channels } = student;
  const shape = { windowSamples, channels, inputMilligPerStep, rateCentihertz };
  return { ...shape, encoding, window };
}

/** Of the window that the student has just answered. */
function codesOf({ student, encoder }: Model): Payload<FeaturesOffload> {
  assert(encoder !== undefined, "codes are chosen where there is an encoder");
  const codes = packCodes(student.encode(), encoder.codeBits);
  return { encoding: "features", encoder: encoder.id, codes };
}

/** What a report of now would be of. */
function presentOf({ gate, updater }: Node): { modelId: ModelId; operatingPoint: number } {
  const { modelId, gate: parameters } = updater.running.model;
  return { modelId, operatingPoint: pointAt(parameters.operatingPoints, gate.operatingShareQ16) };
}

export function flushReport(node: Node, now: Now, effects: NodeEffect[]): void {
  const quiet = node.reporter.entries.length === 0;
  if (quiet && !node.connected) return;
  const report = closeReport(node.reporter, presentOf(node), now);
  const { epoch, nextSeq: seq, dropped } = node.outbox;
  const { batteryPercent } = node;
  const frame = encodeUp({ kind: "report", epoch, seq, batteryPercent, dropped, ...report });
  for (const record of putEntry(node.outbox, "report", frame, node.nextWindow)) {
    effects.push({ kind: "outbox", record });
  }
}
