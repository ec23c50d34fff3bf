/**
 * A fleet: many nodes in one process, each with a sensor, on one simulated clock.
 *
 * The clock runs `speed` times as fast as the real one. Only what nodes measure and label follows
 * it; retries, timeouts and everything else that waits for a gateway follow real time, or a fast
 * herd would believe its gateway dead. Where the machine cannot keep up the clock slows down, and
 * `status` says by how much.
 */

import { randomInt } from "node:crypto";
import { join } from "node:path";
import { assert } from "../src/assert.ts";
import { prng, uniform } from "../src/prng.ts";
import type { Engine } from "../src/engine/engine.ts";
import type { LinkProfile } from "../src/link/link-profile.ts";
import { clockReading } from "../src/signal/faults.ts";
import type { NodeId } from "../src/wire/messages.ts";
import { type EnergyStatus, type MeteredNode, meterNode } from "./energy.ts";
import { fileStorage } from "./file-storage.ts";
import type { OpenLink } from "./link.ts";
import { memoryStorage } from "./memory-storage.ts";
import { modelLoader } from "./models.ts";
import { nodeCrypto } from "./node-crypto.ts";
import { type NodeObserver, type NodeRuntime, type NodeStatus, startNode } from "./node-runtime.ts";
import type { Decided, NodeSettings, NodeTools, Now } from "./node-types.ts";
import type { Sensor } from "./sensor.ts";
import { lockStore } from "./store-lock.ts";

/** One node of a fleet. */
export type FleetNode = {
  readonly id: NodeId;
  /** Bytes of the container that it is made with. */
  readonly factory: Uint8Array;
  readonly sensor: Sensor;
  /** How its clock differs from the true one. */
  readonly clock?: { readonly offsetMs: number; readonly driftPartsPerMillion: number };
};

/** An answer beside what was true, for measurements. Never on the wire. */
export type Truth = {
  readonly node: NodeId;
  readonly decided: Decided;
  /** Class index, or undefined where nobody knows. */
  readonly truth: number | undefined;
};

export type FleetOptions = {
  readonly nodes: readonly FleetNode[];
  readonly seed: number;
  readonly settings: NodeSettings;
  readonly engine: Engine;
  readonly openLink: OpenLink | undefined;
  /** The radio that every node is on, and its battery; without it neither costs anything. */
  readonly radio?: { readonly profile: LinkProfile; readonly milliampereHours: number } | undefined;
  /** A folder with one folder per node, or null to leave nothing behind. */
  readonly storageDir: string | null;
  /** Simulated seconds per real second. */
  readonly speed: number;
  /** What the simulated clock shows at the start; the real time when left out. */
  readonly startMs?: number;
  readonly observer?: NodeObserver;
  readonly onTruth?: (truth: Truth) => void;
};

export type FleetStatus = {
  readonly simulatedSeconds: number;
  /** Simulated seconds that this machine could not keep up with. */
  readonly behindSeconds: number;
  readonly nodes: readonly NodeStatus[];
  /** One for each node that has a radio. */
  readonly energy: readonly EnergyStatus[];
};

export type Fleet = {
  status(): FleetStatus;
  stop(): Promise<void>;
};

const TICK_MS = 25;
const NODE_TICK_MS = 500;
/** One turn computes no more than this, so that the process stays answerable. */
const TURN_MS = 15;
const MOST_TICKS = 4;

/**
 * Starts the nodes; their phases are spread over a hop, so that a herd does not act in one breath.
 *
 * Throws `EdgeError` `store-in-use` where another fleet runs on the folder, and for a factory
 * container that cannot be used.
 */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  assert(options.speed > 0, "time runs forwards");
  const unlock = options.storageDir === null ? () => {} : lockStore(options.storageDir);
  const clock = fleetClock(options);
  const load = modelLoader(options.engine, nodeCrypto);
  const members: Member[] = [];
  try {
    for (const node of options.nodes) {
      members.push(await startMember(node, options, clock, load));
    }
  } catch (error) {
    await Promise.all(members.map((member) => member.runtime.stop()));
    unlock();
    throw error;
  }
  const turn = { first: 0 };
  const timers = [
    setInterval(() => runTurn(members, turn, clock), TICK_MS),
    setInterval(() => tickAll(members), NODE_TICK_MS),
  ];
  let stopped = false;
  return {
    status: () => ({
      simulatedSeconds: clock.simulatedMs() / 1000,
      behindSeconds: clock.behindMs() / 1000,
      nodes: members.map((member) => member.runtime.status()),
      energy: members.flatMap(({ metered }) => metered?.status() ?? []),
    }),
    stop: async () => {
      if (stopped) return;
      stopped = true;
      for (const timer of timers) clearInterval(timer);
      await Promise.all(members.map((member) => member.runtime.stop()));
      unlock();
    },
  };
}

