/** The profiles that ship, and a sensible one for recordings that nobody has seen before. */

import { EdgeError } from "../assert.ts";
import { LIMITS } from "../wire/limits.ts";
import type { Profile } from "./profile.ts";
import type { Recordings } from "./recordings.ts";
import { resampledCount } from "./resample.ts";

/** Neck collars of cattle. Resting and standing cannot be told apart well from the neck, hence
 * `still`; drinking, rising, mounting and the like are too rare to learn and are left out. */
const cattle: Profile = {
  name: "cattle",
  rateHz: 10,
  windowSamples: 50,
  hopSamples: 25,
  channels: 3,
  classes: ["grazing", "still", "walking"],
  labelClass: { Grazing: "grazing", Resting: "still", Standing: "still", Walking: "walking" },
  inputMilligPerStep: 16,
};

/** The same collars with resting and standing apart: the honest hard variant. */
const cattleFour: Profile = {
  ...cattle,
  name: "cattle-four",
  classes: ["grazing", "resting", "standing", "walking"],
  labelClass: { Grazing: "grazing", Resting: "resting", Standing: "standing", Walking: "walking" },
};

/** A phone in the front trouser pocket. */
const people: Profile = {
  name: "people",
  rateHz: 25,
  windowSamples: 128,
  hopSamples: 64,
  channels: 3,
  ...sameNames(["walking", "jogging", "upstairs", "downstairs", "sitting", "standing"]),
  inputMilligPerStep: 32,
};

/** A watch on the dominant wrist, 18 activities of daily life. Hand activities come in strokes of
 * some seconds, hence the long window. */
const watch: Profile = {
  name: "watch",
  rateHz: 20,
  windowSamples: 200,
  hopSamples: 100,
  channels: 3,
  ...sameNames([
    "walking",
    "jogging",
    "stairs",
    "sitting",
    "standing",
    "typing",
    "teeth",
    "soup",
    "chips",
    "pasta",
    "drinking",
    "sandwich",
    "kicking",
    "catch",
    "dribbling",
    "writing",
    "clapping",
    "folding",
  ]),
  inputMilligPerStep: 16,
};

export const SHIPPED_PROFILES: readonly Profile[] = [cattle, cattleFour, people, watch];

/** Which profile a data set of this name is made for. */
const PROFILE_OF_DATASET: Readonly<Record<string, Profile>> = { cows: cattle, people, watch };

/** Above this a rate is halved: gait and chewing lie below 10 Hz, and half the rate is half the
 * energy. */
const HALVE_ABOVE_HZ = 30;
const WINDOW_SECONDS = 5;
/** And at least a second, in which there is a step. */
const LEAST_WINDOW_SAMPLES = 16;
const LEAST_KEPT_SHARE = 0.75;
/** A label is learnable with this many whole windows, and per subject that counts for it. */
const LEAST_WINDOWS = 20;
const LEAST_WINDOWS_PER_SUBJECT = 4;
/** Told in one error. */
const MOST_LACKS = 10;

/** @throws EdgeError `unknown-profile` */
export function shippedProfile(name: string): Profile {
  const profile = SHIPPED_PROFILES.find((candidate) => candidate.name === name);
  if (profile !== undefined) return profile;
  throw new EdgeError({
    code: "unknown-profile",
    message: `there is no profile "${name}"`,
    where: "profile",
    hint: `Shipped profiles: ${SHIPPED_PROFILES.map((known) => known.name).join(", ")}.`,
  });
}

/**
 * The profile for a data set: the shipped one for a known name (`cows`, `cows-2025`, …) where its
 * labels fit, else one derived from the recordings themselves. `overrides` come from configuration;
 * a `labelClass` alone also renames and merges classes, and drops the labels it does not name.
 *
 * @throws EdgeError `profile-classes` when fewer than two behaviours can be learned
 */
export function profileFor(recordings: Recordings, overrides: Partial<Profile> = {}): Profile {
  const isReshaped = overrides.rateHz !== undefined || overrides.windowSamples !== undefined;
  const known = isReshaped ? null : knownProfile(recordings);
  const base = known ?? derivedProfile(recordings, overrides);
  const classes =
    overrides.classes ??
    (overrides.labelClass ? [...new Set(Object.values(overrides.labelClass))] : base.classes);
  const profile = { ...base, ...overrides, classes };
  checkProfile(profile, recordings);
  return profile;
}

