/**
 * How a release comes to a node: offer, chunks, check.
 *
 * Everything is pulled: the node asks for the chunks that it lacks, again and again, until they are
 * there or a newer release is offered. Nothing of an offer is looked at before its signature holds,
 * and nothing is run before the whole hash, the shape and the self-test hold for the bytes *as they
 * are in flash*.
 */

import { assert, unreachable } from "../src/assert.ts";
import { POINTS_CONTAINER_VERSION } from "../src/model/container-layout.ts";
import { acceptChunk, progressOf, resumeAssembly, wantedChunks } from "../src/wire/assembly.ts";
import { encodeUp } from "../src/wire/frames.ts";
import type { DownMessage, ReleaseOutcome } from "../src/wire/messages.ts";
import { decodeManifest, openRelease, type ReleaseManifest } from "../src/wire/release.ts";
import { modelIdOf } from "../src/wire/topics.ts";
import { loadRelease } from "./models.ts";
import { encodeSlotHeader, type SignedManifest } from "./slot-record.ts";
import type { SlotNumber } from "./storage.ts";
import { judgeTrial } from "./trial.ts";
import {
  activate,
  endTrial,
  markBad,
  publishOutcome,
  type Staging,
  tell,
  tellOnce,
  type Updater,
  type UpdaterContext,
  writeRecord,
} from "./updater.ts";

/** In an outcome for an offer that cannot be believed, so that it names no release. */
export const UNBELIEVED_SEQUENCE = 0xffff_ffff;
/**
 * Refusals are told at most this often: an answer to a stranger must cost less than his question.
 */
const REFUSAL_MS = 1000;

export function takeOffer(updater: Updater, offer: SignedManifest, context: UpdaterContext): void {
  const { settings, tools } = context;
  const opened = openRelease(offer, {
    crypto: tools.crypto,
    publicKeys: settings.publicKeys,
    cohort: updater.running.model.container.cohort,
    runningSequence: updater.floor,
    slotBytes: settings.slotBytes,
    formatVersion: POINTS_CONTAINER_VERSION,
  });
  if (!opened.ok) {
    refuseOffer(updater, offer, opened.outcome, context);
    return;
  }
  const { manifest } = opened;
  const { staging } = updater;
  if (staging !== undefined && manifest.sequence === staging.manifest.sequence) {
    staging.wantDueMs = context.now.uptimeMs;
    staging.attempts = 0;
    return;
  }
  if (staging !== undefined && manifest.sequence < staging.manifest.sequence) {
    tell(updater, manifest, "stale", context);
    return;
  }
  if (updater.trial !== undefined) {
    if (manifest.purpose === "release") {
      updater.waitingOffer = offer;
      return;
    }
    endTrial(updater, "reverted", context);
  }
  stage(updater, offer, manifest, context);
}

/** One chunk; whatever does not belong to the release at hand is ignored. */
export function takeChunk(
  updater: Updater,
  chunk: Extract<DownMessage, { kind: "chunk" }>,
  context: UpdaterContext,
): void {
  const { staging } = updater;
  if (staging?.phase !== "receiving" || staging.assembly === undefined) return;
  if (acceptChunk(staging.assembly, chunk, context.tools.crypto) !== "stored") return;
  const { slot, manifest } = staging;
  const offset = chunk.index * manifest.chunkBytes;
  const bytes = chunk.bytes.slice();
  context.effects.push({ kind: "flash", write: { region: "image", slot, offset, bytes } });
  staging.attempts = 0;
  staging.outstanding -= 1;
  staging.wantDueMs =
    staging.outstanding > 0 ? context.now.uptimeMs + context.settings.wantMs : context.now.uptimeMs;
  checkIfComplete(updater, staging, context);
}

/** What a slot holds, as asked for by `read-slot`. */
export function takeSlotImage(
  updater: Updater,
  read: { readonly ticket: number; readonly image: Uint8Array },
  context: UpdaterContext,
): void {
  const { staging } = updater;
  if (staging === undefined || read.ticket !== staging.ticket) return;
  switch (staging.phase) {
    case "reading":
      // Whatever is there already, from before a restart or from the release before, is not sent.
      staging.assembly = resumeAssembly(staging.manifest, read.image, context.tools.crypto);
      staging.phase = "receiving";
      staging.wantDueMs = context.now.uptimeMs;
      checkIfComplete(updater, staging, context);
      return;
    case "checking":
      checkStaged(updater, staging, read.image, context);
      return;
    case "receiving":
      return;
    default:
      unreachable(staging.phase);
  }
}

/** Asks for what is missing, when it is time. */
export function askForChunks(updater: Updater, context: UpdaterContext): void {
  const { staging } = updater;
  const { settings, now } = context;
  if (!context.connected || staging?.phase !== "receiving" || staging.assembly === undefined)
    return;
  if (now.uptimeMs < staging.wantDueMs) return;
  const wanted = wantedChunks(staging.assembly, settings.wantChunks);
  assert(wanted !== undefined, "a release that is complete is being checked");
  const { sequence: releaseSequence, modelId } = staging.manifest;
  const frame = encodeUp({ kind: "want", releaseSequence, modelId, ...wanted });
  context.effects.push({ kind: "publish", topic: "want", frame });
  staging.outstanding = countBits(wanted.bitmap);
  const waitMs = Math.min(settings.wantMsMax, settings.wantMs * 2 ** staging.attempts);
  staging.wantDueMs = now.uptimeMs + waitMs;
  staging.attempts += 1;
}

