/**
 * What a node runs after it was switched on, whatever the last cut has left in its slots.
 *
 * There is always a valid model: a slot counts only if its state record checks, its manifest is
 * signed, and its image has the signed hash and decodes; the model that the node was made with is
 * the last resort. A slot on trial gets a bounded number of starts, which is counted *before* it
 * runs, so that a model which crashes the node is given up by itself.
 */

import { EdgeError } from "../src/assert.ts";
import type { ReleaseOutcome } from "../src/wire/messages.ts";
import { decodeManifest, type ReleaseManifest, signedBytes } from "../src/wire/release.ts";
import { loadRelease, type Model } from "./models.ts";
import {
  decodeFloor,
  decodeSlotHeader,
  decodeSlotRecord,
  encodeSlotRecord,
  type SlotState,
} from "./slot-record.ts";
import { createStaging } from "./staging.ts";
import type { FlashContent, SlotContent, SlotNumber } from "./storage.ts";
import { startTrial } from "./trial.ts";
import {
  activate,
  markBad,
  type Running,
  tell,
  type Updater,
  type UpdaterContext,
  writeRecord,
} from "./updater.ts";

/** A slot whose record checks and whose manifest is signed. */
type FoundSlot = {
  readonly slot: SlotNumber;
  readonly state: SlotState;
  readonly boots: number;
  readonly outcome: ReleaseOutcome;
  readonly manifest: ReleaseManifest;
  readonly image: Uint8Array;
};

export function bootUpdater(
  content: FlashContent,
  factory: Model,
  context: UpdaterContext,
): Updater {
  const made: Running = { model: factory, slot: null, sequence: 0 };
  const found = ([0, 1] as const).flatMap((slot) => {
    const one = findSlot(slot, content.slots[slot], context);
    return one === undefined ? [] : [one];
  });
  const confirmed = newestConfirmed(found, made, context);
  const updater: Updater = {
    running: confirmed,
    fallback: confirmed,
    trial: undefined,
    staging: undefined,
    waitingOffer: undefined,
    floor: found
      .filter(({ state }) => state === "trial" || state === "confirmed" || state === "bad")
      .reduce((floor, one) => Math.max(floor, one.manifest.sequence), decodeFloor(content.floor)),
    bad: new Map(
      found
        .filter(({ state }) => state === "bad")
        .map((one) => [one.manifest.sequence, one.outcome]),
    ),
    lastOutcome: undefined,
    tickets: 0,
    refusedMs: Number.NEGATIVE_INFINITY,
  };
  for (const one of found) {
    // A rest from before the running release: nothing that is left to do.
    if (one.manifest.sequence <= confirmed.sequence) continue;
    resumeSlot(updater, one, context);
  }
  if (updater.lastOutcome === undefined && confirmed.slot !== null) {
    // It may have been confirmed in the very moment of the cut, before anybody could be told.
    const { modelId } = confirmed.model;
    updater.lastOutcome = { releaseSequence: confirmed.sequence, modelId, outcome: "confirmed" };
  }
  return updater;
}

function resumeSlot(updater: Updater, one: FoundSlot, context: UpdaterContext): void {
  const { slot, manifest } = one;
  switch (one.state) {
    case "receiving":
      if (updater.staging !== undefined) return;
      updater.staging = createStaging(updater, slot, manifest);
      context.effects.push({ kind: "read-slot", slot, ticket: updater.staging.ticket });
      return;
    case "verified":
      resumeVerified(updater, one, context);
      return;
    case "trial":
      resumeTrial(updater, one, context);
      return;
    case "bad":
      updater.lastOutcome = {
        releaseSequence: manifest.sequence,
        modelId: manifest.modelId,
        outcome: one.outcome,
      };
      return;
    default:
      return;
  }
}

/** The cut came between the check and the first run: checks again, then runs. */
function resumeVerified(updater: Updater, one: FoundSlot, context: UpdaterContext): void {
  const { slot, manifest } = one;
  const { settings, tools } = context;
  const { model } = updater.running;
  const loaded = loadRelease(one.image, manifest, model, settings.ramBytes, tools);
  if (loaded.ok) {
    activate(updater, { model: loaded.model, slot, sequence: manifest.sequence }, context);
  } else {
    markBad(updater, { slot, manifest }, loaded.outcome, context);
  }
}

/** The node was restarted during the trial: by chance, or by the model. */
function resumeTrial(updater: Updater, one: FoundSlot, context: UpdaterContext): void {
  const { slot, manifest } = one;
  const { settings, tools, effects } = context;
  const boots = one.boots + 1;
  if (boots >= settings.trialBoots) {
    markBad(updater, { slot, manifest }, "reverted", context);
    return;
  }
  const { sequence } = manifest;
  const bytes = encodeSlotRecord({ state: "trial", sequence, boots, outcome: "activated" });
  effects.push({ kind: "flash", write: { region: "record", slot, bytes } });
  const { model } = updater.running;
  const loaded = loadRelease(one.image, manifest, model, settings.ramBytes, tools);
  if (!loaded.ok) {
    markBad(updater, { slot, manifest }, loaded.outcome, context);
    return;
  }
  updater.fallback = updater.running;
  updater.running = { model: loaded.model, slot, sequence };
  updater.trial = startTrial(context.nextSeq, context.now);
  tell(updater, manifest, "activated", context);
}

/** The confirmed slot with the highest sequence that can be run, or what the node was made with. */
function newestConfirmed(
  found: readonly FoundSlot[],
  made: Running,
  context: UpdaterContext,
): Running {
  const { settings, tools } = context;
  const confirmed = found
    .filter((one) => one.state === "confirmed")
    .sort((a, b) => b.manifest.sequence - a.manifest.sequence);
  for (const { slot, manifest, image } of confirmed) {
    const loaded = loadRelease(image, manifest, made.model, settings.ramBytes, tools);
    if (loaded.ok) return { model: loaded.model, slot, sequence: manifest.sequence };
    report(slot, `${loaded.outcome}: ${loaded.reason}`, context);
    writeRecord(slot, "empty", 0, loaded.outcome, context);
  }
  return made;
}

function findSlot(
  slot: SlotNumber,
  content: SlotContent,
  context: UpdaterContext,
): FoundSlot | undefined {
  const record = decodeSlotRecord(content.record);
  if (record === undefined) {
    if (content.record !== null) report(slot, "its state record does not check", context);
    return undefined;
  }
  if (record.state === "empty") return undefined;
  const header = decodeSlotHeader(content.header);
  const { settings, tools } = context;
  const signed =
    header !== undefined &&
    settings.publicKeys.some((key) =>
      tools.crypto.verify(key, signedBytes(header.manifest), header.signature),
    );
  if (!signed) {
    report(slot, `it is ${record.state}, but its manifest is not signed`, context);
    return undefined;
  }
  const manifest = readManifest(header.manifest);
  if (manifest?.sequence !== record.sequence) {
    report(slot, "its record and its manifest name different releases", context);
    return undefined;
  }
  return { slot, ...record, manifest, image: content.image };
}

/** Undefined for a signed manifest of a version that this node no longer reads. */
function readManifest(bytes: Uint8Array): ReleaseManifest | undefined {
  try {
    return decodeManifest(bytes);
  } catch (error) {
    if (error instanceof EdgeError) return undefined;
    throw error;
  }
}

function report(slot: SlotNumber, what: string, context: UpdaterContext): void {
  context.effects.push({ kind: "log", code: "slot-damaged", text: `slot ${slot}: ${what}` });
}