/** A rate and a window that somebody asks for, in place of those that are derived. */
export type ShapeAsked = {
  readonly rateHz?: number | undefined;
  readonly windowSeconds?: number | undefined;
};

/**
 * The overrides of a profile that they come to.
 *
 * @throws EdgeError `profile-shape` for a rate above the recorded one, or a window of too few or too
 * many samples
 */
export function shapeOverrides(recordings: Recordings, asked: ShapeAsked): Partial<Profile> {
  const { rateHz, windowSeconds } = asked;
  if (rateHz === undefined && windowSeconds === undefined) return {};
  const usedHz = rateHz ?? halvedRate(recordings.rateHz);
  const refuse = (message: string, hint: string): never => {
    throw new EdgeError({
      code: "profile-shape",
      message,
      where: `recordings ${recordings.name}`,
      hint,
    });
  };
  if (usedHz > recordings.rateHz) {
    const message = `${usedHz} Hz, where ${recordings.rateHz} Hz were recorded`;
    return refuse(message, "Ask for that or less with --rate.");
  }
  if (windowSeconds === undefined) return { rateHz: usedHz };
  const samples = 2 * Math.round((windowSeconds * usedHz) / 2);
  if (samples < LEAST_WINDOW_SAMPLES || samples > LIMITS.windowSamples) {
    const seconds = (count: number): string => (count / usedHz).toPrecision(3);
    refuse(
      `a window of ${windowSeconds} s at ${usedHz} Hz has ${samples} samples`,
      `Between ${LEAST_WINDOW_SAMPLES} and ${LIMITS.windowSamples} will do: ${seconds(LEAST_WINDOW_SAMPLES)} to ${seconds(LIMITS.windowSamples)} s at this rate.`,
    );
  }
  return { rateHz: usedHz, windowSamples: samples, hopSamples: samples / 2 };
}

function knownProfile(recordings: Recordings): Profile | null {
  const [family = ""] = recordings.name.toLowerCase().split(/[^a-z]/);
  const profile = PROFILE_OF_DATASET[family];
  if (profile === undefined || recordings.rateHz < profile.rateHz) return null;
  const covered = new Set(recordings.labels.map((label) => profile.labelClass[label] ?? ""));
  return profile.classes.every((name) => covered.has(name)) ? profile : null;
}

function derivedProfile(recordings: Recordings, overrides: Partial<Profile>): Profile {
  const rateHz = overrides.rateHz ?? halvedRate(recordings.rateHz);
  const windowSamples = overrides.windowSamples ?? derivedWindow(recordings, rateHz);
  const hopSamples = overrides.hopSamples ?? Math.max(1, windowSamples >> 1);
  const shape = { rateHz, windowSamples, hopSamples };
  const labels = overrides.labelClass
    ? []
    : [...labelWindows(recordings, shape)].flatMap(([label, { lack }]) =>
        lack === undefined ? [label] : [],
      );
  const labelClass = Object.fromEntries(labels.map((label) => [label, className(label)]));
  return {
    name: profileName(recordings.name),
    rateHz,
    windowSamples,
    hopSamples,
    channels: 3,
    classes: [...new Set(Object.values(labelClass))].sort(),
    labelClass,
    inputMilligPerStep: derivedStep(recordings),
  };
}

function halvedRate(recordedHz: number): number {
  let rateHz = recordedHz;
  while (rateHz > HALVE_ABOVE_HZ) rateHz /= 2;
  return rateHz;
}

/**
 * About five seconds, an even number, and shorter where bouts are: three quarters of a label's time, in
 * the mean over labels, must be in segments that yield a window. Time and not segments are counted,
 * or a few flickers of an observer's key would shorten every window.
 */
function derivedWindow(recordings: Recordings, rateHz: number): number {
  const byLabel = new Map<string, number[]>();
  for (const { label, length } of recordings.segments) {
    const rows = resampledCount(length, recordings.rateHz, rateHz);
    const lengths = byLabel.get(label) ?? [];
    lengths.push(rows);
    byLabel.set(label, lengths);
  }
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const keptShare = (samples: number): number => {
    const shares = [...byLabel.values()].map(
      (lengths) => sum(lengths.filter((rows) => rows >= samples)) / sum(lengths),
    );
    return sum(shares) / shares.length;
  };
  const most = Math.round(WINDOW_SECONDS * rateHz);
  const least = Math.max(LEAST_WINDOW_SAMPLES, 2 * Math.round(rateHz / 2));
  let samples = most - (most % 2);
  while (samples > least && keptShare(samples) < LEAST_KEPT_SHARE) samples -= 2;
  return Math.max(least, samples);
}

