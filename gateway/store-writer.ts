/**
 * Group commit: rows are gathered and stored many at a time.
 *
 * The first row after a quiet time is committed at once; after that a commit comes when 64 rows wait
 * or 50 ms have passed, so that a lone offload is answered without delay and a busy herd does not
 * wear out an SD card with a flush for every message. While the disk is full the rows are dropped,
 * unacknowledged: nodes keep them in their outboxes and send them again.
 */

import type { LabelLog } from "./label-log.ts";
import type { StoredRow, StoreRow } from "./label-rows.ts";

export const GROUP_ROWS_MAX = 64;
export const GROUP_MS_MAX = 50;
/** After a failed commit, before the next is tried. */
const RETRY_MS = 1_000;
/** Rows of our own that a failing disk makes us keep: soft labels, which cost the teacher's time. */
const KEPT_ROWS_MAX = 10_000;

export type StoreWriterOptions = {
  readonly log: LabelLog;
  readonly onStored: (rows: readonly StoreRow[], stored: readonly StoredRow[]) => void;
  readonly onFailed: (message: string) => void;
};

export class StoreWriter {
  readonly #options: StoreWriterOptions;
  #rows: StoreRow[] = [];
  #timer: NodeJS.Timeout | NodeJS.Immediate | undefined;
  #lastMs = Number.NEGATIVE_INFINITY;
  #failedMs = Number.NEGATIVE_INFINITY;

  constructor(options: StoreWriterOptions) {
    this.#options = options;
  }

  add(row: StoreRow): void {
    const isFailing = this.#failedMs > this.#lastMs;
    // What a node will send again need not be kept; what we made ourselves must be.
    if (isFailing && (row.kind !== "label" || this.#rows.length >= KEPT_ROWS_MAX)) {
      this.#tryAgainLater(row);
      return;
    }
    this.#rows.push(row);
    if (this.#rows.length >= GROUP_ROWS_MAX && !isFailing) this.flush();
    else this.#schedule();
  }

  /** Commits what waits, now. */
  flush(): void {
    this.#clearTimer();
    const rows = this.#rows;
    if (rows.length === 0) return;
    this.#rows = [];
    const nowMs = performance.now();
    const result = this.#options.log.commit(rows);
    if (result.ok) {
      this.#lastMs = performance.now();
      this.#options.onStored(rows, result.stored);
      return;
    }
    this.#failedMs = nowMs;
    this.#rows = [...rows.filter((row) => row.kind === "label"), ...this.#rows];
    this.#options.onFailed(result.message);
    if (this.#rows.length > 0) this.#schedule();
  }

  /** While failing, one row a second is tried, to see whether there is room again. */
  #tryAgainLater(row: StoreRow): void {
    if (performance.now() - this.#failedMs < RETRY_MS) return;
    this.#rows.push(row);
    this.flush();
  }

  #schedule(): void {
    if (this.#timer !== undefined) return;
    const nowMs = performance.now();
    const isFailing = this.#failedMs > this.#lastMs;
    const dueMs = isFailing ? this.#failedMs + RETRY_MS : this.#lastMs + GROUP_MS_MAX;
    const flush = (): void => {
      this.#timer = undefined;
      this.flush();
    };
    // Immediately, but behind what has arrived already: that is committed together.
    this.#timer = dueMs <= nowMs ? setImmediate(flush) : setTimeout(flush, dueMs - nowMs);
  }

  #clearTimer(): void {
    // Node accepts either kind in both functions only by type; each must clear its own.
    clearTimeout(this.#timer as NodeJS.Timeout);
    clearImmediate(this.#timer as NodeJS.Immediate);
    this.#timer = undefined;
  }
}
