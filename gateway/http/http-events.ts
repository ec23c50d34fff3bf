/**
 * Tells pages what changes on the board, by server-sent events (HTML standard, 9.2).
 *
 * Nothing is queued for a page but what it has not been told yet, one change a subject. A page that
 * reads slowly therefore skips what is over, one that falls far behind starts from the whole board
 * again, and one that reads nothing is let go: however slow they are, memory stays bounded.
 */

import type { ServerResponse } from "node:http";
import type { Board, BoardChange } from "../telling/board.ts";
import { HTTP_LIMITS } from "./http-rules.ts";

type Page = {
  readonly response: ServerResponse;
  /** By subject, so that what comes again takes the place of what it replaces. */
  readonly waiting: Map<string, BoardChange>;
  /** It starts, or has lost so much that it starts again. */
  isBehind: boolean;
  /** The socket holds what it was given. */
  isFull: boolean;
  tookMs: number;
  toldMs: number;
};

export class EventStreams {
  readonly #board: Board;
  readonly #now: () => number;
  readonly #pages = new Set<Page>();
  #timer: NodeJS.Timeout | undefined;
  #whole = { version: -1, timeMs: 0, bytes: Buffer.alloc(0) };

  constructor(board: Board, now: () => number = Date.now) {
    this.#board = board;
    this.#now = now;
  }

  get size(): number {
    return this.#pages.size;
  }

  /** Changes that wait, of all pages together. */
  get waiting(): number {
    let sum = 0;
    for (const { waiting } of this.#pages) sum += waiting.size;
    return sum;
  }

  get hasRoom(): boolean {
    return this.#pages.size < HTTP_LIMITS.streams;
  }

  /** A page whose head has been written. */
  add(response: ServerResponse): void {
    // What was not told to anybody is told to nobody twice: who comes gets the whole board.
    if (this.#pages.size === 0) this.#board.changes();
    const nowMs = this.#now();
    const page: Page = {
      response,
      waiting: new Map(),
      isBehind: true,
      isFull: false,
      tookMs: nowMs,
      toldMs: nowMs,
    };
    this.#pages.add(page);
    response.on("drain", () => {
      page.isFull = false;
      page.tookMs = this.#now();
    });
    response.once("close", () => {
      this.#pages.delete(page);
      if (this.#pages.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    });
    this.#flush(page, nowMs);
    this.#timer ??= setInterval(() => this.tell(), HTTP_LIMITS.tellMs);
  }

  /** Everything that has changed, to everybody. */
  tell(): void {
    const changes = this.#board.changes().map((change) => [subjectOf(change), change] as const);
    const nowMs = this.#now();
    for (const page of this.#pages) {
      keep(page, changes);
      this.#flush(page, nowMs);
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const { response } of this.#pages) response.destroy();
  }

  #flush(page: Page, nowMs: number): void {
    if (page.isFull) {
      if (nowMs - page.tookMs > HTTP_LIMITS.streamStuckMs) page.response.destroy();
      return;
    }
    if (page.isBehind) {
      page.isBehind = false;
      page.waiting.clear();
      this.#write(page, this.#wholeBoard(nowMs), nowMs);
    } else if (page.waiting.size > 0) {
      const changes = [...page.waiting.values()];
      page.waiting.clear();
      this.#write(page, frame("changes", { time: nowMs, changes }), nowMs);
    } else if (nowMs - page.toldMs >= HTTP_LIMITS.heartbeatMs) {
      this.#write(page, frame("heartbeat", { time: nowMs }), nowMs);
    }
  }

  /** Pages that start together share the bytes, also while they wait to be sent. */
  #wholeBoard(nowMs: number): Buffer {
    const { version } = this.#board;
    if (version !== this.#whole.version || nowMs - this.#whole.timeMs > HTTP_LIMITS.tellMs) {
      const bytes = Buffer.from(frame("board", this.#board.state(nowMs)));
      this.#whole = { version, timeMs: nowMs, bytes };
    }
    return this.#whole.bytes;
  }

  #write(page: Page, text: string | Buffer, nowMs: number): void {
    page.toldMs = nowMs;
    page.tookMs = nowMs;
    page.isFull = !page.response.write(text);
  }
}

function keep(page: Page, changes: readonly (readonly [string, BoardChange])[]): void {
  if (page.isBehind) return;
  for (const [subject, change] of changes) page.waiting.set(subject, change);
  if (page.waiting.size <= HTTP_LIMITS.streamChanges) return;
  page.waiting.clear();
  page.isBehind = true;
}

function subjectOf(change: BoardChange): string {
  switch (change.kind) {
    case "behaviour":
    case "device":
    case "alert":
      return `${change.kind} ${change.node}`;
    case "group":
      return `group ${change.group}`;
    case "diary":
      return `diary ${change.number}`;
    default:
      return change.kind;
  }
}

/** JSON has no line breaks, so one `data` line holds it. */
function frame(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
