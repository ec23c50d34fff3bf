/** How a frame goes out on a link: whole, or on LoRaWAN in payloads of its own form. */
import type { LinkProfile } from "../src/link/link-profile.ts";
import { toLoraPayloads } from "../src/wire/lora.ts";

/** Bytes of each packet; undefined where it takes more of them than a message may. */
export function packetsOf(
  { packets }: LinkProfile,
  frame: Uint8Array,
  kind: "report" | "offload",
): readonly number[] | undefined {
  if (packets === undefined) return [frame.length];
  const payloads = toLoraPayloads(kind, frame, packets.payloadBytes, packets.piecesMax);
  return payloads?.map((payload) => payload.length);
}
