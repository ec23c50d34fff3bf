/** The profiles that ship, and a sensible one for recordings that nobody has seen before. */

import { EdgeError } from "../assert.ts";
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
const LEAST_WINDOW_SAMPLES = 16;
/** A label is learnable with this many whole windows, and per subject that counts for it. */
const LEAST_WINDOWS = 20;
const LEAST_WINDOWS_PER_SUBJECT = 4;

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
  const base = knownProfile(recordings) ?? derivedProfile(recordings, overrides);
  const classes =
    overrides.classes ??
    (overrides.labelClass ? [...new Set(Object.values(overrides.labelClass))] : base.classes);
  const profile = { ...base, ...overrides, classes };
  checkProfile(profile, recordings);
  return profile;
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
  const labels = overrides.labelClass
    ? []
    : learnableLabels(recordings, rateHz, windowSamples, hopSamples);
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

/** About five seconds, an even number, and short enough that three segments in four yield one. */
function derivedWindow(recordings: Recordings, rateHz: number): number {
  const lengths = recordings.segments
    .map((segment) => resampledCount(segment.length, recordings.rateHz, rateHz))
    .sort((a, b) => a - b);
  const quarter = lengths[Math.floor(lengths.length / 4)] ?? 0;
  const samples = Math.min(Math.round(WINDOW_SECONDS * rateHz), quarter);
  return Math.max(LEAST_WINDOW_SAMPLES, samples - (samples % 2));
}

/** Labels with enough windows, in at least two subjects where there are two. */
function learnableLabels(
  recordings: Recordings,
  rateHz: number,
  windowSamples: number,
  hopSamples: number,
): readonly string[] {
  const windows = new Map<string, Map<string, number>>();
  for (const segment of recordings.segments) {
    const rows = resampledCount(segment.length, recordings.rateHz, rateHz);
    const count = Math.max(0, Math.floor((rows - windowSamples) / hopSamples) + 1);
    const bySubject = windows.get(segment.label) ?? new Map<string, number>();
    bySubject.set(segment.subject, (bySubject.get(segment.subject) ?? 0) + count);
    windows.set(segment.label, bySubject);
  }
  const subjectsNeeded = Math.min(2, recordings.subjects.length);
  return recordings.labels.filter((label) => {
    const counts = [...(windows.get(label)?.values() ?? [])];
    const total = counts.reduce((sum, count) => sum + count, 0);
    const subjects = counts.filter((count) => count >= LEAST_WINDOWS_PER_SUBJECT).length;
    return total >= LEAST_WINDOWS && subjects >= subjectsNeeded;
  });
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
    hint: `Map labels to classes in the configuration; recorded labels: ${recordings.labels.join(", ")}.`,
  });
}

function sameNames(classes: readonly string[]): Pick<Profile, "classes" | "labelClass"> {
  return { classes, labelClass: Object.fromEntries(classes.map((name) => [name, name])) };
}