type Member = {
  readonly runtime: NodeRuntime;
  readonly metered: MeteredNode | undefined;
  readonly sensor: Sensor;
  readonly phaseSamples: number;
  readonly wallAt: (simulatedMs: number) => number;
  taken: number;
};

async function startMember(
  node: FleetNode,
  options: FleetOptions,
  clock: FleetClock,
  load: NodeTools["load"],
): Promise<Member> {
  const { settings, storageDir, seed } = options;
  const random = prng(seed, `node ${node.id}`);
  const jitter = prng(seed, `jitter ${node.id}`);
  const skew = node.clock ?? { offsetMs: 0, driftPartsPerMillion: 0 };
  const wallAt = (simulatedMs: number): number => clock.startMs + clockReading(simulatedMs, skew);
  const hop = load(node.factory).container.hopSamples;
  const observer = withTruth(options, node.sensor, load(node.factory).container.student);
  const metered = options.radio && meterNode(options.radio, () => clock.simulatedMs(), load);
  const { openLink } = options;
  const runtime = await startNode({
    id: node.id,
    factory: node.factory,
    settings,
    tools: { crypto: nodeCrypto, random, jitter, load: metered?.load ?? load },
    storage:
      storageDir === null
        ? memoryStorage(settings.slotBytes)
        : await fileStorage(join(storageDir, node.id), settings.slotBytes),
    openLink: openLink && metered ? metered.around(openLink) : openLink,
    clock: () => ({ uptimeMs: performance.now(), wallMs: wallAt(clock.simulatedMs()) }),
    // From the machine, not from the seed: a herd that is started again without its storage must
    // not repeat sequence numbers that its gateway has stored.
    newEpoch: () => randomInt(1, 2 ** 32 - 1),
    observer: metered?.observe(observer) ?? observer,
  });
  const phaseSamples = Math.floor(uniform(random, 0, hop));
  return { runtime, metered, sensor: node.sensor, phaseSamples, wallAt, taken: 0 };
}

function withTruth(
  options: FleetOptions,
  sensor: Sensor,
  shape: { readonly windowSamples: number },
): NodeObserver {
  const { observer = {}, onTruth } = options;
  if (onTruth === undefined) return observer;
  return {
    ...observer,
    decided: (node, decided) => {
      observer.decided?.(node, decided);
      const end = decided.endSample;
      if (end === undefined) return;
      onTruth({ node, decided, truth: sensor.truth(end - shape.windowSamples, end) });
    },
  };
}

/**
 * One turn of the whole herd: every node gets the samples that are due. The turn ends early when it
 * takes too long; the next begins where it ended, and the clock waits until all have had theirs.
 */
function runTurn(members: readonly Member[], turn: { first: number }, clock: FleetClock): void {
  const startMs = performance.now();
  if (turn.first === 0) clock.advance(startMs);
  for (let i = turn.first; i < members.length; i++) {
    const member = members[i] as Member;
    feed(member, clock.simulatedMs());
    if (performance.now() - startMs > TURN_MS && i + 1 < members.length) {
      turn.first = i + 1;
      return;
    }
  }
  turn.first = 0;
}

/** Time passes for a node whether its sensor gives something or not. */
function tickAll(members: readonly Member[]): void {
  for (const { metered, runtime } of members) {
    metered?.tick((percent) => runtime.step({ kind: "battery", percent }));
    runtime.step({ kind: "tick" });
  }
}

/** Samples up to the moment, in blocks of at most a second, each at the time of its last sample. */
function feed(member: Member, simulatedMs: number): void {
  const { sensor, runtime } = member;
  const due = Math.floor((simulatedMs * sensor.rateHz) / 1000) + member.phaseSamples;
  while (member.taken < due) {
    const count = Math.min(due - member.taken, Math.ceil(sensor.rateHz));
    member.taken += count;
    const endMs = ((member.taken - member.phaseSamples) * 1000) / sensor.rateHz;
    for (const run of sensor.next(count)) {
      const at: Now = { uptimeMs: performance.now(), wallMs: member.wallAt(endMs) };
      runtime.step({ kind: "samples", startSample: run.startSample, millig: run.samples }, at);
    }
  }
}

type FleetClock = {
  readonly startMs: number;
  simulatedMs(): number;
  behindMs(): number;
  /** Moves on to a real moment. */
  advance(realMs: number): void;
};

function fleetClock(options: FleetOptions): FleetClock {
  let lastMs = performance.now();
  let simulatedMs = 0;
  let heldMs = 0;
  return {
    startMs: options.startMs ?? Date.now(),
    simulatedMs: () => simulatedMs,
    behindMs: () => heldMs * options.speed,
    advance: (realMs) => {
      const passedMs = realMs - lastMs;
      lastMs = realMs;
      // A process that was stopped, or is too slow, does not pour hours of samples out at once.
      const takenMs = Math.min(passedMs, MOST_TICKS * TICK_MS);
      heldMs += passedMs - takenMs;
      simulatedMs += takenMs * options.speed;
    },
  };
}
