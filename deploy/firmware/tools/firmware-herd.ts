/**
 * Some nodes of a herd as real firmware: each in a QEMU of its own, its sensor bus fed from the same
 * sensors that simulated nodes have.
 *
 * Time may run faster than it does: the samples carry the simulated time, and the firmware answers
 * when they come.
 */

import { join } from "node:path";
import type { FleetNode } from "../../../device-sim/fleet.ts";
import type { NodeSettings } from "../../../device-sim/node-types.ts";
import { AXES } from "../../../src/signal/recordings.ts";
import type { TopicBase } from "../../../src/wire/topics.ts";
import { type FirmwareNode, startFirmwareNode } from "./firmware-node.ts";
import { buildNodeImage } from "./node-image.ts";

const BOARD = "mps2-an386";
const TURN_MS = 50;
/** A process that was stopped does not pour hours of samples out at once. */
const TURN_MS_MAX = 500;

export type FirmwareHerdOptions = {
  readonly nodes: readonly FleetNode[];
  readonly url: string;
  readonly base: TopicBase;
  readonly seed: number;
  readonly settings: NodeSettings;
  /** Simulated seconds a second. */
  readonly speed: number;
  /** Flash and provisioning blocks are kept here. */
  readonly folder: string;
};

export type FirmwareHerd = {
  readonly nodes: readonly FirmwareNode[];
  stop(): Promise<void>;
};

/** Builds what is not built yet, and switches the nodes on. Throws `EdgeError` where a compiler or
 * an emulator is missing; ask `missingForNode` first. */
export async function startFirmwareHerd(options: FirmwareHerdOptions): Promise<FirmwareHerd> {
  const nodes: FirmwareNode[] = [];
  try {
    for (const node of options.nodes) nodes.push(await startMember(node, options));
  } catch (error) {
    await Promise.all(nodes.map((node) => node.stop()));
    throw error;
  }
  const startMs = Date.now();
  let simulatedMs = 0;
  let lastMs = performance.now();
  const taken = options.nodes.map(() => 0);
  const timer = setInterval(() => {
    const nowMs = performance.now();
    simulatedMs += Math.min(TURN_MS_MAX, nowMs - lastMs) * options.speed;
    lastMs = nowMs;
    options.nodes.forEach(({ sensor }, i) => {
      const due = Math.floor((simulatedMs * sensor.rateHz) / 1000);
      const count = due - (taken[i] as number);
      taken[i] = due;
      if (count <= 0) return;
      const timeMs = startMs + Math.round(simulatedMs);
      for (const { startSample, samples } of sensor.next(count)) {
        const run = { startSample, millig: samples, channels: AXES, timeMs, rateHz: sensor.rateHz };
        void nodes[i]?.feed(run);
      }
    });
  }, TURN_MS);
  return {
    nodes,
    stop: async () => {
      clearInterval(timer);
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}

function startMember(node: FleetNode, options: FirmwareHerdOptions): Promise<FirmwareNode> {
  const { url, base, seed, settings, folder } = options;
  const { hostname, port, username, password } = new URL(url);
  return startFirmwareNode({
    board: BOARD,
    image: buildNodeImage({ board: BOARD, factory: node.factory }),
    broker: { host: hostname, port: Number(port === "" ? 1883 : port) },
    folder: join(folder, node.id),
    provision: {
      id: node.id,
      base,
      user: decodeURIComponent(username),
      password: decodeURIComponent(password),
      publicKeys: settings.publicKeys,
      seed,
      settings,
    },
  });
}
