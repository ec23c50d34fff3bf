/**
 * The outbox: what a node owes its gateway, and when each entry is sent again.
 *
 * An entry leaves only when the gateway's application acknowledgement names its (epoch, seq): a
 * broker's PUBACK says that the broker has it, not that it is stored. An entry is sent only when it
 * is durable on the node, or a restart could give its sequence number to another window and the
 * gateway would take that one for a repetition. When the outbox is full the oldest offloads go
 * first, then the oldest reports, and every loss is counted.
 *
 * This file does no I/O: it says what to write and what to send. Times are uptime milliseconds,
 * which a clock that is set does not move.
 */

import { assert } from "../src/assert.ts";
import { type Prng, uniform } from "../src/prng.ts";
import type { OutboxEntry, OutboxImage, OutboxRecord } from "./storage.ts";

export type OutboxLimits = {
  readonly entries: number;
  readonly bytes: number;
  /** Entries sent and not yet acknowledged. */
  readonly inflight: number;
  /** Until an entry is sent again; doubles with every attempt, up to `retryMsMax`. */
  readonly retryMs: number;
  readonly retryMsMax: number;
};

/** A day of reports in batches, or some hours of offloads, in a small serial flash. */
export const OUTBOX_LIMITS: OutboxLimits = {
  entries: 8192,
  bytes: 1024 * 1024,
  inflight: 16,
  retryMs: 10_000,
  retryMsMax: 120_000,
};

/** After so many attempts an entry that the gateway passes over makes room for the others. */
const ATTEMPTS_IN_FRONT = 3;

type Sent = {
  readonly entry: OutboxEntry;
  /** Attempts so far, since the connection began. */
  attempts: number;
  firstMs: number;
  dueMs: number;
};

export type Outbox = {
  readonly epoch: number;
  readonly limits: OutboxLimits;
  nextSeq: number;
  dropped: number;
  bytes: number;
  /** How many of the entries are offloads. */
  offloads: number;
  /** Every put up to this sequence number survives a power cut. */
  durableSeq: number;
  /** Not sent, in the order in which to send: by sequence number, except for entries set aside. */
  waiting: Map<number, OutboxEntry>;
  readonly sent: Map<number, Sent>;
  lastAckMs: number;
};

export function openOutbox(image: OutboxImage, limits: OutboxLimits): Outbox {
  const waiting = new Map(image.entries.map((entry) => [entry.seq, entry]));
  assert(waiting.size === image.entries.length, "each sequence number once");
  return {
    epoch: image.epoch,
    limits,
    nextSeq: image.nextSeq,
    dropped: image.dropped,
    bytes: image.entries.reduce((sum, entry) => sum + entry.frame.length, 0),
    offloads: image.entries.filter((entry) => entry.kind === "offload").length,
    durableSeq: image.nextSeq - 1,
    waiting,
    sent: new Map(),
    lastAckMs: Number.NEGATIVE_INFINITY,
  };
}

/** Entries that are owed. */
export function outboxSize(outbox: Outbox): number {
  return outbox.waiting.size + outbox.sent.size;
}

/**
 * Takes an entry under the next sequence number, which the caller has put into the frame. Returns
 * what to write, in this order; a frame that alone is larger than the outbox is counted as dropped.
 */
export function putEntry(
  outbox: Outbox,
  kind: OutboxEntry["kind"],
  frame: Uint8Array,
  nextWindow: number,
): readonly OutboxRecord[] {
  const seq = outbox.nextSeq;
  outbox.nextSeq = seq + 1;
  if (frame.length > outbox.limits.bytes) {
    outbox.dropped += 1;
    return [{ kind: "drop", seqs: [], dropped: outbox.dropped }];
  }
  const records: OutboxRecord[] = [];
  const dropped = makeRoom(outbox, frame.length);
  if (dropped.length > 0) records.push({ kind: "drop", seqs: dropped, dropped: outbox.dropped });
  const entry: OutboxEntry = { seq, kind, frame };
  outbox.waiting.set(seq, entry);
  outbox.bytes += frame.length;
  if (kind === "offload") outbox.offloads += 1;
  records.push({ kind: "put", entry, nextWindow });
  return records;
}

/** The store says that every put up to `seq` survives. */
export function markDurable(outbox: Outbox, seq: number): void {
  outbox.durableSeq = Math.max(outbox.durableSeq, seq);
}