/** How much of a recorded label there is in whole windows. */
export type LabelWindows = {
  readonly windows: number;
  /** Subjects who have enough of them to count. */
  readonly subjects: number;
  /** Why it cannot be learned; undefined where it can. */
  readonly lack: string | undefined;
};

type Shape = Pick<Profile, "rateHz" | "windowSamples" | "hopSamples">;

/** By recorded label. One is learned with enough windows, in two subjects where there are two. */
export function labelWindows(
  recordings: Recordings,
  shape: Shape,
): ReadonlyMap<string, LabelWindows> {
  const counted = countWindows(recordings, shape);
  const subjectsNeeded = Math.min(2, recordings.subjects.length);
  return new Map(
    recordings.labels.map((label) => {
      const counts = [...(counted.get(label)?.values() ?? [])];
      const windows = counts.reduce((sum, count) => sum + count, 0);
      const subjects = counts.filter((count) => count >= LEAST_WINDOWS_PER_SUBJECT).length;
      const lack =
        windows < LEAST_WINDOWS
          ? `${windows} whole windows, ${LEAST_WINDOWS} are needed`
          : subjects < subjectsNeeded
            ? `${subjects} of its subjects with ${LEAST_WINDOWS_PER_SUBJECT} windows, ${subjectsNeeded} are needed`
            : undefined;
      return [label, { windows, subjects, lack }];
    }),
  );
}

/** By label and subject. */
function countWindows(
  recordings: Recordings,
  { rateHz, windowSamples, hopSamples }: Shape,
): ReadonlyMap<string, ReadonlyMap<string, number>> {
  const windows = new Map<string, Map<string, number>>();
  for (const segment of recordings.segments) {
    const rows = resampledCount(segment.length, recordings.rateHz, rateHz);
    const count = Math.max(0, Math.floor((rows - windowSamples) / hopSamples) + 1);
    const bySubject = windows.get(segment.label) ?? new Map<string, number>();
    bySubject.set(segment.subject, (bySubject.get(segment.subject) ?? 0) + count);
    windows.set(segment.label, bySubject);
  }
  return windows;
}

/** The finest step of a power of two that saturates at most 2 samples in a thousand. */
function derivedStep(recordings: Recordings): number {
  for (const step of [8, 16, 32, 64]) {
    const limit = step * 127.5;
    let clipped = 0;
    for (const value of recordings.samples) if (Math.abs(value) > limit) clipped++;
    if (clipped <= recordings.samples.length * 0.002) return step;
  }
  return 128;
}

/** Lower case, digits and dashes: class names become JSON values and topic parts. */
function className(label: string): string {
  return (
    label
      .replace(/([a-z])([A-Z])/g, "$1-$2")
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, "-")
      .replace(/^-+|-+$/g, "") || "unnamed"
  );
}

function profileName(dataset: string): string {
  const name = className(dataset);
  return SHIPPED_PROFILES.some((profile) => profile.name === name) ? `${name}-own` : name;
}

function checkProfile(profile: Profile, recordings: Recordings): void {
  const used = new Set(Object.values(profile.labelClass));
  const missing = profile.classes.find((name) => !used.has(name));
  if (profile.classes.length >= 2 && profile.classes.length <= 255 && missing === undefined) return;
  throw new EdgeError({
    code: "profile-classes",
    message:
      missing === undefined
        ? `${profile.classes.length} behaviours can be learned; 2 to 255 are needed`
        : `no label is mapped to the class "${missing}"`,
    where: `recordings ${recordings.name}`,
    hint: `${lacksOf(recordings, profile)} Merge labels at the import with --labels old=new, take shorter windows, or record more; recorded labels: ${recordings.labels.join(", ")}.`,
  });
}

/** Why labels are not learned, of the first few. */
function lacksOf(recordings: Recordings, profile: Profile): string {
  const lacks = [...labelWindows(recordings, profile)].flatMap(([label, { lack }]) =>
    lack === undefined ? [] : [`${label}: ${lack}.`],
  );
  return lacks.slice(0, MOST_LACKS).join(" ");
}

function sameNames(classes: readonly string[]): Pick<Profile, "classes" | "labelClass"> {
  return { classes, labelClass: Object.fromEntries(classes.map((name) => [name, name])) };
}
