/**
 * Tells whether a client has been sent a packet already, for overlapping subscriptions.
 *
 * The broker's own test remembers only the highest packet number that a client was sent and takes
 * every lower one for a repetition. Retained packets overtake and are overtaken (they go through the
 * store first), so with `#` subscribed that test silently loses messages: an availability behind a
 * newer event, for one. This one remembers the numbers themselves.
 */

/** How far packets can overtake each other: as many as the broker delivers at once, and more. */
const REMEMBERED = 1_024;

export class RepeatFilter {
  readonly #seen = new Set<number>();

  /** True when this number was asked about before, among the last thousand. */
  isRepeated(packetNumber: number): boolean {
    if (this.#seen.has(packetNumber)) return true;
    this.#seen.add(packetNumber);
    if (this.#seen.size > REMEMBERED) {
      const [oldest] = this.#seen;
      if (oldest !== undefined) this.#seen.delete(oldest);
    }
    return false;
  }
}

/** What the broker keeps its highest numbers in, made to forget them: its own test then never finds
 * a repetition. */
export const FORGETFUL: Record<string, number> = new Proxy(Object.create(null), {
  set: () => true,
  get: () => undefined,
});
