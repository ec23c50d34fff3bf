/**
 * A source for sensors that replays recordings: the chosen segments, one after another, for ever.
 *
 * Each segment is resampled on its own to the profile's rate, as in training. Where one segment
 * follows another there is a seam, so that no window spans two of them: they may be hours apart.
 */

import { EdgeError } from "../src/assert.ts";
import { prng, shuffle } from "../src/prng.ts";
import type { Profile } from "../src/signal/profile.ts";
import { AXES, type Recordings, type Segment, segmentSamples } from "../src/signal/recordings.ts";
import { resample, resampledCount } from "../src/signal/resample.ts";
import { toInt16 } from "../src/signal/turn.ts";
import { type SensorSource, type SourcePiece, UNKNOWN_CLASS } from "./sensor.ts";

export type ReplayOptions = {
  /** Only these subjects; all when left out. */
  readonly subjects?: readonly string[];
  /** Only these segments of them; all that yield a window and have a class when left out. */
  readonly segments?: readonly Segment[];
  readonly order: "recorded" | "shuffled";
  /** No bout goes on for longer, so that a herd shows all its behaviours within minutes. */
  readonly boutSecondsMax?: number;
  /** For the order, and for where in the list of bouts to begin. */
  readonly seed: number;
};

/** @throws EdgeError `replay-empty` when no segment is left to replay */
export function replaySource(
  recordings: Recordings,
  profile: Profile,
  options: ReplayOptions,
): SensorSource {
  const segments = chosenSegments(recordings, profile, options);
  if (segments.length === 0) throw nothingLeft(recordings, options);
  const random = prng(options.seed, "replay");
  let next = 0;
  if (options.order === "shuffled") shuffle(random, segments);
  else next = random.uint32() % segments.length;
  let playing: Playing | undefined;
  return {
    rateHz: profile.rateHz,
    next(count) {
      const pieces: SourcePiece[] = [];
      for (let left = count; left > 0; ) {
        const begins = playing === undefined;
        if (playing === undefined) {
          playing = play(recordings, profile, segments[next % segments.length] as Segment, options);
          next += 1;
          if (options.order === "shuffled" && next % segments.length === 0) {
            shuffle(random, segments);
          }
        }
        const rows = Math.min(left, playing.rows - playing.at);
        const from = playing.at * AXES;
        const samples = playing.samples.subarray(from, from + rows * AXES);
        const classes = new Uint8Array(rows).fill(playing.label);
        pieces.push({ seam: begins, samples, classes });
        left -= rows;
        playing.at += rows;
        if (playing.at === playing.rows) playing = undefined;
      }
      return pieces;
    },
  };
}

type Playing = {
  readonly samples: Int16Array;
  readonly rows: number;
  readonly label: number;
  at: number;
};

function play(
  recordings: Recordings,
  profile: Profile,
  segment: Segment,
  options: ReplayOptions,
): Playing {
  const raw = segmentSamples(recordings, segment);
  const resampled = resample(raw, AXES, recordings.rateHz, profile.rateHz);
  const samples = Int16Array.from(resampled, toInt16);
  const rowsMax = Math.max(
    profile.windowSamples,
    Math.floor((options.boutSecondsMax ?? Number.POSITIVE_INFINITY) * profile.rateHz),
  );
  const rows = Math.min(samples.length / AXES, rowsMax);
  const index = profile.classes.indexOf(profile.labelClass[segment.label] ?? "");
  return { samples, rows, label: index < 0 ? UNKNOWN_CLASS : index, at: 0 };
}

function chosenSegments(
  recordings: Recordings,
  profile: Profile,
  options: ReplayOptions,
): Segment[] {
  const subjects = options.subjects === undefined ? null : new Set(options.subjects);
  return (options.segments ?? recordings.segments).filter(
    (segment) =>
      (subjects === null || subjects.has(segment.subject)) &&
      profile.labelClass[segment.label] !== undefined &&
      resampledCount(segment.length, recordings.rateHz, profile.rateHz) >= profile.windowSamples,
  );
}

function nothingLeft(recordings: Recordings, options: ReplayOptions): EdgeError {
  const asked = options.subjects?.join(", ") ?? "any subject";
  return new EdgeError({
    code: "replay-empty",
    message: `no segment of ${asked} is long enough for a window and has a class`,
    where: `recordings ${recordings.name}`,
    hint: `Subjects with recordings: ${recordings.subjects.join(", ")}.`,
  });
}
