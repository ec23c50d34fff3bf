/**
 * Labelled windows, flat in memory.
 *
 * `samples` is `[window][time][channel]`, int8, in steps of `profile.inputMilligPerStep` milli-g:
 * exactly the bytes that a node's student sees and that a raw offload carries, so that nothing is
 * trained on values which a node cannot have.
 */

export type WindowSet = {
  readonly count: number;
  readonly windowSamples: number;
  readonly channels: number;
  readonly samples: Int8Array;
  /** Class index per window. */
  readonly labels: Uint8Array;
  /** Subject (animal or person) per window. */
  readonly subjects: readonly string[];
  /** Bout per window: windows of one contiguous stretch of one label share a number. Windows of one
   * bout overlap and resemble each other, so splits never put one bout on both sides. */
  readonly bouts: Int32Array;
};

/** The bytes of one window: `[time][channel]`, a view. */
export function windowAt(set: WindowSet, index: number): Int8Array {
  const length = set.windowSamples * set.channels;
  return set.samples.subarray(index * length, (index + 1) * length);
}

/** The windows at the given indices, in that order, copied. */
export function pickWindows(set: WindowSet, indices: readonly number[]): WindowSet {
  const length = set.windowSamples * set.channels;
  const samples = new Int8Array(indices.length * length);
  indices.forEach((from, to) => {
    samples.set(windowAt(set, from), to * length);
  });
  return {
    count: indices.length,
    windowSamples: set.windowSamples,
    channels: set.channels,
    samples,
    labels: Uint8Array.from(indices, (i) => set.labels[i] as number),
    subjects: indices.map((i) => set.subjects[i] as string),
    bouts: Int32Array.from(indices, (i) => set.bouts[i] as number),
  };
}