/**
 * The frames to send now: those whose answer is overdue, then waiting ones while the window of
 * unanswered entries has room. Call it only while connected.
 */
export function dueEntries(outbox: Outbox, nowMs: number, random: Prng): readonly OutboxEntry[] {
  const due: OutboxEntry[] = [];
  for (const [seq, sent] of outbox.sent) {
    if (sent.dueMs > nowMs) continue;
    const passedOver = sent.attempts >= ATTEMPTS_IN_FRONT && outbox.lastAckMs > sent.firstMs;
    if (passedOver) {
      // The gateway answers others but not this one. It waits behind all of them, so that a frame
      // which some gateway will never take cannot close the way.
      outbox.sent.delete(seq);
      outbox.waiting.set(seq, sent.entry);
    } else {
      schedule(outbox.limits, sent, nowMs, random);
      due.push(sent.entry);
    }
  }
  for (const [seq, entry] of outbox.waiting) {
    if (outbox.sent.size >= outbox.limits.inflight) break;
    if (seq > outbox.durableSeq) continue;
    outbox.waiting.delete(seq);
    const sent: Sent = { entry, attempts: 0, firstMs: nowMs, dueMs: 0 };
    schedule(outbox.limits, sent, nowMs, random);
    outbox.sent.set(seq, sent);
    due.push(entry);
  }
  return due;
}

/**
 * The gateway has stored these. Unknown and repeated numbers are fine; another epoch is not ours.
 */
export function acknowledge(
  outbox: Outbox,
  epoch: number,
  seqs: readonly number[],
  nowMs: number,
): readonly OutboxRecord[] {
  if (epoch !== outbox.epoch) return [];
  const removed: number[] = [];
  for (const seq of seqs) {
    const entry = outbox.sent.get(seq)?.entry ?? outbox.waiting.get(seq);
    if (entry === undefined) continue;
    forget(outbox, entry);
    removed.push(seq);
  }
  if (removed.length === 0) return [];
  outbox.lastAckMs = nowMs;
  return [{ kind: "remove", seqs: removed }];
}

/**
 * The connection is gone: whatever was not acknowledged is sent again on the next, oldest first.
 */
export function linkLost(outbox: Outbox): void {
  const all = [...outbox.waiting.values(), ...[...outbox.sent.values()].map((sent) => sent.entry)];
  all.sort((a, b) => a.seq - b.seq);
  outbox.waiting = new Map(all.map((entry) => [entry.seq, entry]));
  outbox.sent.clear();
}

function schedule(limits: OutboxLimits, sent: Sent, nowMs: number, random: Prng): void {
  const waitMs = Math.min(limits.retryMsMax, limits.retryMs * 2 ** sent.attempts);
  // Jitter of a quarter, so that a herd that lost one gateway does not answer in one breath.
  sent.dueMs = nowMs + waitMs * uniform(random, 0.875, 1.125);
  sent.attempts += 1;
}

/** Drops the oldest entries until one more of this size fits. */
function makeRoom(outbox: Outbox, frameBytes: number): readonly number[] {
  const dropped: number[] = [];
  const { entries, bytes } = outbox.limits;
  while (outboxSize(outbox) >= entries || outbox.bytes + frameBytes > bytes) {
    const victim = oldest(outbox, outbox.offloads > 0 ? "offload" : "report");
    assert(victim !== undefined, "an outbox that is full holds something");
    forget(outbox, victim);
    outbox.dropped += 1;
    dropped.push(victim.seq);
  }
  return dropped;
}

/**
 * Waiting entries first: one that is on its way may have arrived, and dropping it frees no link.
 */
function oldest(outbox: Outbox, kind: OutboxEntry["kind"]): OutboxEntry | undefined {
  for (const entry of outbox.waiting.values()) if (entry.kind === kind) return entry;
  for (const sent of outbox.sent.values()) if (sent.entry.kind === kind) return sent.entry;
  return undefined;
}

function forget(outbox: Outbox, entry: OutboxEntry): void {
  outbox.waiting.delete(entry.seq);
  outbox.sent.delete(entry.seq);
  outbox.bytes -= entry.frame.length;
  if (entry.kind === "offload") outbox.offloads -= 1;
}
