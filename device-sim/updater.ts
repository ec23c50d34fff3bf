/**
 * Which model a node runs, and how that changes: activate, confirm, revert, mark bad.
 *
 * The slot that runs, and during a trial the slot to fall back to, are never written. State records
 * are written last, after what they vouch for. `staging.ts` brings a release to the point of being
 * activated; `boot-slots.ts` picks up from whatever a power cut has left.
 */

import { assert } from "../src/assert.ts";
import type { Assembly } from "../src/wire/assembly.ts";
import { encodeUp } from "../src/wire/frames.ts";
import type { ReleaseOutcome } from "../src/wire/messages.ts";
import type { ReleaseManifest } from "../src/wire/release.ts";
import type { Model } from "./models.ts";
import type { NodeEffect, NodeSettings, NodeTools, Now, ReleaseNews } from "./node-types.ts";
import {
  encodeFloor,
  encodeSlotRecord,
  type SignedManifest,
  type SlotState,
} from "./slot-record.ts";
import type { SlotNumber } from "./storage.ts";
import { startTrial, type Trial } from "./trial.ts";

export type Running = {
  readonly model: Model;
  /** Null for the model that the node was made with. */
  readonly slot: SlotNumber | null;
  /** Sequence number of its release; 0 for the model that the node was made with. */
  readonly sequence: number;
};

export type Staging = {
  readonly slot: SlotNumber;
  readonly manifest: ReleaseManifest;
  /** `reading`: what the slot already holds is looked at. `checking`: every chunk is there. */
  phase: "reading" | "receiving" | "checking";
  ticket: number;
  assembly: Assembly | undefined;
  /** Chunks asked for that have not come. */
  outstanding: number;
  wantDueMs: number;
  attempts: number;
};

export type Updater = {
  running: Running;
  /** What runs if the trial ends badly. */
  fallback: Running;
  trial: Trial | undefined;
  staging: Staging | undefined;
  /** A newer release that came during a trial: looked at when the trial is over. */
  waitingOffer: SignedManifest | undefined;
  /** The highest sequence number ever run or found bad. */
  floor: number;
  readonly bad: Map<number, ReleaseOutcome>;
  /** Told again on every connection: an outcome is not worth an outbox entry. */
  lastOutcome: ReleaseNews | undefined;
  tickets: number;
  refusedMs: number;
};

/** What every function here is handed. */
export type UpdaterContext = {
  readonly settings: NodeSettings;
  readonly tools: NodeTools;
  readonly now: Now;
  readonly connected: boolean;
  readonly nextSeq: number;
  readonly effects: NodeEffect[];
};

/** Ends the trial: the new model stays, or the node goes back to what it ran before. */
export function endTrial(
  updater: Updater,
  outcome: "confirmed" | "reverted",
  context: UpdaterContext,
): void {
  const { running } = updater;
  assert(updater.trial !== undefined && running.slot !== null, "a slot is on trial");
  updater.trial = undefined;
  if (outcome === "confirmed") {
    updater.fallback = running;
    writeRecord(running.slot, "confirmed", running.sequence, outcome, context);
  } else {
    writeRecord(running.slot, "bad", running.sequence, outcome, context);
    updater.bad.set(running.sequence, outcome);
    updater.running = updater.fallback;
  }
  tell(updater, { sequence: running.sequence, modelId: running.model.modelId }, outcome, context);
}

/** Runs a model on trial from now on. */
export function activate(
  updater: Updater,
  next: Running & { readonly slot: SlotNumber },
  context: UpdaterContext,
): void {
  writeRecord(next.slot, "verified", next.sequence, "activated", context);
  raiseFloor(updater, next.sequence, context);
  writeRecord(next.slot, "trial", next.sequence, "activated", context);
  updater.fallback = updater.running;
  updater.running = next;
  updater.trial = startTrial(context.nextSeq, context.now);
  tell(updater, { sequence: next.sequence, modelId: next.model.modelId }, "activated", context);
}

/** Marks a slot that must not be run, for good. */
export function markBad(
  updater: Updater,
  bad: { readonly slot: SlotNumber; readonly manifest: ReleaseManifest },
  outcome: ReleaseOutcome,
  context: UpdaterContext,
): void {
  raiseFloor(updater, bad.manifest.sequence, context);
  updater.bad.set(bad.manifest.sequence, outcome);
  writeRecord(bad.slot, "bad", bad.manifest.sequence, outcome, context);
  tell(updater, bad.manifest, outcome, context);
}

function raiseFloor(updater: Updater, sequence: number, context: UpdaterContext): void {
  if (sequence <= updater.floor) return;
  updater.floor = sequence;
  const write = { region: "floor", bytes: encodeFloor(sequence) } as const;
  context.effects.push({ kind: "flash", write });
}

/** The slot's state word, as the last of what is written to the slot. */
export function writeRecord(
  slot: SlotNumber,
  state: SlotState,
  sequence: number,
  outcome: ReleaseOutcome,
  context: UpdaterContext,
): void {
  const bytes = encodeSlotRecord({ state, sequence, boots: 0, outcome });
  context.effects.push({ kind: "flash", write: { region: "record", slot, bytes } });
}

/** Tells what became of a release, and remembers it for the next connection. */
export function tell(
  updater: Updater,
  release: Pick<ReleaseManifest, "sequence" | "modelId">,
  outcome: ReleaseOutcome,
  context: UpdaterContext,
): void {
  const news = { releaseSequence: release.sequence, modelId: release.modelId, outcome };
  updater.lastOutcome = news;
  tellOnce(news, context);
}

/** Tells it without remembering: for offers that cannot be believed. */
export function tellOnce(news: ReleaseNews, context: UpdaterContext): void {
  context.effects.push({ kind: "release", ...news });
  if (context.connected) publishOutcome(news, context);
}

export function publishOutcome(news: ReleaseNews, context: UpdaterContext): void {
  const frame = encodeUp({ kind: "outcome", ...news });
  context.effects.push({ kind: "publish", topic: "outcome", frame });
}
