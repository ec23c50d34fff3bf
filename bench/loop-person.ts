/**
 * The person of the loop's benchmark: answers what the gateway's inbox asks, in its order, with what
 * the recordings say, and no more often than agreed.
 */

import type { Truth } from "../device-sim/fleet.ts";
import type { InboxDesk } from "../gateway/inbox/inbox-desk.ts";

export class LoopPerson {
  readonly #truths = new Map<string, number>();
  readonly #labelsMost: number;
  #labels = 0;

  constructor(labelsMost: number) {
    this.#labelsMost = labelsMost;
  }

  get labels(): number {
    return this.#labels;
  }

  /** Sees what the animal does. */
  see({ node, decided, truth }: Truth): void {
    if (truth !== undefined) this.#truths.set(`${node} ${decided.windowIndex}`, truth);
  }

  /** Answers what is asked now. A window of which nobody knows the truth is passed over. */
  async answer(inbox: InboxDesk): Promise<void> {
    if (this.#labels >= this.#labelsMost) return;
    for (const { label } of inbox.inbox().items) {
      if (this.#labels >= this.#labelsMost) return;
      const truth = this.#truths.get(`${label.node} ${label.windowIndex}`);
      const deed = truth === undefined ? "skip" : "label";
      await inbox.answer(label.offloadId, deed, truth ?? 0, "bench", Date.now());
      if (truth !== undefined) this.#labels += 1;
    }
  }
}
