/**
 * The node program: what one collar does with everything that happens to it.
 *
 * `stepNode(node, event, now)` changes the node's state and returns what is to be done, in order.
 * It knows no network, no file and no clock; the same events at the same times give the same
 * effects, so that a simulated world can replay a node's life, and a browser or a microcontroller
 * can be one. It refuses to wait for anything: a window is answered when it is complete, whatever
 * the link, the flash and the gateway are doing.
 */

import { EdgeError, unreachable } from "../src/assert.ts";
import { applyOperatingShare, applySetting, gateVerdict } from "../src/gate/decide.ts";
import { carryGateState } from "../src/gate/gate-state.ts";
import { POINTS_CONTAINER_VERSION } from "../src/model/container-layout.ts";
import { decodeDown, encodeUp } from "../src/wire/frames.ts";
import type { DownKind, DownMessage } from "../src/wire/messages.ts";
import { answerWindow, flushReport } from "./answering.ts";
import { bootUpdater } from "./boot-slots.ts";
import type { Model } from "./models.ts";
import { contextOf, type Node, restoreGate, saveGate, shapeOf } from "./node-state.ts";
import type { NodeEffect, NodeEvent, NodeSettings, NodeTools, Now } from "./node-types.ts";
import { acknowledge, dueEntries, linkLost, markDurable, openOutbox } from "./outbox.ts";
import { createReporter, reportIsDue } from "./reporting.ts";
import {
  askForChunks,
  flashFailed,
  resumeOnConnect,
  stepTrial,
  takeChunk,
  takeOffer,
  takeSlotImage,
} from "./staging.ts";
import type { FlashContent, OutboxImage } from "./storage.ts";
import { createWindowing, takeSamples, type Windowing } from "./windowing.ts";

/** Switches a node on over what its storage holds. Throws `EdgeError` only for a factory container
 * that cannot be used: everything found in storage is either sound or left aside. */
export function bootNode(
  boot: {
    readonly factory: Uint8Array;
    readonly outbox: OutboxImage;
    readonly flash: FlashContent;
  },
  settings: NodeSettings,
  tools: NodeTools,
  now: Now,
): { readonly node: Node; readonly effects: readonly NodeEffect[] } {
  const effects: NodeEffect[] = [];
  const outbox = openOutbox(boot.outbox, settings.outbox);
  const context = { settings, tools, now, connected: false, nextSeq: outbox.nextSeq, effects };
  const updater = bootUpdater(boot.flash, tools.load(boot.factory), context);
  const { model, sequence } = updater.running;
  const node: Node = {
    settings,
    tools,
    outbox,
    updater,
    reporter: createReporter(now),
    windowing: createWindowing(shapeOf(model)),
    gate: restoreGate(boot.flash.gate, model),
    connected: false,
    batteryPercent: 100,
    doubts: 0,
    nextWindow: boot.outbox.nextWindow,
  };
  if (node.gate.levelQ8 > 0) saveGate(node, effects);
  if (boot.outbox.damagedBytes > 0) {
    const text = `${boot.outbox.damagedBytes} bytes of the outbox could not be read`;
    effects.push({ kind: "log", code: "outbox-damaged", text });
  }
  const owed = boot.outbox.entries.length;
  const text = `release ${sequence}, model ${model.modelId}, epoch ${outbox.epoch}, ${owed} owed`;
  effects.push({ kind: "log", code: "booted", text });
  return { node, effects };
}

export function stepNode(node: Node, event: NodeEvent, now: Now): readonly NodeEffect[] {
  const effects: NodeEffect[] = [];
  const context = contextOf(node, now, effects);
  switch (event.kind) {
    case "samples":
      takeSamples(node.windowing, event, (cut) => {
        const timeMs = now.wallMs - cut.agoMs;
        answerWindow(node, { window: cut.window, endSample: cut.endSample, timeMs }, now, effects);
      });
      break;
    case "window": {
      const { window } = event;
      answerWindow(node, { window, endSample: undefined, timeMs: now.wallMs }, now, effects);
      break;
    }
    case "connected":
      node.connected = true;
      effects.push({ kind: "publish", topic: "hello", frame: helloFrame(node) });
      resumeOnConnect(node.updater, contextOf(node, now, effects));
      break;
    case "disconnected":
      node.connected = false;
      linkLost(node.outbox);
      break;
    case "message":
      takeMessage(node, event, now, effects);
      break;
    case "durable":
      markDurable(node.outbox, event.seq);
      break;
    case "slot-read":
      changeModel(node, now, effects, () => takeSlotImage(node.updater, event, context));
      break;
    case "flash-failed":
      flashFailed(node.updater, `${event.write}: ${event.reason}`, context);
      break;
    case "battery":
      node.batteryPercent = event.percent;
      break;
    case "tick":
      break;
    case "stopping":
      if (node.reporter.entries.length > 0) flushReport(node, now, effects);
      saveGate(node, effects, node.gate.levelQ8);
      break;
    default:
      unreachable(event);
  }
  pump(node, now, effects);
  return effects;
}

