/**
 * What each form of an offload costs a node on its link: the bytes, the packets they are cut into,
 * and the node's energy for them. Without the verdict: it comes back for every form alike.
 */

import { encoderOn } from "../cost/encoder-on-target.ts";
import type { FormCost } from "../gate/offload-form.ts";
import { encoderMacs, type QuantizedEncoder } from "../model/encoder.ts";
import { loraFrameBytesMax, pieceLengths } from "../wire/lora.ts";
import { loraFeaturesBytes } from "../wire/lora-features.ts";
import { featuresBytes } from "../wire/offload-frame.ts";
import type { LinkProfile } from "./link-profile.ts";

export type SendingCost = {
  /** Bytes of each packet, our own headers in them and the link's not. */
  readonly packets: readonly number[];
  readonly microjoules: number;
  readonly airtimeMs: number;
  /** What the duty cycle demands of the band after all of them; 0 where there is none. */
  readonly restMs: number;
};

/** A frame as it is; undefined where the link does not carry it. */
export function sendingCost(profile: LinkProfile, frameBytes: number): SendingCost | undefined {
  const { packets } = profile;
  if (packets === undefined) return costOf(profile, [frameBytes]);
  if (frameBytes > loraFrameBytesMax(packets.payloadBytes, packets.piecesMax)) return undefined;
  return costOf(profile, pieceLengths(frameBytes, packets.payloadBytes));
}

/** The codes of one window, in LoRaWAN's own form where that is the link. */
export function featuresSendingCost(
  profile: LinkProfile,
  codeBytes: number,
): SendingCost | undefined {
  const isLora = profile.packets !== undefined;
  return sendingCost(profile, isLora ? loraFeaturesBytes(codeBytes) : featuresBytes(codeBytes));
}

/** Both forms for `offloadForm`; making the codes is part of what they cost. */
export function formCosts(
  profile: LinkProfile,
  asked: {
    readonly rawBytes: number;
    readonly codeBytes: number;
    readonly encoder: QuantizedEncoder;
  },
): { readonly raw: FormCost; readonly features: FormCost } {
  const sent = featuresSendingCost(profile, asked.codeBytes);
  const made = encoderOn(profile.target, asked.encoder).microjoules;
  return {
    raw: sendingCost(profile, asked.rawBytes),
    features: sent && { microjoules: sent.microjoules + made },
  };
}

/**
 * For a node that does not work out its link's costs: how many of this encoder's multiply-accumulates
 * take as much energy as one byte more that is sent, 1 to 2^32-1. It then counts a form's cost in
 * bytes, and leaves out what a packet costs however short it is: 10 and 50 bytes fit one of any link.
 */
export function macsPerByte(profile: LinkProfile, encoder: QuantizedEncoder): number {
  const byte = (profile.uplink(50).microjoules - profile.uplink(10).microjoules) / 40;
  const mac = encoderOn(profile.target, encoder).microjoules / encoderMacs(encoder);
  return Math.max(1, Math.min(0xffff_ffff, Math.round(byte / mac)));
}

function costOf(profile: LinkProfile, packets: readonly number[]): SendingCost {
  const costs = packets.map((bytes) => profile.uplink(bytes));
  const sum = (of: (cost: (typeof costs)[number]) => number): number =>
    costs.reduce((total, cost) => total + of(cost), 0);
  const airtimeMs = sum(({ transmitMs }) => transmitMs);
  return {
    packets,
    microjoules: sum(({ microjoules }) => microjoules),
    airtimeMs,
    restMs: sum(({ transmitMs }) => profile.offMs(transmitMs)),
  };
}
