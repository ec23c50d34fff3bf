/**
 * Batches of augmented windows, in an order that a seed decides.
 *
 * Rare behaviours would be drowned by grazing, so classes are drawn in proportion to their frequency
 * to the power of `balance`: 1 as they come, 0 all alike. However rare, a class gets the share of the
 * draws that `leastShare` says, unless its few windows would then come again and again.
 */
import { prng, shuffle, uniform } from "../prng.ts";
import { type Augmentation, augmentWindow } from "../signal/augment.ts";
import { type WindowSet, windowAt } from "../signal/window-set.ts";

export type DrawOptions = {
  readonly seed: number;
  readonly batchSize: number;
  readonly augmentation: Augmentation;
  readonly inputMilligPerStep: number;
  /** 0..1 */
  readonly balance: number;
  /** Of an even share, 0..1; 0 by default. */
  readonly leastShare?: number;
};

/** A window is drawn at most so many times as often as it would be where all are alike. */
const MOST_REPEATS = 8;

export type Passes = {
  readonly epochs: number;
  readonly batchSize: number;
  /** Few windows are gone through more often, until there are so many steps; 1 by default. */
  readonly leastSteps?: number;
};

/** Beyond so many steps of a recipe's batches no task gained; a year of recordings ends here too. */
const MOST_STEPS = 20_000;

export function stepsOf({ epochs, batchSize, leastSteps = 1 }: Passes, windows: number): number {
  const steps = Math.round((epochs * windows) / batchSize);
  return Math.min(MOST_STEPS, Math.max(1, leastSteps, steps));
}

export type Draw = {
  /** Indices into the set, one per row. */
  readonly indices: Int32Array;
  /** `[row][time][channel]` in g */
  readonly window: Float32Array;
};

/** An endless supply of batches. */
export function batchesOf(windows: WindowSet, options: DrawOptions): () => Draw {
  const next = indexSource(windows, options);
  const random = prng(options.seed, "augmentation");
  const size = windows.windowSamples * windows.channels;
  const shape = { channels: windows.channels, milliGPerStep: options.inputMilligPerStep };
  return () => {
    const indices = new Int32Array(options.batchSize);
    const window = new Float32Array(options.batchSize * size);
    for (let row = 0; row < options.batchSize; row++) {
      const index = next();
      indices[row] = index;
      const samples = windowAt(windows, index);
      augmentWindow(samples, shape, options.augmentation, random, window, row * size);
    }
    return { indices, window };
  };
}

/** Class first, then the next window of that class; each class goes through all of its windows
 * before any comes again. */
function indexSource(
  windows: WindowSet,
  { seed, balance, leastShare = 0 }: DrawOptions,
): () => number {
  const random = prng(seed, "batches");
  const members = new Map<number, number[]>();
  windows.labels.forEach((label, i) => {
    const list = members.get(label) ?? [];
    list.push(i);
    members.set(label, list);
  });
  const queues = [...members.values()].map((order) => {
    shuffle(random, order);
    return { order, at: 0 };
  });
  const sizes = queues.map(({ order }) => order.length);
  const shares = raised(
    sizes,
    sizes.map((size) => size ** balance),
    leastShare,
  );
  const total = shares.reduce((a, b) => a + b, 0);
  return () => {
    let left = uniform(random, 0, total);
    let chosen = 0;
    while (chosen < shares.length - 1 && left >= (shares[chosen] as number)) {
      left -= shares[chosen] as number;
      chosen++;
    }
    const queue = queues[chosen] as (typeof queues)[number];
    if (queue.at === queue.order.length) {
      shuffle(random, queue.order);
      queue.at = 0;
    }
    const index = queue.order[queue.at] as number;
    queue.at++;
    return index;
  };
}

/** Shares of which none is below the least. */
function raised(
  sizes: readonly number[],
  shares: readonly number[],
  leastShare: number,
): readonly number[] {
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const [windows, total] = [sum(sizes), sum(shares)];
  return shares.map((share, c) => {
    const most = (MOST_REPEATS * (sizes[c] as number)) / windows;
    return Math.max(share, total * Math.min(leastShare / sizes.length, most));
  });
}
