/**
 * A node's storage in a browser: IndexedDB, with what `storage.ts` promises.
 *
 * One database, three stores: `owed` has the outbox's entries by sequence number, `pages` the images
 * of the two slots in pages of 4 KiB, `words` everything small. A transaction over `owed` and `words`
 * holds an entry and the count that it moves, so that a number which was sent once cannot come again;
 * it asks for strict durability, and only when it is complete the entry counts as durable.
 *
 * A browser may throw all of it away when its disk is full. Then the epoch is gone with it, and the
 * phone begins a new one, as a node does whose flash was replaced.
 */

import { assert } from "../../src/assert.ts";
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
} from "../storage.ts";
import { forgetJournal, type LeavingJournal, openJournal } from "./leaving-journal.ts";

const PAGE_BYTES = 4096;
const SCHEMA_VERSION = 1;

/** One page of an image; the last may be short. */
type Page = { readonly page: number; readonly bytes: Uint8Array };

type Counts = {
  readonly epoch: number;
  readonly nextSeq: number;
  readonly nextWindow: number;
  readonly dropped: number;
};

export type IndexedStorage = NodeStorage & {
  /** Small values of the page's own: credentials. */
  readonly keep: (name: string, value: unknown) => Promise<void>;
  readonly kept: (name: string) => Promise<unknown>;
  /** Everything of this node, for ever. */
  readonly forget: () => Promise<void>;
};

/** Rejects where the browser has no room or no right to keep anything. */
export async function openIndexedStorage(name: string, slotBytes: number): Promise<IndexedStorage> {
  const database = await openDatabase(name);
  return {
    flash: new IndexedFlash(database, slotBytes),
    openOutbox: ({ newEpoch, listener }) => openOutbox(database, newEpoch, listener),
    keep: (key, value) => write(database, "words", (words) => words.put(value, `page ${key}`)),
    kept: (key) => read(database, "words", (words) => words.get(`page ${key}`)),
    forget: () => {
      forgetJournal(name);
      return act(database, ["owed", "pages", "words"], (transaction) => {
        for (const store of ["owed", "pages", "words"]) transaction.objectStore(store).clear();
      });
    },
  };
}

async function openOutbox(
  database: IDBDatabase,
  newEpoch: () => number,
  listener: OutboxListener,
): Promise<OutboxStore> {
  const found = (await read(database, "words", (words) => words.get("outbox"))) as
    | Counts
    | undefined;
  const before = found ?? { epoch: newEpoch(), nextSeq: 0, nextWindow: 0, dropped: 0 };
  const journal = openJournal(database.name, before.epoch);
  const left = journal.left();
  const counts = left.reduce(counted, before);
  if (found === undefined || left.length > 0) await writeRecords(database, left, counts);
  journal.clear();
  const entries = (await read(database, "owed", (owed) => owed.getAll())) as OutboxEntry[];
  return new IndexedOutbox(database, { ...counts, entries, damagedBytes: 0 }, listener, journal);
}

/** Resolves when they and the counts that they move are on disk, all or none. */
function writeRecords(
  database: IDBDatabase,
  records: readonly OutboxRecord[],
  counts: Counts,
): Promise<void> {
  return act(database, ["owed", "words"], (transaction) => {
    const owed = transaction.objectStore("owed");
    for (const record of records) {
      if (record.kind === "put") owed.put(record.entry);
      else for (const seq of record.seqs) owed.delete(seq);
    }
    transaction.objectStore("words").put(counts, "outbox");
  });
}

class IndexedOutbox implements OutboxStore {
  readonly image: OutboxImage;
  readonly #database: IDBDatabase;
  readonly #listener: OutboxListener;
  readonly #journal: LeavingJournal;
  #counts: Counts;
  #pending: OutboxRecord[] = [];
  /** In a transaction that is not complete. */
  #underWay: readonly OutboxRecord[] = [];
  #work: Promise<void> = Promise.resolve();

  constructor(
    database: IDBDatabase,
    image: OutboxImage,
    listener: OutboxListener,
    journal: LeavingJournal,
  ) {
    const { epoch, nextSeq, nextWindow, dropped } = image;
    this.image = image;
    this.#database = database;
    this.#listener = listener;
    this.#journal = journal;
    this.#counts = { epoch, nextSeq, nextWindow, dropped };
  }

