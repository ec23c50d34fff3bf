/**
 * What offloads cost a node in a day on one link: windows in int8 up, their verdicts and
 * acknowledgements down. For stating a gate's target in bytes or energy, and for telling people what
 * an operating point costs. Reports, the student and rest are the same at every share, and not in it.
 */

import type { Container } from "../model/container.ts";
import { offloadBytes } from "../wire/offload-frame.ts";
import type { LinkProfile } from "./link-profile.ts";
import { sendingCost } from "./offload-costs.ts";

const DAY_MS = 86_400_000;
/** An acknowledgement of one message, and a verdict before its probabilities. */
export const ACK_BYTES = 12;
export const VERDICT_HEADER_BYTES = 17;

export type OffloadCost = {
  /** That a node sends: our frame in so many packets as the link needs, without the link's headers. */
  readonly bytes: number;
  /** Of the node's radio, sending and listening. */
  readonly millijoules: number;
};

/** Of one window. Undefined where the link does not carry it. */
export function offloadCost(
  link: LinkProfile,
  student: Parameters<typeof offloadBytes>[1] & { readonly classes: number },
): OffloadCost | undefined {
  const sent = sendingCost(link, offloadBytes("int8", student));
  if (sent === undefined) return undefined;
  const down = [ACK_BYTES, VERDICT_HEADER_BYTES + student.classes];
  const heard = down.reduce((sum, bytes) => sum + link.downlink(bytes).microjoules, 0);
  return {
    bytes: sent.packets.reduce((sum, bytes) => sum + bytes, 0),
    millijoules: (sent.microjoules + heard) / 1000,
  };
}

/** Windows that a node which is never off answers in a day. */
export function windowsPerDay({
  hopSamples,
  rateCentihertz,
}: Pick<Container, "hopSamples" | "rateCentihertz">): number {
  return (DAY_MS / 100_000) * (rateCentihertz / hopSamples);
}
