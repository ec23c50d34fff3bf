/**
 * Recordings to windows: resample each segment, cut it with a hop, quantize to int8 steps.
 *
 * A window never spans two segments, and each segment that yields windows is one bout. A node sees
 * the same numbers, because both go through `quantizeMillig`.
 */

import { EdgeError } from "../assert.ts";
import type { Profile } from "./profile.ts";
import { AXES, type Recordings, segmentSamples } from "./recordings.ts";
import { resample } from "./resample.ts";
import type { WindowSet } from "./window-set.ts";

/** A recording below this share of the profile's rate lacks what the profile's classes are told
 * apart by; making samples up is refused. */
const LEAST_RATE_SHARE = 0.5;

/** Milli-g to int8 steps: rounded, saturated symmetrically at 127 steps. */
export function quantizeMillig(millig: number, milligPerStep: number): number {
  return Math.max(-127, Math.min(127, Math.round(millig / milligPerStep)));
}

/**
 * @param subjects only these; all when left out
 * @throws EdgeError `recording-rate`, `recording-axes`, `recording-subject`, `recording-windows`
 */
export function makeWindows(
  recordings: Recordings,
  profile: Profile,
  subjects?: readonly string[],
): WindowSet {
  checkFits(recordings, profile, subjects);
  const wanted = subjects === undefined ? null : new Set(subjects);
  const windowValues = profile.windowSamples * profile.channels;
  const pieces: { values: Int8Array; count: number; label: number; subject: string }[] = [];
  for (const segment of recordings.segments) {
    const label = profile.classes.indexOf(profile.labelClass[segment.label] ?? "");
    if (label < 0 || (wanted !== null && !wanted.has(segment.subject))) continue;
    const raw = segmentSamples(recordings, segment);
    const values = quantizeRows(
      resample(raw, AXES, recordings.rateHz, profile.rateHz),
      profile.inputMilligPerStep,
    );
    const rows = values.length / AXES;
    const count = Math.floor((rows - profile.windowSamples) / profile.hopSamples) + 1;
    if (count > 0) pieces.push({ values, count, label, subject: segment.subject });
  }
  const count = pieces.reduce((sum, piece) => sum + piece.count, 0);
  if (count === 0) throw noWindows(recordings, profile);
  const samples = new Int8Array(count * windowValues);
  const labels = new Uint8Array(count);
  const bouts = new Int32Array(count);
  const subjectOf: string[] = [];
  let at = 0;
  pieces.forEach((piece, bout) => {
    for (let w = 0; w < piece.count; w++, at++) {
      const from = w * profile.hopSamples * AXES;
      samples.set(piece.values.subarray(from, from + windowValues), at * windowValues);
      labels[at] = piece.label;
      bouts[at] = bout;
      subjectOf.push(piece.subject);
    }
  });
  const { windowSamples, channels } = profile;
  return { count, windowSamples, channels, samples, labels, subjects: subjectOf, bouts };
}

/** The share of samples that saturate, 0 to 1: what a step costs in range. */
export function clippedShare(set: WindowSet): number {
  let clipped = 0;
  for (const value of set.samples) if (value === 127 || value === -127) clipped++;
  return set.samples.length === 0 ? 0 : clipped / set.samples.length;
}

function quantizeRows(millig: Float32Array, milligPerStep: number): Int8Array {
  return Int8Array.from(millig, (value) => quantizeMillig(value, milligPerStep));
}

function checkFits(
  recordings: Recordings,
  profile: Profile,
  subjects: readonly string[] | undefined,
): void {
  if (profile.channels !== AXES) {
    throw new EdgeError({
      code: "recording-axes",
      message: `the profile has ${profile.channels} channels, recordings have ${AXES} axes`,
      where: `profile ${profile.name}`,
      hint: "Set `channels` to 3.",
    });
  }
  if (recordings.rateHz < profile.rateHz * LEAST_RATE_SHARE) {
    throw new EdgeError({
      code: "recording-rate",
      message: `recorded at ${recordings.rateHz} Hz, the profile needs ${profile.rateHz} Hz`,
      where: `recordings ${recordings.name}`,
      hint: `Choose another profile, or one of your own with rateHz at most ${recordings.rateHz}.`,
    });
  }
  const known = new Set(recordings.subjects);
  const unknown = subjects?.find((subject) => !known.has(subject));
  if (unknown !== undefined) {
    throw new EdgeError({
      code: "recording-subject",
      message: `has no subject "${unknown}"`,
      where: `recordings ${recordings.name}`,
      hint: `Its subjects are ${recordings.subjects.join(", ")}.`,
    });
  }
}

function noWindows(recordings: Recordings, profile: Profile): EdgeError {
  return new EdgeError({
    code: "recording-windows",
    message: `no segment with a label of the profile is ${profile.windowSamples} samples long`,
    where: `recordings ${recordings.name}, profile ${profile.name}`,
    hint: `Labels of the profile: ${Object.keys(profile.labelClass).join(", ")}; recorded: ${recordings.labels.join(", ")}.`,
  });
}
