/**
 * What an outbox appends while its page is left, kept in `localStorage`, which is written before the
 * call returns.
 *
 * IndexedDB promises a page that ends nothing: a transaction that waits for another is given up with the
 * page, and one with strict durability may take tens of milliseconds. So what is not known to be on
 * disk is noted here as well while a page is hidden or ends, and what a start finds is put into the
 * database before anything else. A record that was written all the same does no harm twice: entries go
 * by their numbers, and counts only grow.
 */

import type { OutboxEntry, OutboxRecord } from "../storage.ts";

export type LeavingJournal = {
  /** Whether the page may end at any moment. */
  isLeaving(): boolean;
  /** In place of what was kept before. */
  keep(records: readonly OutboxRecord[]): void;
  /** What a page that ended has left, of this epoch of the outbox. */
  left(): readonly OutboxRecord[];
  clear(): void;
};

type Kept = { readonly epoch: number; readonly records: readonly KeptRecord[] };
type KeptEntry = Omit<OutboxEntry, "frame"> & { readonly frame: readonly number[] };
type KeptRecord =
  | { readonly kind: "put"; readonly entry: KeptEntry; readonly nextWindow: number }
  | Exclude<OutboxRecord, { readonly kind: "put" }>;

/** @param name of the database */
export function openJournal(name: string, epoch: number): LeavingJournal {
  const key = keyOf(name);
  let holds = true;
  let isLeaving = document.visibilityState === "hidden";
  const look = (): void => {
    isLeaving = document.visibilityState === "hidden";
  };
  // Before whoever writes because of it.
  const capture = { capture: true };
  document.addEventListener("visibilitychange", look, capture);
  window.addEventListener("pageshow", look, capture);
  const leave = (): void => {
    isLeaving = true;
  };
  window.addEventListener("pagehide", leave, capture);
  return {
    isLeaving: () => isLeaving,
    keep: (records) => {
      const kept: Kept = { epoch, records: records.map(keptOf) };
      holds = true;
      try {
        localStorage.setItem(key, JSON.stringify(kept));
      } catch {
        // No room for it: the database has it, if the page lives for some milliseconds.
      }
    },
    left: () => {
      try {
        const kept = JSON.parse(localStorage.getItem(key) ?? "null") as Kept | null;
        return kept?.epoch === epoch ? kept.records.map(recordOf) : [];
      } catch {
        // Whoever wrote that, it was not this page.
        return [];
      }
    },
    clear: () => {
      if (holds) forgetJournal(name);
      holds = false;
    },
  };
}

export function forgetJournal(name: string): void {
  try {
    localStorage.removeItem(keyOf(name));
  } catch {
    // A browser that keeps nothing has nothing to forget.
  }
}

function keyOf(name: string): string {
  return `leaving ${name}`;
}

function keptOf(record: OutboxRecord): KeptRecord {
  if (record.kind !== "put") return record;
  return { ...record, entry: { ...record.entry, frame: [...record.entry.frame] } };
}

function recordOf(kept: KeptRecord): OutboxRecord {
  if (kept.kind !== "put") return kept;
  return { ...kept, entry: { ...kept.entry, frame: Uint8Array.from(kept.entry.frame) } };
}
