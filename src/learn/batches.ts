/**
 * Batches of augmented windows, in an order that a seed decides.
 *
 * Rare behaviours would be drowned by grazing, so classes are drawn in proportion to their frequency
 * to the power of `balance`: 1 as they come, 0 all alike.
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
};

export type Draw = {
  /** Indices into the set, one per row. */
  readonly indices: Int32Array;
  /** `[row][time][channel]` in g */
  readonly window: Float32Array;
};

/** An endless supply of batches. */
export function batchesOf(windows: WindowSet, options: DrawOptions): () => Draw {
  const next = indexSource(windows, options.seed, options.balance);
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
function indexSource(windows: WindowSet, seed: number, balance: number): () => number {
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
  const shares = queues.map(({ order }) => order.length ** balance);
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
