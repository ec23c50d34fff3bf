/**
 * What every link's model answers: time on the air, energy of the node, and how long it takes.
 *
 * All energies are the node's own, radio and what the processor does for it, within
 * `LINK_UNCERTAINTY`. No model knows of collisions, distance or a second attempt.
 */

export const LINK_NAMES = ["ble", "wifi", "lorawan"] as const;
export type LinkName = (typeof LINK_NAMES)[number];

export type MessageCost = {
  /** Packets that the message is cut into. */
  readonly fragments: number;
  /** The node's transmitter and its receiver at work. */
  readonly transmitMs: number;
  readonly receiveMs: number;
  readonly microjoules: number;
  /** From the wish to send to the last bit's arrival, on a free link. */
  readonly latencyMs: number;
};

/** Of a current through a time: mA, V and ms are microjoules. */
export function microjoules(milliampere: number, volt: number, ms: number): number {
  return milliampere * volt * ms;
}
