/**
 * A gate rehearsed on windows whose truth is known: what it would have answered and offloaded, with
 * the teacher's verdicts coming back.
 *
 * Verdicts change what the gate says next, so that what a threshold offloads and what it leaves
 * wrong can only be found by going through the windows. The arithmetic is the node's own; budget,
 * audits, novelty and early exits are left out, since they are solved for what this finds.
 */

import { largestIndex } from "../learn/metrics.ts";
import { adapt, type Belief, believe, instruct, personalise } from "./belief.ts";
import { type ExitRecords, fusedAt } from "./exit-records.ts";
import { type ExitGate, type FilterGate, MARGIN_TOP_Q8 } from "./gate-parameters.ts";

/** Windows that a student has answered, those of one subject in the order of time. */
export type AnsweredWindows = {
  readonly records: ExitRecords;
  readonly labels: Uint8Array;
  readonly subjects: readonly string[];
  /** The teacher's class probabilities `[window][class]`; null for no verdicts. */
  readonly teacher: Float32Array | null;
};

export type Rehearsed = {
  readonly offloads: number;
  /** Per window 1 where its answer, what is believed after the verdict for an offload, is right. */
  readonly right: Uint8Array;
  /** Per window 1 where it was not offloaded. */
  readonly kept: Uint8Array;
};

/** Steps by which the threshold for a share is found. */
const HALVINGS = 10;

/** Windows with what the exits say of them together, to be gone through many times. */
export class Rehearsal {
  readonly count: number;
  readonly #windows: AnsweredWindows;
  readonly #fused: readonly Int32Array[];
  readonly #taught: readonly Uint8Array[];

  /** @param exits the exits that run, from the first; fewer than were recorded for a shorter way */
  constructor(windows: AnsweredWindows, exits: readonly ExitGate[]) {
    const { records, teacher } = windows;
    this.count = records.count;
    this.#windows = windows;
    this.#fused = Array.from({ length: records.count }, (_, i) =>
      fusedAt(records, exits, exits.length, i),
    );
    this.#taught = Array.from({ length: teacher === null ? 0 : records.count }, (_, i) =>
      Uint8Array.from(
        (teacher as Float32Array).subarray(i * records.classes, (i + 1) * records.classes),
        (p) => Math.round(255 * p),
      ),
    );
  }

  /** With one threshold for all classes; 0 offloads nothing. */
  run(filter: FilterGate, unsureMarginQ8: number): Rehearsed {
    const { labels, subjects } = this.#windows;
    const nodes = new Map<string, { belief: readonly number[]; bias: readonly number[] }>();
    const right = new Uint8Array(this.count);
    const kept = new Uint8Array(this.count).fill(1);
    let offloads = 0;
    for (let i = 0; i < this.count; i++) {
      const subject = subjects[i] as string;
      const node = nodes.get(subject) ?? { belief: [], bias: [] };
      nodes.set(subject, node);
      const evidence = personalise(node.bias, this.#fused[i] as Int32Array);
      const answer: Belief = believe(filter, node.belief, evidence);
      node.belief = [...answer.beliefQ15];
      let said = answer.classIndex;
      if (answer.marginQ8 < unsureMarginQ8) {
        offloads++;
        kept[i] = 0;
        const taught = this.#taught[i];
        if (taught !== undefined) {
          const probabilityQ8 = Math.min(255, (evidence[said] as number) >> 7);
          const offload = { windowIndex: i, classIndex: said, probabilityQ8 };
          node.belief = instruct(node.belief, taught, 0);
          node.bias = adapt(filter, node.bias, offload, taught);
          said = largestIndex(node.belief);
        }
      }
      right[i] = Number(said === labels[i]);
    }
    return { offloads, right, kept };
  }

  /** The highest threshold that offloads at most this share of the windows, 0..1, and what comes of
   * it; the share need not rise with the threshold everywhere, since verdicts change what follows. */
  atShare(filter: FilterGate, share: number): Rehearsed & { readonly unsureMarginQ8: number } {
    let best = { unsureMarginQ8: 0, ...this.run(filter, 0) };
    let above = MARGIN_TOP_Q8 + 1;
    for (let step = 0; step < HALVINGS && share > 0; step++) {
      const unsureMarginQ8 = (best.unsureMarginQ8 + above) >> 1;
      const tried = this.run(filter, unsureMarginQ8);
      if (tried.offloads <= share * this.count) best = { unsureMarginQ8, ...tried };
      else above = unsureMarginQ8;
    }
    return best;
  }
}
