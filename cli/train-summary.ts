/** What a training is about to learn, said before it takes its minutes: classes, and what is left out. */

import { EdgeError } from "../src/assert.ts";
import type { Profile } from "../src/signal/profile.ts";
import { labelWindows } from "../src/signal/profiles.ts";
import type { Recordings } from "../src/signal/recordings.ts";
import { subjectsOf } from "../src/signal/splits.ts";
import type { WindowSet } from "../src/signal/window-set.ts";

/** A class with fewer windows, or of fewer subjects, is worth a warning. */
const FEW_WINDOWS = 100;
const FEW_SUBJECTS = 3;

/** Lines for people. */
export function trainingSummary(
  recordings: Recordings,
  profile: Profile,
  windows: WindowSet,
): readonly string[] {
  const subjects = subjectsOf(windows);
  const seconds = (profile.windowSamples / profile.rateHz).toPrecision(3);
  const lines = [
    `${windows.count} windows of ${seconds} s at ${profile.rateHz} Hz, of ${plural(subjects.length, "subject")}`,
  ];
  profile.classes.forEach((name, c) => {
    const own = windows.subjects.filter((_, w) => windows.labels[w] === c);
    const whose = new Set(own).size;
    const isFew = own.length < FEW_WINDOWS || whose < Math.min(FEW_SUBJECTS, subjects.length);
    const warning = isFew ? ": few to learn from" : "";
    lines.push(`  ${name}: ${own.length} windows of ${plural(whose, "subject")}${warning}`);
  });
  for (const [label, { lack }] of labelWindows(recordings, profile)) {
    if (profile.labelClass[label] !== undefined) continue;
    lines.push(`  label ${label} is left out: ${lack ?? "the profile has no class for it"}`);
  }
  if (subjects.length === 1) {
    lines.push(
      "One subject alone: nothing says how another would fare, and the gate is calibrated on it.",
    );
  }
  return lines;
}

/**
 * The recordings of those who are learned from.
 *
 * @param heldOut subjects that nothing is learned from
 * @throws EdgeError `unknown-subject`, `too-few-subjects`
 */
export function learnersOf(recordings: Recordings, heldOut: readonly string[]): Recordings {
  if (heldOut.length === 0) return recordings;
  const unknown = heldOut.filter((subject) => !recordings.subjects.includes(subject));
  const left = recordings.subjects.filter((subject) => !heldOut.includes(subject));
  if (unknown.length > 0 || left.length === 0) {
    throw new EdgeError({
      code: unknown.length > 0 ? "unknown-subject" : "too-few-subjects",
      message:
        unknown.length > 0
          ? `there is no subject ${unknown.join(", ")}`
          : "nobody is left to learn from",
      where: "--hold-out",
      hint: `Subjects: ${recordings.subjects.join(", ")}.`,
    });
  }
  return {
    ...recordings,
    subjects: left,
    segments: recordings.segments.filter(({ subject }) => left.includes(subject)),
  };
}

function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
