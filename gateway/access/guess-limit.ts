/**
 * Slows down those who guess: each wrong try costs a token, and tokens come back slowly.
 *
 * Pure: the time is an argument. What it keeps is bounded, since strangers choose the keys (their
 * addresses); when there are too many, the one that was wrong longest ago is forgotten.
 */

export type GuessRule = {
  /** Wrong tries in a row before the door stays shut. */
  readonly burst: number;
  /** Until one more is allowed. */
  readonly perTryMs: number;
};

const KEYS_MAX = 10_000;

type Bucket = { tokens: number; filledMs: number };

export class GuessLimit {
  readonly #rule: GuessRule;
  readonly #buckets = new Map<string, Bucket>();

  constructor(rule: GuessRule) {
    this.#rule = rule;
  }

  /** Whether a try is looked at. Asking costs nothing. */
  allows(key: string, nowMs: number): boolean {
    const bucket = this.#buckets.get(key);
    return bucket === undefined || this.#fill(bucket, nowMs) >= 1;
  }

  /** Counts a wrong try. */
  wrong(key: string, nowMs: number): void {
    const bucket = this.#buckets.get(key) ?? { tokens: this.#rule.burst, filledMs: nowMs };
    bucket.tokens = Math.max(0, this.#fill(bucket, nowMs) - 1);
    // Behind the others again: the map's order is that of the last wrong try.
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > KEYS_MAX) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
  }

  get size(): number {
    return this.#buckets.size;
  }

  #fill(bucket: Bucket, nowMs: number): number {
    const filled = bucket.tokens + Math.max(0, nowMs - bucket.filledMs) / this.#rule.perTryMs;
    bucket.tokens = Math.min(this.#rule.burst, filled);
    bucket.filledMs = nowMs;
    return bucket.tokens;
  }
}
