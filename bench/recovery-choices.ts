/**
 * Which windows of a herd's life the teacher is asked about: the ways that the recovery benchmark
 * compares, each for any number of windows, every node giving the same share.
 *
 * *Capped* is what nodes do after an alarm, by the gate's own code over the stream as it comes; the
 * gateway then takes all of it. *Diverse* is the gateway's own choice, given everything that was
 * ever heard. None knows a label.
 */
import { furthestQueue, takeFurthest } from "../gateway/distil/distil-labels.ts";
import { callBurst, followBout, seekForBurst } from "../src/gate/burst.ts";
import type { GateParameters } from "../src/gate/gate-parameters.ts";
import { type GateState, initialGateState } from "../src/gate/gate-state.ts";
import { windowStatistics } from "../src/gate/window-statistics.ts";
import { prng, shuffle } from "../src/prng.ts";
import { type WindowSet, windowAt } from "../src/signal/window-set.ts";

export const CHOICES = ["first-come", "random", "unsure", "diverse", "capped", "views"] as const;
export type Choice = (typeof CHOICES)[number];

export type LivedWindows = {
  readonly windows: WindowSet;
  /** Indices in the order in which each node heard them. */
  readonly streams: readonly (readonly number[])[];
  /** The student's margin on each window; small where it is unsure. */
  readonly margins: ArrayLike<number>;
  readonly gate: GateParameters;
  readonly seed: number;
};

/** A stream that ends begins again, and the gateway asks for what is missing, so many times. */
const BURST_PASSES = 4;

/** Indices of at most `count` windows, in the order in which they were chosen, node by node. */
export function chooseWindows(choice: Choice, lived: LivedWindows, count: number): number[] {
  const { streams } = lived;
  return streams.flatMap((stream, node) => {
    // What cannot be shared evenly goes to the first nodes.
    const share = Math.floor((count + streams.length - 1 - node) / streams.length);
    return ofOneNode(choice, lived, stream, share);
  });
}

function ofOneNode(
  choice: Choice,
  lived: LivedWindows,
  stream: readonly number[],
  share: number,
): number[] {
  switch (choice) {
    case "first-come":
      return stream.slice(0, share);
    case "random":
      return shuffled(lived, stream).slice(0, share);
    case "unsure":
      return [...stream]
        .sort((a, b) => (lived.margins[a] as number) - (lived.margins[b] as number))
        .slice(0, share);
    case "diverse":
      return furthest(lived, stream, share);
    case "capped":
    case "views":
      return burst(lived, stream, share);
  }
}

function shuffled({ seed }: LivedWindows, stream: readonly number[]): number[] {
  const order = [...stream];
  shuffle(prng(seed, `recovery ${stream[0] ?? 0}`), order);
  return order;
}

function furthest(lived: LivedWindows, stream: readonly number[], share: number): number[] {
  const queue = furthestQueue(shuffled(lived, stream), (index) => statisticsAt(lived, index));
  return Array.from({ length: Math.min(share, stream.length) }, () => Number(takeFurthest(queue)));
}

function burst(lived: LivedWindows, stream: readonly number[], share: number): number[] {
  const { burst: rule } = lived.gate;
  const fresh = initialGateState(lived.gate);
  let state: GateState = fresh;
  const taken = new Set<number>();
  for (let pass = 0; pass < BURST_PASSES && taken.size < share; pass++) {
    state = { ...state, burst: callBurst(fresh.burst, share - taken.size) };
    for (const index of stream) {
      const statistics = statisticsAt(lived, index);
      state = { ...state, ...followBout(rule, state, statistics) };
      const { wanted, ifTaken, ifLeft } = seekForBurst(rule, state.burst, statistics);
      const takes = wanted && !taken.has(index);
      if (takes) taken.add(index);
      state = { ...state, burst: takes ? ifTaken : ifLeft };
    }
  }
  return [...taken];
}

function statisticsAt({ windows }: LivedWindows, index: number): readonly number[] {
  return windowStatistics(windowAt(windows, index), windows.channels);
}
