/**
 * Resampling of a signal that goes on: the same samples, bit for bit, as `resample` makes of the
 * whole, as soon as everything that they depend on is there.
 */

import { assert } from "../assert.ts";
import { createResampler, ratio, resampleReach } from "./resample.ts";

export type ResampleStream = {
  /** Input samples, `[time][channel]`, to output samples that have become known. */
  take(samples: Float32Array): Float32Array;
};

export function createResampleStream(
  channels: number,
  fromHz: number,
  toHz: number,
): ResampleStream {
  const { up, down } = ratio(fromHz, toHz);
  const reach = resampleReach(fromHz, toHz);
  const resampled = createResampler(channels, fromHz, toHz);
  /** Inputs from number `first` on, which is a multiple of `down`: there outputs meet inputs. */
  let kept = new Float32Array(0);
  let first = 0;
  /** Outputs so far. */
  let made = 0;
  return {
    take(samples) {
      assert(samples.length % channels === 0, "samples are whole rows");
      kept = joined(kept, samples);
      const known = first + kept.length / channels - reach;
      // The last output whose moment, `i * down / up`, has `reach` inputs behind it.
      const until = Math.max(made, Math.floor(((known - 1) * up) / down) + 1);
      if (until === made) return new Float32Array(0);
      const offset = (first / down) * up;
      const fresh = resampled(kept, made - offset, until - offset);
      made = until;
      const needed = Math.floor((made * down) / up) - reach;
      const next = Math.max(first, Math.floor(needed / down) * down);
      kept = kept.slice((next - first) * channels);
      first = next;
      return fresh;
    },
  };
}

function joined(one: Float32Array, other: Float32Array): Float32Array<ArrayBuffer> {
  const both = new Float32Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
