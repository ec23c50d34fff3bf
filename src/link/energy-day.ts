/**
 * What a day costs a node: windows, messages and rest on one link, as one sum.
 *
 * Where the duty cycle leaves less time on the air than a day's messages want, a node sends what it
 * may: the radio's energy is that of what is sent, and `carried` says how much of it that is.
 */

import type { LinkProfile } from "./link-profile.ts";
import { LORA } from "./radio-constants.ts";

const DAY_MS = 86_400_000;

export type DayTraffic = {
  readonly windows: number;
  /** Of a window on the link's own processor, mean over the exits that ran. */
  readonly inferenceMicrojoules: number;
  /** Kinds of message: how many a day, and the bytes of each of its packets. */
  readonly up: readonly { readonly perDay: number; readonly packets: readonly number[] }[];
  readonly down: readonly { readonly perDay: number; readonly bytes: number }[];
  /** Times a day that the network is joined anew, and what each costs. */
  readonly joins?: { readonly perDay: number; readonly microjoules: number };
};

export type DayEnergy = {
  readonly inferenceMillijoule: number;
  readonly radioMillijoule: number;
  readonly restMillijoule: number;
  readonly totalMillijoule: number;
  /** Time on the air that the messages want, in seconds, before any limit. */
  readonly airtimeSeconds: number;
  /** Share of the messages that the duty cycle lets through, 0 to 1. */
  readonly carried: number;
};

export function energyOfDay(profile: LinkProfile, traffic: DayTraffic): DayEnergy {
  let radio = 0;
  let airtimeMs = 0;
  for (const { perDay, packets } of traffic.up) {
    for (const bytes of packets) {
      const { microjoules, transmitMs } = profile.uplink(bytes);
      radio += perDay * microjoules;
      airtimeMs += perDay * transmitMs;
    }
  }
  for (const { perDay, bytes } of traffic.down) {
    radio += perDay * profile.downlink(bytes).microjoules;
  }
  const allowedMs = profile.packets === undefined ? DAY_MS : LORA.dutyCycle.value * DAY_MS;
  const carried = Math.min(1, allowedMs / Math.max(airtimeMs, 1));
  const joins = (traffic.joins?.perDay ?? 0) * (traffic.joins?.microjoules ?? 0);
  const inferenceMillijoule = (traffic.windows * traffic.inferenceMicrojoules) / 1000;
  const radioMillijoule = (carried * radio + joins) / 1000;
  const restMillijoule = (profile.restMicrowatts * DAY_MS) / 1e6;
  return {
    inferenceMillijoule,
    radioMillijoule,
    restMillijoule,
    totalMillijoule: inferenceMillijoule + radioMillijoule + restMillijoule,
    airtimeSeconds: airtimeMs / 1000,
    carried,
  };
}
