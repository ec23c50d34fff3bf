/**
 * Puts a herd together: names, sensors and what is going to happen to them.
 *
 * With recordings each node replays one subject, in an order of its own; without, each is an
 * emulated animal. What happens to collars is written as people say it: `6@300s:z180` turns six of
 * them by 180 degrees about z after 300 seconds.
 */

import { EdgeError } from "../src/assert.ts";
import { prng, uniform } from "../src/prng.ts";
import { createEmulator } from "../src/signal/emulator.ts";
import type { EmulatorParameters } from "../src/signal/emulator-parameters.ts";
import type { Fault } from "../src/signal/faults.ts";
import type { Profile } from "../src/signal/profile.ts";
import type { Recordings } from "../src/signal/recordings.ts";
import { parseTurn, type Rotation } from "../src/signal/turn.ts";
import type { NodeId } from "../src/wire/messages.ts";
import { nodeId } from "../src/wire/topics.ts";
import { emulatorSource } from "./emulator-sensor.ts";
import type { FleetNode } from "./fleet.ts";
import { replaySource } from "./replay-sensor.ts";
import { type SensorSource, sensorOver } from "./sensor.ts";

/** The first `nodes` collars turn at a simulated moment. */
export type Turn = {
  readonly nodes: number;
  readonly atSeconds: number;
  readonly rotation: Rotation;
};

/** Where samples come from. */
export type Signal =
  | {
      readonly kind: "recordings";
      readonly recordings: Recordings;
      /** Only these subjects, in turn; all with a class of the profile when left out. */
      readonly subjects?: readonly string[];
    }
  | { readonly kind: "emulator"; readonly parameters: EmulatorParameters };

export type HerdOptions = {
  readonly profile: Profile;
  readonly nodes: number;
  readonly seed: number;
  readonly signal: Signal;
  /** Bytes of the container of node `index`. */
  readonly factory: (index: number) => Uint8Array;
  readonly turns: readonly Turn[];
  /** What else is wrong with every sensor. */
  readonly faults?: readonly Fault[];
  /** Clocks drift by up to so many parts per million. */
  readonly clockDriftPartsPerMillion?: number;
  /** No bout of a replay goes on for longer. */
  readonly boutSecondsMax?: number;
  readonly namePrefix?: string;
};

/** The nodes of a herd, `collar-01` and so on. Throws `EdgeError` as `replaySource` does. */
export function createHerd(options: HerdOptions): readonly FleetNode[] {
  const { profile, nodes, seed } = options;
  const digits = Math.max(2, String(nodes).length);
  return Array.from({ length: nodes }, (_, index) => {
    const number = String(index + 1).padStart(digits, "0");
    const id = nodeId(`${options.namePrefix ?? "collar"}-${number}`);
    const random = prng(seed, `herd ${id}`);
    const drift = options.clockDriftPartsPerMillion ?? 0;
    const faults = [...turnsOf(options.turns, index, profile), ...(options.faults ?? [])];
    return {
      id,
      factory: options.factory(index),
      sensor: sensorOver(sourceOf(options, index, id), faults, random.uint32()),
      clock: { offsetMs: 0, driftPartsPerMillion: uniform(random, -drift, drift) },
    };
  });
}

/** `6@300s` or `6@300s:x90`; without a turn, half round about the vertical of a collar. Throws
 * `EdgeError` `bad-turn`. */
export function parseTurnPlan(text: string): Turn {
  const match = /^(\d+)@(\d+(?:\.\d+)?)s?(?::(.+))?$/.exec(text.trim());
  if (match === null) {
    throw new EdgeError({
      code: "bad-turn",
      message: `${JSON.stringify(text)} does not say how many collars turn, and when`,
      where: "turn",
      hint: "Write 6@300s, or 6@300s:x90 with an axis and degrees.",
    });
  }
  const [, nodes, seconds, rotation] = match;
  return {
    nodes: Number(nodes),
    atSeconds: Number(seconds),
    rotation: parseTurn(rotation ?? "z180"),
  };
}

function turnsOf(turns: readonly Turn[], index: number, profile: Profile): readonly Fault[] {
  return turns
    .filter((turn) => index < turn.nodes)
    .map((turn) => ({
      kind: "turn",
      atSample: Math.round(turn.atSeconds * profile.rateHz),
      rotation: turn.rotation,
    }));
}

function sourceOf(options: HerdOptions, index: number, id: NodeId): SensorSource {
  const { profile, signal, seed, boutSecondsMax } = options;
  if (signal.kind === "emulator") {
    const emulator = createEmulator(signal.parameters, { seed, name: id });
    return emulatorSource(emulator, profile.classes);
  }
  const subjects = signal.subjects ?? usableSubjects(signal.recordings, profile);
  return replaySource(signal.recordings, profile, {
    subjects: subjects.slice(index % subjects.length, (index % subjects.length) + 1),
    order: "shuffled",
    seed: seed + index,
    ...(boutSecondsMax === undefined ? {} : { boutSecondsMax }),
  });
}

/** Subjects that show at least two of the profile's classes: one behaviour for ever teaches
 * nothing. */
function usableSubjects(recordings: Recordings, profile: Profile): readonly string[] {
  const usable = recordings.subjects.filter((subject) => {
    const classes = new Set(
      recordings.segments
        .filter((segment) => segment.subject === subject)
        .map((segment) => profile.labelClass[segment.label])
        .filter((name) => name !== undefined),
    );
    return classes.size >= 2;
  });
  return usable.length > 0 ? usable : recordings.subjects;
}
