/** The settings of nodes that run here, each with its reason. */

import type { LinkProfile } from "../src/link/link-profile.ts";
import { LIMITS } from "../src/wire/limits.ts";
import { loraFrameBytesMax } from "../src/wire/lora.ts";
import type { NodeSettings } from "./node-types.ts";
import { OUTBOX_LIMITS } from "./outbox.ts";

export const COLLAR: NodeSettings = {
  firmware: "bellwether-sim 0.1.0",
  publicKeys: [],
  /** A quarter of an nRF52840's flash for each slot; RAM beside the radio's. */
  slotBytes: 256 * 1024,
  ramBytes: 64 * 1024,
  outbox: OUTBOX_LIMITS,
  /** Each window at once while somebody listens; batches while nobody does, since the outbox then
   * holds eight times as many windows. At most these are lost when the power is cut. */
  reportWindows: 1,
  reportWindowsOffline: 8,
  reportMsMax: 60_000,
  wakeMs: 120_000,
  /** Eight chunks are 8 KiB in flight: what a small MQTT client buffers. */
  wantChunks: 8,
  wantMs: 5_000,
  wantMsMax: 300_000,
  trialWindows: 24,
  trialBoots: 3,
  trialMs: 24 * 3600 * 1000,
  gateSaveWindows: 256,
  offloadBytesMax: LIMITS.frameBytes,
  offloadEncoding: "int8",
  features: undefined,
  offloadsOwedMax: OUTBOX_LIMITS.entries,
};

/** A phone, or a machine with an operating system: a collar that has megabytes. */
export const DEVICE: NodeSettings = {
  ...COLLAR,
  firmware: "bellwether-node 0.1.0",
  slotBytes: 1024 * 1024,
  ramBytes: 16 * 1024 * 1024,
};

const MINUTE_MS = 60_000;

/** The same collar on a link: a radio that is woken for every window is paid for every window. */
export function collarOn(profile: LinkProfile): NodeSettings {
  const { packets } = profile;
  if (packets === undefined) {
    return { ...COLLAR, reportWindows: 24, reportWindowsOffline: 24 };
  }
  return {
    ...COLLAR,
    /** As many as one report holds: the fewer uplinks, the less of them is headers. */
    reportWindows: LIMITS.reportEntries,
    reportWindowsOffline: LIMITS.reportEntries,
    reportMsMax: 30 * MINUTE_MS,
    /** A quiet node says so each hour; the acknowledgement comes with its next uplink, and the band
     * may rest for minutes before that. */
    wakeMs: 120 * MINUTE_MS,
    outbox: {
      ...OUTBOX_LIMITS,
      inflight: 64,
      retryMs: 20 * MINUTE_MS,
      retryMsMax: 120 * MINUTE_MS,
    },
    offloadBytesMax: loraFrameBytesMax(packets.payloadBytes, packets.piecesMax),
    /** A raw window rests the band for half a minute at the best rate: eight are four minutes. */
    offloadsOwedMax: 8,
  };
}