/** What is owed to time rather than to an event. */
function pump(node: Node, now: Now, effects: NodeEffect[]): void {
  changeModel(node, now, effects, () => {
    stepTrial(node.updater, contextOf(node, now, effects));
  });
  if (reportIsDue(node.reporter, node.settings, node.connected, now)) {
    flushReport(node, now, effects);
  }
  if (!node.connected) return;
  askForChunks(node.updater, contextOf(node, now, effects));
  for (const entry of dueEntries(node.outbox, now.uptimeMs, node.tools.jitter)) {
    effects.push({ kind: "publish", topic: entry.kind, frame: entry.frame });
  }
}

function takeMessage(
  node: Node,
  event: { readonly topic: DownKind; readonly frame: Uint8Array },
  now: Now,
  effects: NodeEffect[],
): void {
  let message: DownMessage;
  try {
    message = decodeDown(event.topic, event.frame);
  } catch (error) {
    if (!(error instanceof EdgeError)) throw error;
    effects.push({ kind: "log", code: "bad-frame", text: error.message });
    return;
  }
  const { updater, outbox } = node;
  const context = contextOf(node, now, effects);
  switch (message.kind) {
    case "ack": {
      const records = acknowledge(outbox, message.epoch, message.seqs, now.uptimeMs);
      for (const record of records) {
        effects.push({ kind: "outbox", record });
        const { trial } = updater;
        if (trial === undefined || record.kind !== "remove") continue;
        trial.heard ||= record.seqs.some((seq) => seq >= trial.firstSeq);
      }
      return;
    }
    case "verdict":
      takeVerdict(node, message, effects);
      return;
    case "offer":
      changeModel(node, now, effects, () => takeOffer(updater, message, context));
      return;
    case "chunk":
      takeChunk(updater, message, context);
      return;
    case "setting":
      node.gate = applySetting(node.gate, message);
      return;
    case "point":
      takeShare(node, message.shareQ16, now, effects);
      return;
    default:
      unreachable(message);
  }
}

/**
 * A verdict of another life of this node, or in another list of classes, says nothing to this one.
 */
function takeVerdict(
  node: Node,
  verdict: Extract<DownMessage, { kind: "verdict" }>,
  effects: NodeEffect[],
): void {
  const { windowIndex, classIndex, trusted, probabilitiesQ8 } = verdict;
  const { classes } = node.updater.running.model.container;
  if (verdict.epoch !== node.outbox.epoch || probabilitiesQ8.length !== classes.length) return;
  node.gate = gateVerdict(node.updater.running.model.gate, node.gate, verdict);
  effects.push({ kind: "verdict", windowIndex, classIndex, trusted });
}

/** Kept at once: a node that loses its power is where it was sent. */
function takeShare(node: Node, shareQ16: number, now: Now, effects: NodeEffect[]): void {
  if (shareQ16 === node.gate.operatingShareQ16) return;
  if (node.reporter.entries.length > 0) flushReport(node, now, effects);
  node.gate = applyOperatingShare(node.updater.running.model.gate, node.gate, shareQ16);
  saveGate(node, effects);
}

/** Does something after which another model may run, and lets the rest of the node follow. */
function changeModel(node: Node, now: Now, effects: NodeEffect[], change: () => void): void {
  const before = node.updater.running;
  change();
  const { running } = node.updater;
  if (running === before) return;
  if (node.reporter.entries.length > 0) flushReport(node, now, effects);
  node.gate = carryGateState(running.model.gate, node.gate);
  node.windowing = changeShape(node.windowing, running.model);
}

/** The samples stay; only how they are cut and quantized changes. */
function changeShape(windowing: Windowing, model: Model): Windowing {
  return { ...windowing, shape: shapeOf(model) };
}

function helloFrame(node: Node): Uint8Array {
  const { settings, updater, outbox } = node;
  const { model, sequence } = updater.running;
  return encodeUp({
    kind: "hello",
    epoch: outbox.epoch,
    firmware: settings.firmware,
    cohort: model.container.cohort,
    modelId: model.modelId,
    releaseSequence: sequence,
    formatVersion: POINTS_CONTAINER_VERSION,
    slotBytes: settings.slotBytes,
    ramBytes: settings.ramBytes,
    wakeMs: settings.wakeMs,
  });
}
