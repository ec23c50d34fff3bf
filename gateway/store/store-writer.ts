/**
 * Group commit: rows are gathered and stored many at a time.
 *
 * The first row after a quiet time is committed at once; after that a commit comes when 64 rows wait
 * or 50 ms have passed, so that a lone offload is answered without delay and a busy herd does not
 * wear out an SD card with a flush for every message. Rows that nodes sent are dropped, and so not
 * acknowledged, while the disk is full or when it cannot keep up: nodes keep them in their outboxes
 * and send them again.
 */

import type { CommitResult, StoredRow, StoreRow } from "./label-rows.ts";

export const GROUP_ROWS_MAX = 64;
export const GROUP_MS_MAX = 50;
/** After a failed commit, before the next is tried. */
const RETRY_MS = 1_000;
/** Rows that wait for a slow disk. */
const WAITING_ROWS_MAX = 4_096;
/** Rows of our own that a failing disk makes us keep: soft labels, which cost the teacher's time. */
const KEPT_ROWS_MAX = 10_000;

export type StoreWriterOptions = {
  readonly commit: (rows: readonly StoreRow[]) => Promise<CommitResult>;
  readonly onStored: (rows: readonly StoreRow[], stored: readonly StoredRow[]) => void;
  readonly onFailed: (message: string) => void;
};

export class StoreWriter {
  readonly #options: StoreWriterOptions;
  #rows: StoreRow[] = [];
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #committing: Promise<void> | undefined;
  /** When the last good commit began, and the last bad one. */
  #goodMs = Number.NEGATIVE_INFINITY;
  #badMs = Number.NEGATIVE_INFINITY;

  constructor(options: StoreWriterOptions) {
    this.#options = options;
  }

  add(row: StoreRow): void {
    const isOurs = row.kind === "label";
    const rowsMax = isOurs ? KEPT_ROWS_MAX : this.#isFailing ? 1 : WAITING_ROWS_MAX;
    // While failing, one row that a node sent is enough to see whether there is room again.
    if (this.#rows.length >= rowsMax) return;
    this.#rows.push(row);
    this.#schedule();
  }

  /** Commits what waits, once. */
  async drain(): Promise<void> {
    this.#clearTimers();
    await this.#committing;
    this.#clearTimers();
    await this.#commit();
  }

  get #isFailing(): boolean {
    return this.#badMs > this.#goodMs;
  }

  #schedule(): void {
    if (this.#committing !== undefined || this.#immediate !== undefined) return;
    const nowMs = performance.now();
    const isFull = this.#rows.length >= GROUP_ROWS_MAX && !this.#isFailing;
    const dueMs = this.#isFailing ? this.#badMs + RETRY_MS : this.#goodMs + GROUP_MS_MAX;
    if (isFull || dueMs <= nowMs) {
      this.#clearTimers();
      // Behind what has arrived already: that is committed together.
      this.#immediate = setImmediate(() => {
        this.#immediate = undefined;
        void this.#commit();
      });
    } else if (this.#timer === undefined) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        void this.#commit();
      }, dueMs - nowMs);
    }
  }

  #commit(): Promise<void> {
    if (this.#committing !== undefined || this.#rows.length === 0) return Promise.resolve();
    const rows = this.#rows;
    this.#rows = [];
    this.#committing = this.#commitRows(rows).finally(() => {
      this.#committing = undefined;
      if (this.#rows.length > 0) this.#schedule();
    });
    return this.#committing;
  }

  async #commitRows(rows: readonly StoreRow[]): Promise<void> {
    const startMs = performance.now();
    const result = await this.#options.commit(rows);
    if (result.ok) {
      this.#goodMs = startMs;
      this.#options.onStored(rows, result.stored);
      return;
    }
    this.#badMs = startMs;
    this.#rows = [...rows.filter((row) => row.kind === "label"), ...this.#rows];
    this.#options.onFailed(result.message);
  }

  #clearTimers(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#timer = undefined;
    this.#immediate = undefined;
  }
}
