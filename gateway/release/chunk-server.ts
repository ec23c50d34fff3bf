/**
 * Sends the chunks that nodes want, at a bounded rate.
 *
 * A herd that wakes together wants the same release at once; verdicts must not wait behind it. Nodes
 * take turns, a new `want` replaces what is left of the node's former one, and nothing is queued for
 * a node beyond that: it asks again for what did not come.
 */

import type { NodeId } from "../../src/wire/messages.ts";

export type ChunkServerOptions = {
  readonly bytesPerSecond: number;
  /** Undefined where there is no such chunk. */
  readonly chunk: (sequence: number, index: number) => Uint8Array | undefined;
  readonly send: (node: NodeId, sequence: number, index: number, bytes: Uint8Array) => void;
};

const PACE_MS = 20;

export class ChunkServer {
  readonly #options: ChunkServerOptions;
  readonly #wants = new Map<NodeId, { readonly sequence: number; readonly indices: number[] }>();
  #timer: NodeJS.Timeout | undefined;
  #tokensBytes = 0;
  #lastMs = 0;

  constructor(options: ChunkServerOptions) {
    this.#options = options;
  }

  want(node: NodeId, sequence: number, indices: readonly number[]): void {
    this.#wants.delete(node);
    this.#wants.set(node, { sequence, indices: [...indices] });
    if (this.#timer !== undefined) return;
    this.#lastMs = performance.now() - PACE_MS;
    this.#timer = setInterval(() => this.#pace(), PACE_MS);
    this.#pace();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#wants.clear();
  }

  #pace(): void {
    const nowMs = performance.now();
    const { bytesPerSecond } = this.#options;
    const filled = this.#tokensBytes + ((nowMs - this.#lastMs) * bytesPerSecond) / 1000;
    // No more than a tenth of a second may be saved up.
    this.#tokensBytes = Math.min(filled, bytesPerSecond / 10);
    this.#lastMs = nowMs;
    while (this.#tokensBytes > 0) {
      const [first] = this.#wants;
      if (first === undefined) return this.stop();
      this.#sendOne(...first);
    }
  }

  #sendOne(node: NodeId, want: { readonly sequence: number; readonly indices: number[] }): void {
    this.#wants.delete(node);
    const index = want.indices.shift();
    if (index === undefined) return;
    const bytes = this.#options.chunk(want.sequence, index);
    if (bytes !== undefined) {
      this.#options.send(node, want.sequence, index, bytes);
      this.#tokensBytes -= bytes.length;
    }
    // To the end of the line.
    if (want.indices.length > 0) this.#wants.set(node, want);
  }
}
