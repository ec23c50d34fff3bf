/** Collars of a herd that are real firmware, in an emulator where this machine has one. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { startFirmwareHerd } from "../deploy/firmware/tools/firmware-herd.ts";
import { missingForNode } from "../deploy/firmware/tools/node-image.ts";
import type { FleetNode } from "../device-sim/fleet.ts";
import type { NodeSettings } from "../device-sim/node-types.ts";
import { EdgeError } from "../src/assert.ts";
import type { NodeId } from "../src/wire/messages.ts";
import type { TopicBase } from "../src/wire/topics.ts";
import type { CommandIo, OptionSpec } from "./command.ts";

export const FIRMWARE_OPTION: OptionSpec = {
  flags: "--firmware <count>",
  description: "so many of the collars are the firmware, on an emulated Cortex-M4",
  kind: "number",
  default: 0,
  low: 0,
  high: 8,
};

export type FirmwareShare = {
  /** The whole herd; the last `count` of them become firmware. */
  readonly herd: readonly FleetNode[];
  readonly count: number;
  readonly url: string;
  readonly base: TopicBase;
  readonly seed: number;
  readonly settings: NodeSettings;
  /** Where the settings speak of costs: what `Provision` has it for. */
  readonly macsPerByte?: number;
  readonly speed: number;
  /** Their flash is kept here; null forgets it at the end. */
  readonly folder: string | null;
  /** By which the broker knows them, where it wants one. */
  readonly passwords?: ReadonlyMap<NodeId, string>;
};

export type SharedHerd = {
  /** Those that are left to simulate. */
  readonly simulated: readonly FleetNode[];
  readonly stop: () => Promise<void>;
};

/** Switches the firmware nodes on. Where a compiler or the emulator is missing it says what to
 * install, and the whole herd is simulated. */
export async function shareWithFirmware(share: FirmwareShare, io: CommandIo): Promise<SharedHerd> {
  const { herd, count, folder, ...rest } = share;
  const nothing = { simulated: herd, stop: () => Promise.resolve() };
  if (count === 0) return nothing;
  const missing = missingForNode("mps2-an386");
  if (missing !== undefined) {
    io.note(`firmware: goes on without, its compiler or emulator is missing (${missing})`);
    return nothing;
  }
  const nodes = herd.slice(-count);
  if (new URL(rest.url).protocol !== "mqtt:") {
    throw new EdgeError({
      code: "firmware-link",
      message: `the firmware speaks plain MQTT over TCP, not ${new URL(rest.url).protocol}`,
      where: "--firmware",
      hint: "Give the address of a listener without TLS, mqtt://127.0.0.1:1883.",
    });
  }
  const kept = folder ?? mkdtempSync(path.join(tmpdir(), "bellwether-firmware-"));
  const firmware = await startFirmwareHerd({ ...rest, nodes, folder: kept });
  const names = nodes.map(({ id }) => id).join(", ");
  io.note(`firmware: ${names} on an emulated Cortex-M4, its UART wired to the broker`);
  return {
    simulated: herd.slice(0, -count),
    stop: async () => {
      await firmware.stop();
      if (folder === null) rmSync(kept, { recursive: true, force: true });
    },
  };
}
