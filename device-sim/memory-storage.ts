/**
 * Storage in memory: for fleets that leave nothing behind, and for tests that cut the power.
 *
 * It keeps the promises of `storage.ts` within one process: what was written is there after the
 * node is made anew over the same storage. It is not a fake file: nothing is torn here.
 */

import { unreachable } from "../src/assert.ts";
import type {
  Flash,
  FlashContent,
  FlashWrite,
  NodeStorage,
  OutboxEntry,
  OutboxImage,
  OutboxListener,
  OutboxRecord,
  OutboxStore,
  SlotContent,
  SlotNumber,
} from "./storage.ts";

type OutboxMemory = {
  epoch: number;
  nextSeq: number;
  nextWindow: number;
  dropped: number;
  readonly entries: Map<number, OutboxEntry>;
};

export function memoryStorage(slotBytes: number): NodeStorage {
  let memory: OutboxMemory | undefined;
  return {
    flash: memoryFlash(slotBytes),
    openOutbox: async ({ newEpoch, listener }) => {
      memory ??= { epoch: newEpoch(), nextSeq: 0, nextWindow: 0, dropped: 0, entries: new Map() };
      return openMemory(memory, listener);
    },
  };
}

function openMemory(memory: OutboxMemory, listener: OutboxListener): OutboxStore {
  const image: OutboxImage = { ...memory, entries: [...memory.entries.values()], damagedBytes: 0 };
  return {
    image,
    append: (record) => {
      remember(memory, record);
      if (record.kind === "put") listener.durable(record.entry.seq);
    },
    flush: async () => {},
    close: async () => {},
  };
}

function remember(memory: OutboxMemory, record: OutboxRecord): void {
  if (record.kind === "put") {
    memory.entries.set(record.entry.seq, record.entry);
    memory.nextSeq = record.entry.seq + 1;
    memory.nextWindow = record.nextWindow;
    return;
  }
  for (const seq of record.seqs) memory.entries.delete(seq);
  if (record.kind === "drop") memory.dropped = record.dropped;
}

type MemorySlot = { record: Uint8Array | null; header: Uint8Array | null; image: Uint8Array };

/** Two slots, whose images take memory only as far as they were written. */
export function memoryFlash(slotBytes: number): Flash {
  const erased = (): MemorySlot => ({ record: null, header: null, image: new Uint8Array(0) });
  const slots: [MemorySlot, MemorySlot] = [erased(), erased()];
  const records: { floor: Uint8Array | null; gate: Uint8Array | null } = {
    floor: null,
    gate: null,
  };
  const write = (what: FlashWrite): void => {
    switch (what.region) {
      case "floor":
      case "gate":
        records[what.region] = what.bytes.slice();
        return;
      case "record":
      case "header":
        slots[what.slot][what.region] = what.bytes.slice();
        return;
      case "image":
        slots[what.slot].image = patched(slots[what.slot].image, what);
        return;
      default:
        unreachable(what);
    }
  };
  const content = (slot: SlotNumber): SlotContent => ({
    ...slots[slot],
    image: slots[slot].image.slice(),
  });
  return {
    slotBytes,
    load: async (): Promise<FlashContent> => ({ ...records, slots: [content(0), content(1)] }),
    write: async (what) => write(what),
    read: async (slot) => slots[slot].image.slice(),
  };
}

/** A copy with the bytes in place, longer where they reach past the end. */
function patched(
  image: Uint8Array,
  patch: { readonly offset: number; readonly bytes: Uint8Array },
): Uint8Array {
  const length = Math.max(image.length, patch.offset + patch.bytes.length);
  const copy = new Uint8Array(length).fill(0xff);
  copy.set(image);
  copy.set(patch.bytes, patch.offset);
  return copy;
}
