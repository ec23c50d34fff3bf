/**
 * Tells whether a client has been sent a packet already, for overlapping subscriptions.
 *
 * The broker's own test remembers only the highest packet number that a client was sent and takes
 * every lower one for a repetition. Retained packets overtake and are overtaken (they go through the
 * store first), so with `#` subscribed that test silently loses messages: an availability behind a
 * newer event, for one. This one remembers the numbers themselves.
 *
 * MQTT 5 lets a client number its subscriptions and be told by which a message came. The broker tells
 * one number a copy, so that such a client gets a copy for each of them: Home Assistant hands a message
 * to nothing but the subscription that is named.
 */

/** How far packets can overtake each other: as many as the broker delivers at once, and more. */
const REMEMBERED = 1_024;

export class RepeatFilter {
  readonly #seen = new Set<number | string>();

  /** True when this was asked about before, among the last thousand.
   *
   * @param subscription the number that the client gave it, if it did */
  isRepeated(packetNumber: number, subscription?: number): boolean {
    const copy = subscription === undefined ? packetNumber : `${packetNumber} ${subscription}`;
    if (this.#seen.has(copy)) return true;
    this.#seen.add(copy);
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
