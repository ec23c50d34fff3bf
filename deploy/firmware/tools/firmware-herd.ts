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
import type { NodeId } from "../../../src/wire/messages.ts";
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
  /** What `Provision` has it for. */
  readonly macsPerByte?: number;
  /** By which the broker knows them, where it wants one. */
  readonly passwords?: ReadonlyMap<NodeId, string>;
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
  const timer = feedAll(nodes, options);
  return {
    nodes,
    stop: async () => {
      clearInterval(timer);
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}

/** Samples as they fall due. A node that is still taking the last ones loses those of this turn, as
 * it would from a sensor that does not wait; it sees the gap by their numbers. */
function feedAll(nodes: readonly FirmwareNode[], options: FirmwareHerdOptions): NodeJS.Timeout {
  const startMs = Date.now();
  let simulatedMs = 0;
  let lastMs = performance.now();
  const members = nodes.map((node, i) => ({
    node,
    sensor: (options.nodes[i] as FleetNode).sensor,
    taken: 0,
    busy: false,
  }));
  return setInterval(() => {
    const nowMs = performance.now();
    simulatedMs += Math.min(TURN_MS_MAX, nowMs - lastMs) * options.speed;
    lastMs = nowMs;
    for (const member of members) {
      const { node, sensor } = member;
      const due = Math.floor((simulatedMs * sensor.rateHz) / 1000);
      const runs = due > member.taken ? sensor.next(due - member.taken) : [];
      member.taken = due;
      if (member.busy) continue;
      member.busy = true;
      const timeMs = startMs + Math.round(simulatedMs);
      const fed = runs.map(({ startSample, samples }) =>
        node.feed({
          startSample,
          millig: samples,
          channels: AXES,
          timeMs,
          rateHz: sensor.rateHz,
        }),
      );
      void Promise.all(fed).finally(() => {
        member.busy = false;
      });
    }
  }, TURN_MS);
}

function startMember(node: FleetNode, options: FirmwareHerdOptions): Promise<FirmwareNode> {
  const { url, base, seed, settings, macsPerByte, folder, passwords } = options;
  const { hostname, port, username, password } = new URL(url);
  const own = passwords?.get(node.id);
  return startFirmwareNode({
    board: BOARD,
    image: buildNodeImage({ board: BOARD, factory: node.factory }),
    broker: { host: hostname, port: Number(port === "" ? 1883 : port) },
    folder: join(folder, node.id),
    provision: {
      id: node.id,
      base,
      user: own === undefined ? decodeURIComponent(username) : node.id,
      password: own ?? decodeURIComponent(password),
      publicKeys: settings.publicKeys,
      seed,
      settings,
      ...(macsPerByte !== undefined && { macsPerByte }),
    },
  });
}
