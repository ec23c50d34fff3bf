/**
 * What a node decides while it lives through bouts: the gate itself, window after window, on what the
 * student said of each. A window ends when its samples have come; between two bouts a window's
 * samples are lost, as between two recordings.
 */
import type { ExitOutput } from "../src/engine/engine.ts";
import { type GateDecision, gateExit, gateWindow } from "../src/gate/decide.ts";
import { featuresAt, logitsAt } from "../src/gate/exit-records.ts";
import type { NoveltySamples } from "../src/gate/fit-novelty.ts";
import type { GateParameters } from "../src/gate/gate-parameters.ts";
import { initialGateState } from "../src/gate/gate-state.ts";
import { below, type Prng } from "../src/prng.ts";
import type { WindowSet } from "../src/signal/window-set.ts";

/** Windows, and what the student made of each. */
export type Worn = {
  readonly windows: WindowSet;
  readonly samples: NoveltySamples;
  /** Indices of windows, bout by bout. */
  readonly bouts: readonly (readonly number[])[];
  /** The teacher's class of each window; empty where nobody asks. */
  readonly taught: Uint8Array;
};

export function wornOf(windows: WindowSet, samples: NoveltySamples, taught: Uint8Array): Worn {
  const bouts = new Map<number, number[]>();
  windows.bouts.forEach((bout, i) => {
    const own = bouts.get(bout);
    if (own === undefined) bouts.set(bout, [i]);
    else own.push(i);
  });
  return { windows, samples, bouts: [...bouts.values()], taught };
}

export type LivedWindow = {
  readonly worn: Worn;
  readonly index: number;
  readonly decision: GateDecision;
  /** Counted from 0; its end by the node's clock. */
  readonly windowIndex: number;
  readonly timeMs: number;
};

/** Which windows come next, from a bout that begins at this time. */
export type NextBout = (timeMs: number) => {
  readonly worn: Worn;
  readonly indices: readonly number[];
  /** How many times as fast as it should the sensor runs. */
  readonly rateFactor: number;
};

/** One life, for as long as it is asked. */
export function* livedWindows(
  gate: GateParameters,
  next: NextBout,
  hopMs: number,
  random: Prng,
): Generator<LivedWindow, never> {
  let state = initialGateState(gate);
  let timeMs = 0;
  let windowIndex = 0;
  for (;;) {
    const { worn, indices, rateFactor } = next(timeMs);
    timeMs += hopMs / rateFactor;
    for (const index of indices) {
      timeMs += hopMs / rateFactor;
      const { records, statistics } = worn.samples;
      const exits: ExitOutput[] = [];
      do {
        const exit = exits.length;
        const logits = logitsAt(records, exit, index);
        exits.push({ logits, features: featuresAt(records, exit, index) });
      } while (gateExit(gate, state, exits) === "next");
      const input = { exits, statistics: statistics[index] ?? [], windowIndex };
      const decision = gateWindow(gate, state, input, random);
      state = decision.nextState;
      yield { worn, index, decision, windowIndex, timeMs };
      windowIndex++;
    }
  }
}

export function anyBout({ bouts }: Worn, random: Prng): readonly number[] {
  return bouts[below(random, bouts.length)] as readonly number[];
}

/** From a random window of it on, as something that happens meets it. */
export function partOfBout(worn: Worn, random: Prng): readonly number[] {
  const bout = anyBout(worn, random);
  return bout.slice(below(random, bout.length));
}
