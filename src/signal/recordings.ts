/**
 * Recordings: labelled accelerometry of several subjects, as one array and a list of segments. What
 * they are on disk is in `recording-bytes.ts`.
 */

/** Axes of one sample: x, y, z. */
export const AXES = 3;

/** Sampling rates that make sense for movement: below there is none, above it is sound. */
export const LEAST_RATE_HZ = 0.5;
export const MOST_RATE_HZ = 1000;

/** One contiguous stretch of one subject with one label. */
export type Segment = {
  readonly subject: string;
  readonly label: string;
  /** In samples (triples), from the start of the data set. */
  readonly start: number;
  readonly length: number;
  /** Where it came from: a file, a time. May be empty. */
  readonly source: string;
};

export type Recordings = {
  readonly name: string;
  /** Samples a second per axis. */
  readonly rateHz: number;
  readonly labels: readonly string[];
  readonly subjects: readonly string[];
  readonly segments: readonly Segment[];
  /** `[sample][axis]`, milli-g with gravity. */
  readonly samples: Int16Array;
  /** What people should know of it: axes, placement, origin, licence. */
  readonly about: Readonly<Record<string, string>>;
};

/** The samples of one segment, `[time][axis]` in milli-g: a view. */
export function segmentSamples(recordings: Recordings, segment: Segment): Int16Array {
  return recordings.samples.subarray(segment.start * AXES, (segment.start + segment.length) * AXES);
}
