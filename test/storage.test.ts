/** One suite for every side of the storage seam: memory, files, and a browser's IndexedDB. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fileStorage } from "../device-sim/file-storage.ts";
import { memoryStorage } from "../device-sim/memory-storage.ts";
import type { NodeStorage, OutboxRecord, OutboxStore } from "../device-sim/storage.ts";
import { findChromium } from "./chromium.ts";
import { PageStorages } from "./page-storage.ts";

const SLOT_BYTES = 4096;
let folder = "";
let made = 0;

const program = findChromium();
const pages = new PageStorages();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bellwether-storage-"));
  if (program !== undefined) await pages.start(program);
}, 60_000);
afterAll(async () => {
  if (program !== undefined) await pages.stop();
  await rm(folder, { recursive: true });
}, 30_000);

type Side = {
  readonly name: string;
  readonly create: () => Promise<NodeStorage>;
  /** The same storage as a node finds it after it was switched off and on. */
  readonly reopen: (storage: NodeStorage) => Promise<NodeStorage>;
};

const folderOf = new WeakMap<NodeStorage, string>();
async function openFiles(at: string): Promise<NodeStorage> {
  const storage = await fileStorage(at, SLOT_BYTES);
  folderOf.set(storage, at);
  return storage;
}

const SIDES: readonly Side[] = [
  { name: "memory", create: async () => memoryStorage(SLOT_BYTES), reopen: async (same) => same },
  {
    name: "files",
    create: () => openFiles(join(folder, `node-${made++}`)),
    reopen: (storage) => openFiles(folderOf.get(storage) ?? ""),
  },
  ...(program === undefined
    ? []
    : [
        {
          name: "a browser",
          create: () => pages.create(SLOT_BYTES),
          reopen: (storage: NodeStorage) =>
            pages.open("name" in storage ? String(storage.name) : "", SLOT_BYTES),
        },
      ]),
];

const frameOf = (seq: number): Uint8Array => Uint8Array.of(1, 2, seq & 0xff, 255, 0);
const putOf = (seq: number): OutboxRecord => ({
  kind: "put",
  entry: { seq, kind: seq % 3 === 0 ? "offload" : "report", frame: frameOf(seq) },
  nextWindow: 10 * seq,
});

type Opened = { readonly store: OutboxStore; readonly durable: number[] };
async function openOutbox(storage: NodeStorage, epoch = 77): Promise<Opened> {
  const durable: number[] = [];
  const store = await storage.openOutbox({
    newEpoch: () => epoch,
    listener: { durable: (seq) => durable.push(seq), failing: () => {} },
  });
  return { store, durable };
}