  append(record: OutboxRecord): void {
    this.#pending.push(record);
    if (this.#journal.isLeaving()) this.#journal.keep([...this.#underWay, ...this.#pending]);
    if (this.#pending.length === 1) void this.flush();
  }

  /** Records that came while one transaction was under way share the next. */
  flush(): Promise<void> {
    this.#work = this.#work.then(() => this.#commit());
    return this.#work;
  }

  async close(): Promise<void> {
    await this.flush();
  }

  async #commit(): Promise<void> {
    const records = this.#pending;
    if (records.length === 0) return;
    this.#pending = [];
    this.#underWay = records;
    const counts = records.reduce(counted, this.#counts);
    try {
      await writeRecords(this.#database, records, counts);
      this.#underWay = [];
    } catch (error) {
      // Nothing of a transaction that failed has happened: all of it is tried again with the next.
      this.#underWay = [];
      this.#pending = [...records, ...this.#pending];
      this.#listener.failing(error instanceof Error ? error.message : String(error));
      setTimeout(() => void this.flush(), RETRY_MS);
      return;
    }
    this.#counts = counts;
    if (this.#pending.length === 0) this.#journal.clear();
    const puts = records.flatMap((record) => (record.kind === "put" ? [record.entry.seq] : []));
    if (puts.length > 0) this.#listener.durable(Math.max(...puts));
  }
}

const RETRY_MS = 1_000;

function counted(counts: Counts, record: OutboxRecord): Counts {
  switch (record.kind) {
    case "put":
      // A journal may hold what is older than the counts.
      return {
        ...counts,
        nextSeq: Math.max(counts.nextSeq, record.entry.seq + 1),
        nextWindow: Math.max(counts.nextWindow, record.nextWindow),
      };
    case "drop":
      return { ...counts, dropped: Math.max(counts.dropped, record.dropped) };
    case "remove":
      return counts;
  }
}

class IndexedFlash implements Flash {
  readonly slotBytes: number;
  readonly #database: IDBDatabase;
  /** The images as they are once every write so far has happened. */
  readonly #images: [Uint8Array, Uint8Array] = [new Uint8Array(0), new Uint8Array(0)];
  #work: Promise<unknown> = Promise.resolve();

  constructor(database: IDBDatabase, slotBytes: number) {
    this.#database = database;
    this.slotBytes = slotBytes;
  }

  load(): Promise<FlashContent> {
    return this.#inTurn(async () => ({
      floor: await this.#word("floor"),
      gate: await this.#word("gate"),
      slots: [await this.#slot(0), await this.#slot(1)],
    }));
  }

  write(what: FlashWrite): Promise<void> {
    return this.#inTurn(() => this.#perform(what));
  }

  /** From the database and not from memory: what is checked is what a restart would find. */
  read(slot: SlotNumber): Promise<Uint8Array> {
    return this.#inTurn(() => this.#readImage(slot));
  }

  /** In turn, whatever became of the one before. */
  #inTurn<T>(turn: () => Promise<T>): Promise<T> {
    const done = this.#work.then(turn, turn);
    this.#work = done.catch(() => undefined);
    return done;
  }

  #perform(what: FlashWrite): Promise<void> {
    if (what.region === "image") return this.#writeImage(what.slot, what.offset, what.bytes);
    const key = "slot" in what ? `${what.region} ${what.slot}` : what.region;
    const bytes = what.bytes.slice();
    return write(this.#database, "words", (words) => words.put(bytes, key));
  }

  async #writeImage(slot: SlotNumber, offset: number, bytes: Uint8Array): Promise<void> {
    const end = offset + bytes.length;
    assert(end <= this.slotBytes, "an image within its slot");
    const before = this.#images[slot];
    const image = new Uint8Array(Math.max(before.length, end)).fill(0xff);
    image.set(before);
    image.set(bytes, offset);
    await write(this.#database, "pages", (pages) => {
      for (let page = Math.floor(offset / PAGE_BYTES); page * PAGE_BYTES < end; page++) {
        const bytes = image.slice(page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
        pages.put({ page, bytes } satisfies Page, [slot, page]);
      }
    });
    this.#images[slot] = image;
  }

  async #readImage(slot: SlotNumber): Promise<Uint8Array> {
    const range = IDBKeyRange.bound([slot, 0], [slot, Number.MAX_SAFE_INTEGER]);
    const pages = (await read(this.#database, "pages", (store) => store.getAll(range))) as Page[];
    const ends = pages.map(({ page, bytes }) => page * PAGE_BYTES + bytes.length);
    // Chunks come in any order, so that a page may lack those before it.
    const image = new Uint8Array(Math.max(0, ...ends)).fill(0xff);
    for (const { page, bytes } of pages) image.set(bytes, page * PAGE_BYTES);
    this.#images[slot] = image;
    return image.slice();
  }

  async #slot(slot: SlotNumber): Promise<SlotContent> {
    return {
      record: await this.#word(`record ${slot}`),
      header: await this.#word(`header ${slot}`),
      image: await this.#readImage(slot),
    };
  }

  async #word(key: string): Promise<Uint8Array | null> {
    const bytes = await read(this.#database, "words", (words) => words.get(key));
    return bytes instanceof Uint8Array ? bytes : null;
  }
}

function openDatabase(name: string): Promise<IDBDatabase> {
  const asked = indexedDB.open(name, SCHEMA_VERSION);
  return new Promise((resolve, reject) => {
    asked.addEventListener("upgradeneeded", () => {
      asked.result.createObjectStore("owed", { keyPath: "seq" });
      asked.result.createObjectStore("pages");
      asked.result.createObjectStore("words");
    });
    asked.addEventListener("success", () => resolve(asked.result));
    asked.addEventListener("error", () => reject(asked.error ?? new Error("no database")));
    asked.addEventListener("blocked", () => reject(new Error("another page has it open")));
  });
}

function read(
  database: IDBDatabase,
  store: string,
  ask: (store: IDBObjectStore) => IDBRequest,
): Promise<unknown> {
  const asked = ask(database.transaction(store).objectStore(store));
  return new Promise((resolve, reject) => {
    asked.addEventListener("success", () => resolve(asked.result));
    asked.addEventListener("error", () => reject(asked.error ?? new Error("cannot be read")));
  });
}

function write(
  database: IDBDatabase,
  store: string,
  change: (store: IDBObjectStore) => void,
): Promise<void> {
  return act(database, [store], (transaction) => change(transaction.objectStore(store)));
}

/** Resolves when all of it is on disk, as far as the browser can tell. */
function act(
  database: IDBDatabase,
  stores: readonly string[],
  change: (transaction: IDBTransaction) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(stores, "readwrite", { durability: "strict" });
    const failed = (): void => reject(transaction.error ?? new Error("was not written"));
    transaction.addEventListener("complete", () => resolve());
    transaction.addEventListener("error", failed);
    transaction.addEventListener("abort", failed);
    change(transaction);
    // At once, and not when the page has heard that all was put: a page that is leaving hears nothing.
    transaction.commit();
  });
}
