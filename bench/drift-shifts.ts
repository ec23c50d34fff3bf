/**
 * What happens to a collar in the drift benchmark, each as recordings that a node would have made:
 * turned, rattling, an axis that sticks, a chip at another rate. A slow slip is a list of stages,
 * each a little further on than the one before.
 */
import { EdgeError } from "../src/assert.ts";
import { type Fault, faultyRecordings } from "../src/signal/faults.ts";
import type { Recordings } from "../src/signal/recordings.ts";
import { parseTurn, turnRecordings } from "../src/signal/turn.ts";
import { pickWindows, type WindowSet } from "../src/signal/window-set.ts";

const AXES = ["x", "y", "z"] as const;
const DEGREES = [20, 45, 90, 180] as const;
/** White noise on every axis, milli-g: a loose clasp, and one that rattles. */
const NOISES = [50, 150, 400] as const;
const RATE_FACTORS = [0.5, 0.8, 1.25, 2] as const;
/** A slip goes on by so much with each bout, and stays at the end. */
const SLIP_STEP_DEGREES = 5;
const SLIP_END_DEGREES = 90;

export const TURNS: readonly string[] = AXES.flatMap((axis) =>
  DEGREES.map((degrees) => `${axis}${degrees}`),
);
export const SLIPS: readonly string[] = AXES.map((axis) => `slip-${axis}`);
export const FAULTS: readonly string[] = [
  ...NOISES.map((deviation) => `noise-${deviation}`),
  ...AXES.map((axis) => `stuck-${axis}`),
  // Every axis holds what it read first.
  "stuck-xyz",
  ...RATE_FACTORS.map((factor) => `rate-${factor}`),
];

/** What the collar reads from one bout to the next; the last stage lasts. One stage where it is
 * sudden. Throws `bad-turn` for what is none of the above and no turn. */
export function shiftStages(
  recordings: Recordings,
  name: string,
  seed: number,
): readonly Recordings[] {
  const [kind, value = ""] = name.split("-");
  switch (kind) {
    case "slip":
      return Array.from({ length: SLIP_END_DEGREES / SLIP_STEP_DEGREES }, (_, stage) =>
        turnRecordings(recordings, parseTurn(`${value}${(stage + 1) * SLIP_STEP_DEGREES}`)),
      );
    case "noise":
    case "stuck":
    case "rate":
      return [faultyRecordings(recordings, faultsOf(kind, value), seed)];
    default:
      return [turnRecordings(recordings, parseTurn(name))];
  }
}

/** How many times as fast as it says the sensor runs. */
export function rateFactorOf(name: string): number {
  const [kind, value] = name.split("-");
  return kind === "rate" ? Number(value) : 1;
}

function faultsOf(kind: "noise" | "stuck" | "rate", value: string): Fault[] {
  const number = Number(value);
  switch (kind) {
    case "noise":
      return [{ kind, milligDeviation: number, fromSample: 0 }];
    case "rate":
      return [{ kind: "wrong-rate", factor: number }];
    case "stuck":
      return value.split("").map((name) => {
        const axis = AXES.map(String).indexOf(name);
        if (axis !== 0 && axis !== 1 && axis !== 2) {
          throw new EdgeError({
            code: "usage",
            message: `stuck-${value}`,
            where: "bench drift",
            hint: "Name an axis: stuck-x, stuck-y or stuck-z.",
          });
        }
        // Sticks at what it read first, which is as likely as anything.
        return { kind: "stuck-axis", axis, fromSample: 1, toSample: Number.POSITIVE_INFINITY };
      });
  }
}

/** The number of its segment in place of each subject, by which windows are found again: at another
 * rate a segment has other windows, or none. */
export function numberedBySegment(recordings: Recordings): Recordings {
  const segments = recordings.segments.map((segment, i) => ({ ...segment, subject: String(i) }));
  return { ...recordings, segments, subjects: segments.map(({ subject }) => subject) };
}

/** Which part of each segment windows come from, from 0 to 1. */
export type Stretches = ReadonlyMap<string, { readonly from: number; readonly to: number }>;

/** @param chosen of `windows`; those of one segment follow each other */
export function stretchesOf(windows: WindowSet, chosen: readonly number[]): Stretches {
  const places = placesOf(windows);
  const stretches = new Map<string, { from: number; to: number }>();
  for (const index of chosen) {
    const segment = windows.subjects[index] as string;
    const { at, half } = places[index] as Place;
    const { from, to } = stretches.get(segment) ?? { from: 1, to: 0 };
    stretches.set(segment, { from: Math.min(from, at - half), to: Math.max(to, at + half) });
  }
  return stretches;
}

export function windowsWithin(windows: WindowSet, stretches: Stretches): WindowSet {
  const kept = placesOf(windows).flatMap(({ at }, i) => {
    const stretch = stretches.get(windows.subjects[i] as string);
    return stretch !== undefined && at > stretch.from && at < stretch.to ? [i] : [];
  });
  return pickWindows(windows, kept);
}

/** The middle of a window's share of its segment, and half of that share. */
type Place = { readonly at: number; readonly half: number };

function placesOf({ subjects }: WindowSet): Place[] {
  const counts = new Map<string, number>();
  for (const subject of subjects) counts.set(subject, (counts.get(subject) ?? 0) + 1);
  const seen = new Map<string, number>();
  return subjects.map((subject) => {
    const before = seen.get(subject) ?? 0;
    seen.set(subject, before + 1);
    const half = 0.5 / Number(counts.get(subject));
    return { at: (2 * before + 1) * half, half };
  });
}
