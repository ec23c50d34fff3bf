/**
 * The outbox in a file: appended, made durable in groups, and written anew when it has grown.
 *
 * Records that come within `groupMs` share one `fdatasync`. A write that fails is never assumed to
 * have happened in part: the file is written anew from what is owed, beside the old one, until that
 * succeeds. `outbox-log.ts` has the bytes.
 */

import { type FileHandle, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { assert } from "../src/assert.ts";
import { encodeOpen, encodeOutboxRecord, readOutboxLog } from "./outbox-log.ts";
import type {
  OutboxEntry,
  OutboxImage,
  OutboxListener,
  OutboxRecord,
  OutboxStore,
} from "./storage.ts";

export type OutboxFileOptions = {
  readonly path: string;
  readonly newEpoch: () => number;
  readonly listener: OutboxListener;
  /** How long a record may wait for others to share the disk's flush with; at most 50. */
  readonly groupMs?: number;
};

const GROUP_MS = 20;
/** A file that is mostly history is written anew. */
const REWRITE_BYTES = 64 * 1024;
const REWRITE_FACTOR = 3;
const RETRY_MS = 1000;

/** Opens the outbox, cutting off whatever a crash has torn, or creates it. */
export async function openOutboxFile(options: OutboxFileOptions): Promise<OutboxStore> {
  const { path, newEpoch } = options;
  const bytes = await readIfThere(path);
  const found = bytes === undefined ? undefined : readOutboxLog(bytes);
  if (bytes !== undefined && bytes.length > 0 && found === undefined) {
    // Not a single record checks. It is kept for whoever wants to look, under another name.
    await rename(path, `${path}.damaged`);
  }
  const image: OutboxImage = found ?? {
    epoch: newEpoch(),
    nextSeq: 0,
    nextWindow: 0,
    dropped: 0,
    entries: [],
    damagedBytes: bytes?.length ?? 0,
  };
  const file = new OutboxFile(options, image);
  await file.rewrite();
  return file;
}

class OutboxFile implements OutboxStore {
  readonly image: OutboxImage;
  readonly #options: OutboxFileOptions;
  readonly #live: Map<number, OutboxEntry>;
  #liveBytes: number;
  #nextSeq: number;
  #nextWindow: number;
  #dropped: number;
  #handle: FileHandle | undefined;
  #fileBytes = 0;
  #pending: Uint8Array[] = [];
  /** After a failure only a file written anew is believed. */
  #suspect = false;
  #timer: NodeJS.Timeout | undefined;
  #work: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: OutboxFileOptions, image: OutboxImage) {
    this.image = image;
    this.#options = options;
    this.#live = new Map(image.entries.map((entry) => [entry.seq, entry]));
    this.#liveBytes = image.entries.reduce((sum, entry) => sum + entry.frame.length, 0);
    this.#nextSeq = image.nextSeq;
    this.#nextWindow = image.nextWindow;
    this.#dropped = image.dropped;
  }

  append(record: OutboxRecord): void {
    assert(!this.#closed, "nothing is appended after close");
    if (record.kind === "put") {
      this.#live.set(record.entry.seq, record.entry);
      this.#liveBytes += record.entry.frame.length;
      this.#nextSeq = record.entry.seq + 1;
      this.#nextWindow = record.nextWindow;
    } else {
      for (const seq of record.seqs) this.#remove(seq);
      if (record.kind === "drop") this.#dropped = record.dropped;
    }
    // While the file is suspect it will be written from `#live`, which has the record.
    if (!this.#suspect) this.#pending.push(encodeOutboxRecord(this.image.epoch, record));
    this.#schedule(this.#suspect ? RETRY_MS : (this.#options.groupMs ?? GROUP_MS));
  }

  flush(): Promise<void> {
    this.#cancelTimer();
    this.#work = this.#work.then(() => this.#commit());
    return this.#work;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.flush();
    this.#cancelTimer();
    await this.#handle?.close();
    this.#handle = undefined;
  }

  /** The whole file from what is owed, atomically: beside the old one, then renamed over it. */
  async rewrite(): Promise<void> {
    const { path } = this.#options;
    const { epoch } = this.image;
    const covered = this.#nextSeq - 1;
    const state = { epoch, nextSeq: this.#nextSeq, nextWindow: this.#nextWindow };
    const pieces = [encodeOpen({ ...state, dropped: this.#dropped })];
    for (const entry of this.#live.values()) {
      const { nextWindow } = state;
      pieces.push(encodeOutboxRecord(epoch, { kind: "put", entry, nextWindow }));
    }
    // From here on records are appended again: they come after this snapshot.
    this.#pending = [];
    this.#suspect = false;
    const bytes = Buffer.concat(pieces);
    const next = await open(`${path}.new`, "w");
    try {
      await writeAll(next, bytes, 0);
      await next.datasync();
      await rename(`${path}.new`, path);
      await syncFolder(dirname(path));
    } catch (error) {
      await next.close();
      throw error;
    }
    await this.#handle?.close();
    this.#handle = next;
    this.#fileBytes = bytes.length;
    if (covered >= 0) this.#options.listener.durable(covered);
  }

  async #commit(): Promise<void> {
    const covered = this.#nextSeq - 1;
    try {
      if (this.#suspect || this.#isMostlyHistory()) {
        await this.rewrite();
        return;
      }
      if (this.#pending.length === 0 || this.#handle === undefined) return;
      const bytes = Buffer.concat(this.#pending);
      this.#pending = [];
      await writeAll(this.#handle, bytes, this.#fileBytes);
      await this.#handle.datasync();
      this.#fileBytes += bytes.length;
      this.#options.listener.durable(covered);
    } catch (error) {
      this.#suspect = true;
      this.#pending = [];
      this.#options.listener.failing(error instanceof Error ? error.message : String(error));
      if (!this.#closed) this.#schedule(RETRY_MS);
    }
  }

  #isMostlyHistory(): boolean {
    return this.#fileBytes > REWRITE_BYTES + REWRITE_FACTOR * this.#liveBytes;
  }

  #schedule(afterMs: number): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.flush();
    }, afterMs);
  }

  #cancelTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #remove(seq: number): void {
    this.#liveBytes -= this.#live.get(seq)?.frame.length ?? 0;
    this.#live.delete(seq);
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** A rename survives a power cut only when the folder has been flushed. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** The bytes of a file, or undefined where there is none. */
export async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