/** A new connection: tells the last outcome again and asks at once. */
export function resumeOnConnect(updater: Updater, context: UpdaterContext): void {
  if (updater.lastOutcome !== undefined) publishOutcome(updater.lastOutcome, context);
  if (updater.staging === undefined) return;
  updater.staging.attempts = 0;
  updater.staging.wantDueMs = context.now.uptimeMs;
}

/** Flash refused a write: what was being received cannot be trusted. The gateway offers again. */
export function flashFailed(updater: Updater, reason: string, context: UpdaterContext): void {
  context.effects.push({ kind: "log", code: "flash-failed", text: reason });
  if (updater.staging === undefined) return;
  const text = `release ${updater.staging.manifest.sequence}: flash refused a write`;
  context.effects.push({ kind: "log", code: "staging-abandoned", text });
  updater.staging = undefined;
}

/** Between two windows: whether the trial is over, and how. True when the model has changed. */
export function stepTrial(updater: Updater, context: UpdaterContext): boolean {
  if (updater.trial === undefined) return false;
  const verdict = judgeTrial(updater.trial, context.settings, context.now);
  if (verdict === "go-on") return false;
  endTrial(updater, verdict === "confirm" ? "confirmed" : "reverted", context);
  const offer = updater.waitingOffer;
  updater.waitingOffer = undefined;
  if (offer !== undefined) takeOffer(updater, offer, context);
  return verdict === "revert";
}

function refuseOffer(
  updater: Updater,
  offer: SignedManifest,
  outcome: ReleaseOutcome,
  context: UpdaterContext,
): void {
  const { now, tools } = context;
  if (outcome === "bad-signature" || outcome === "bad-manifest") {
    if (now.uptimeMs - updater.refusedMs < REFUSAL_MS) return;
    updater.refusedMs = now.uptimeMs;
    // Nothing that it says may be repeated, so the refusal names the offer by its hash.
    const modelId = modelIdOf(tools.crypto.sha256(offer.manifest));
    tellOnce({ releaseSequence: UNBELIEVED_SEQUENCE, modelId, outcome }, context);
    return;
  }
  // The signature holds and the manifest could be read, so it may be named.
  const manifest = decodeManifest(offer.manifest);
  const { running, trial, bad } = updater;
  if (manifest.sequence === running.sequence && manifest.modelId === running.model.modelId) {
    tell(updater, manifest, trial === undefined ? "confirmed" : "activated", context);
    return;
  }
  tell(updater, manifest, bad.get(manifest.sequence) ?? outcome, context);
}

function stage(
  updater: Updater,
  offer: SignedManifest,
  manifest: ReleaseManifest,
  context: UpdaterContext,
): void {
  const slot = freeSlot(updater);
  const { effects } = context;
  // Until the record is written the old one stands beside a header of another sequence number, and
  // so vouches for nothing.
  effects.push({
    kind: "flash",
    write: { region: "header", slot, bytes: encodeSlotHeader(offer) },
  });
  writeRecord(slot, "receiving", manifest.sequence, "stale", context);
  updater.staging = createStaging(updater, slot, manifest);
  effects.push({ kind: "read-slot", slot, ticket: updater.staging.ticket });
  const text = `release ${manifest.sequence}: ${manifest.sizeBytes} bytes into slot ${slot}`;
  effects.push({ kind: "log", code: "staging", text });
}

export function createStaging(
  updater: Updater,
  slot: SlotNumber,
  manifest: ReleaseManifest,
): Staging {
  updater.tickets += 1;
  return {
    slot,
    manifest,
    phase: "reading",
    ticket: updater.tickets,
    assembly: undefined,
    outstanding: 0,
    wantDueMs: 0,
    attempts: 0,
  };
}

/** The slot that neither runs nor is fallen back to. */
function freeSlot(updater: Updater): SlotNumber {
  assert(updater.trial === undefined, "no slot is free during a trial");
  return updater.running.slot === 0 ? 1 : 0;
}

function checkIfComplete(updater: Updater, staging: Staging, context: UpdaterContext): void {
  assert(staging.assembly !== undefined, "what is there is known");
  const { done, all } = progressOf(staging.assembly);
  if (done < all) return;
  updater.tickets += 1;
  staging.phase = "checking";
  staging.ticket = updater.tickets;
  const { slot, ticket } = staging;
  context.effects.push({ kind: "read-slot", slot, ticket });
}

function checkStaged(
  updater: Updater,
  staging: Staging,
  image: Uint8Array,
  context: UpdaterContext,
): void {
  const { settings, tools } = context;
  const { slot, manifest } = staging;
  updater.staging = undefined;
  const loaded = loadRelease(image, manifest, updater.running.model, settings.ramBytes, tools);
  if (!loaded.ok) {
    const text = `release ${manifest.sequence} refused: ${loaded.reason}`;
    context.effects.push({ kind: "log", code: "release", text });
    markBad(updater, { slot, manifest }, loaded.outcome, context);
    return;
  }
  activate(updater, { model: loaded.model, slot, sequence: manifest.sequence }, context);
}

function countBits(bitmap: Uint8Array): number {
  let count = 0;
  for (const byte of bitmap) for (let bit = 0; bit < 8; bit++) count += (byte >> bit) & 1;
  return count;
}
