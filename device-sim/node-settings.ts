/** The settings of a simulated collar, each with its reason. */

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
};
