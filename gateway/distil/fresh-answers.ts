/**
 * The teacher's answers that no distillation has used or judged yet.
 *
 * They are counted to say when to distil, and judged to say whether. While a release spreads for days, or
 * an operator holds the loop, or no answer is trusted, none are used: a herd of a thousand gives a
 * million a day. So the newest are kept, many times what a distillation reads, and of the others that
 * there were some.
 */

import { windowFault } from "../../src/signal/sensor-watch.ts";
import type { LabelReader } from "../store/label-reader.ts";
import type { FreshAnswer } from "./distil-trigger.ts";

export const FRESH_MOST = 10_000;

export class FreshAnswers {
  #answers: FreshAnswer[];
  #newestOffloadId: number;

  /** @param usedOffloadId what the last distillation has used or judged */
  constructor(answers: readonly FreshAnswer[], usedOffloadId: number) {
    this.#answers = answers.slice(-FRESH_MOST);
    this.#newestOffloadId = usedOffloadId;
    for (const { offloadId } of this.#answers) this.#see(offloadId);
  }

  /** What the log has of them, for a gateway that starts. */
  static from(labels: Pick<LabelReader, "softLabels">, usedOffloadId: number): FreshAnswers {
    const asked = { afterId: usedOffloadId, learnableOnly: true };
    const rows = labels.softLabels({ ...asked, newestFirst: true, limit: FRESH_MOST }).reverse();
    const sound = rows.filter((row) => windowFault(row) === undefined);
    const answers = sound.map(({ offloadId, node, trusted, answeredMs }) => {
      return { offloadId, node, trusted, answeredMs };
    });
    return new FreshAnswers(answers, usedOffloadId);
  }

  /** The newest `FRESH_MOST` at least, and no more than a tenth more, in the order in which they came. */
  get all(): readonly FreshAnswer[] {
    return this.#answers;
  }

  /** Of all that came, kept or not; what was used before where none did. */
  get newestOffloadId(): number {
    return this.#newestOffloadId;
  }

  add(answer: FreshAnswer): void {
    this.#answers.push(answer);
    this.#see(answer.offloadId);
    if (this.#answers.length > 1.1 * FRESH_MOST) this.#answers = this.#answers.slice(-FRESH_MOST);
  }

  /** They have been used, or judged. */
  clear(): void {
    this.#answers = [];
  }

  #see(offloadId: number): void {
    this.#newestOffloadId = Math.max(this.#newestOffloadId, offloadId);
  }
}