describe.each(SIDES)("$name", { timeout: 30_000 }, ({ create, reopen }) => {
  it("creates an outbox with an epoch of its own, and keeps that", async () => {
    const storage = await create();
    const { store } = await openOutbox(storage, 5);
    expect(store.image).toMatchObject({ epoch: 5, nextSeq: 0, nextWindow: 0, dropped: 0 });
    expect(store.image.entries).toEqual([]);
    await store.close();
    const again = await openOutbox(await reopen(storage), 6);
    expect(again.store.image.epoch).toBe(5);
    await again.store.close();
  });

  it("holds what was put, in order, without what was removed or dropped", async () => {
    const storage = await create();
    const { store, durable } = await openOutbox(storage);
    for (let seq = 0; seq < 9; seq++) store.append(putOf(seq));
    store.append({ kind: "remove", seqs: [1, 4] });
    store.append({ kind: "drop", seqs: [0, 3], dropped: 2 });
    await store.flush();
    expect(durable.at(-1)).toBe(8);
    await store.close();
    const { store: next } = await openOutbox(await reopen(storage));
    expect(next.image).toMatchObject({ nextSeq: 9, nextWindow: 80, dropped: 2, damagedBytes: 0 });
    expect(next.image.entries.map(({ seq }) => seq)).toEqual([2, 5, 6, 7, 8]);
    for (const { seq, kind, frame } of next.image.entries) {
      expect(kind).toBe(seq % 3 === 0 ? "offload" : "report");
      expect([...frame]).toEqual([...frameOf(seq)]);
    }
    await next.close();
  });

  it("does not give a number twice when all was removed", async () => {
    const storage = await create();
    const { store } = await openOutbox(storage);
    for (let seq = 0; seq < 4; seq++) store.append(putOf(seq));
    store.append({ kind: "remove", seqs: [0, 1, 2, 3] });
    await store.close();
    for (let life = 0; life < 3; life++) {
      const { store: next } = await openOutbox(await reopen(storage));
      expect(next.image).toMatchObject({ nextSeq: 4, nextWindow: 30 });
      expect(next.image.entries).toEqual([]);
      await next.close();
    }
  });

  it("goes through thousands of entries without growing for ever", async () => {
    const storage = await create();
    const { store } = await openOutbox(storage);
    for (let seq = 0; seq < 6000; seq++) {
      store.append(putOf(seq));
      if (seq >= 10) store.append({ kind: "remove", seqs: [seq - 10] });
      if (seq % 500 === 0) await store.flush();
    }
    await store.close();
    const { store: next } = await openOutbox(await reopen(storage));
    expect(next.image.entries.map(({ seq }) => seq)).toEqual(
      Array.from({ length: 10 }, (_, i) => 5990 + i),
    );
    await next.close();
  });

  it("has empty flash at first", async () => {
    const { flash } = await create();
    const content = await flash.load();
    expect(content).toMatchObject({ floor: null, gate: null });
    for (const slot of content.slots) expect(slot).toMatchObject({ record: null, header: null });
  });

  it("holds images, headers, records and the floor apart", async () => {
    const storage = await create();
    const { flash } = storage;
    const bytes = (value: number, length: number): Uint8Array => new Uint8Array(length).fill(value);
    // Not awaited one by one: they happen in the order of the calls.
    const writes = [
      flash.write({ region: "image", slot: 1, offset: 512, bytes: bytes(2, 512) }),
      flash.write({ region: "image", slot: 1, offset: 0, bytes: bytes(1, 512) }),
      flash.write({ region: "header", slot: 1, bytes: bytes(9, 300) }),
      flash.write({ region: "header", slot: 1, bytes: bytes(8, 20) }),
      flash.write({ region: "record", slot: 1, bytes: bytes(3, 12) }),
      flash.write({ region: "record", slot: 1, bytes: bytes(4, 12) }),
      flash.write({ region: "floor", bytes: bytes(5, 8) }),
      flash.write({ region: "gate", bytes: bytes(6, 100) }),
    ];
    const read = await flash.read(1);
    expect([...read.subarray(0, 1024)]).toEqual([...bytes(1, 512), ...bytes(2, 512)]);
    await Promise.all(writes);
    const content = await (await reopen(storage)).flash.load();
    const plain = (part: Uint8Array | null): number[] => [...(part ?? [])];
    expect(plain(content.slots[1].header)).toEqual([...bytes(8, 20)]);
    expect(plain(content.slots[1].record)).toEqual([...bytes(4, 12)]);
    expect(plain(content.floor)).toEqual([...bytes(5, 8)]);
    expect(plain(content.gate)).toEqual([...bytes(6, 100)]);
    expect(content.slots[0].record).toBeNull();
    expect([...content.slots[1].image.subarray(500, 520)]).toEqual([
      ...bytes(1, 12),
      ...bytes(2, 8),
    ]);
  });
});

describe.skipIf(program === undefined)("a browser's page", { timeout: 30_000 }, () => {
  it("that is left while something is being written loses nothing that came after it", async () => {
    const records = [0, 1, 2, 3].map(putOf);
    const image = await pages.afterLeaving("left", records);
    expect(image.entries.map(({ seq }) => seq)).toEqual([0, 1, 2, 3]);
    expect(image).toMatchObject({ epoch: 1, nextSeq: 4, nextWindow: 30 });
  });

  it("tries again what was not written, and calls nothing behind it durable before that", async () => {
    const [told, image] = await pages.value<
      [(string | number)[], Record<string, unknown>]
    >(`(async () => {
      const { openIndexedStorage } = await import("/node/m/device-sim/browser/indexed-storage.ts");
      const told = [];
      const listener = { durable: (seq) => told.push(seq), failing: () => told.push("failing") };
      const storage = await openIndexedStorage("failing", 4096);
      const store = await storage.openOutbox({ newEpoch: () => 1, listener });
      const begin = IDBDatabase.prototype.transaction;
      IDBDatabase.prototype.transaction = function (...how) {
        IDBDatabase.prototype.transaction = begin;
        const failing = begin.apply(this, how);
        failing.commit = () => failing.abort();
        return failing;
      };
      for (const seq of [0, 1]) {
        const entry = { seq, kind: "report", frame: Uint8Array.of(seq) };
        store.append({ kind: "put", entry, nextWindow: seq + 1 });
        await Promise.resolve();
      }
      while (told.at(-1) !== 1) await new Promise((resolve) => setTimeout(resolve, 20));
      await store.close();
      const { image } = await storage.openOutbox({ newEpoch: () => 2, listener });
      return [told, { ...image, entries: image.entries.map(({ seq }) => seq) }];
    })()`);
    expect(told).toEqual(["failing", 1]);
    expect(image).toMatchObject({ entries: [0, 1], epoch: 1, nextSeq: 2, nextWindow: 2 });
  });
});
