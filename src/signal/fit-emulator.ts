/**
 * Fits the emulator's parameters from labelled recordings: one individual per subject, for each of
 * its behaviours a few states found by clustering short pieces, and the chain between them.
 *
 * Only parameters leave this file. A state is made from many pieces, never from one, so that no
 * recording can be played back from it.
 */

import { EdgeError } from "../assert.ts";
import { prng } from "../prng.ts";
import { kMeans } from "./cluster.ts";
import type { EmulatorBehaviour, EmulatorParameters } from "./emulator-parameters.ts";
import { fitState } from "./fit-state.ts";
import type { Profile } from "./profile.ts";
import { AXES, type Recordings, segmentSamples } from "./recordings.ts";
import { resample } from "./resample.ts";

export type FitEmulatorOptions = {
  /** Fit these subjects only; all when left out. */
  readonly subjects?: readonly string[];
  readonly seed?: number;
  readonly pieceSeconds?: number;
  readonly mostStates?: number;
  readonly piecesPerState?: number;
  readonly lags?: number;
};

/** States in all, shared by the individuals' behaviours: parameters are shipped and read by people. */
const STATES_IN_ALL = 120;
const FEWEST_STATES = 3;
const MOST_STATES = 8;

/** Differences below these do not make two pieces different: milli-g, and log strength. */
const MEAN_SCALE_FLOOR = 40;
const STRENGTH_SCALE_FLOOR = 0.25;

/** @throws EdgeError `emulator-data` when no subject shows any behaviour of the profile */
export function fitEmulator(
  recordings: Recordings,
  profile: Profile,
  options: FitEmulatorOptions = {},
): EmulatorParameters {
  const { subjects = recordings.subjects, seed = 1 } = options;
  const pieceSamples = Math.round((options.pieceSeconds ?? 2) * profile.rateHz);
  const bouts = boutsOf(recordings, profile, subjects);
  const perBehaviour = Math.round(STATES_IN_ALL / distinctBehaviours(bouts));
  const mostStates =
    options.mostStates ?? Math.max(FEWEST_STATES, Math.min(MOST_STATES, perBehaviour));
  const individuals = subjects
    .map((subject) => ({
      behaviours: profile.classes.map((name) => {
        const own = bouts.filter((bout) => bout.subject === subject && bout.className === name);
        const random = `${seed} ${subject} ${name}`;
        return fitBehaviour(
          own.map((bout) => bout.rows),
          pieceSamples,
          profile.rateHz,
          random,
          { ...options, mostStates },
        );
      }),
    }))
    .filter((individual) => individual.behaviours.some((behaviour) => behaviour !== null));
  if (individuals.length === 0) {
    throw new EdgeError({
      code: "emulator-data",
      message: `no subject has a bout of ${pieceSamples * 2} samples of any class of the profile`,
      where: `recordings ${recordings.name}, profile ${profile.name}`,
      hint: "Record longer bouts, or map the recorded labels to the profile's classes.",
    });
  }
  return {
    format: "bellwether-emulator-1",
    profile: profile.name,
    rateHz: profile.rateHz,
    pieceSamples,
    classes: [...profile.classes],
    bouts: profile.classes.map((name) =>
      boutLengths(bouts.filter((bout) => bout.className === name).map(secondsOf(profile.rateHz))),
    ),
    individuals,
    madeFrom: { recordings: recordings.name, subjects: individuals.length, seed },
  };
}

type Bout = { readonly subject: string; readonly className: string; readonly rows: Float64Array };

function boutsOf(
  recordings: Recordings,
  profile: Profile,
  subjects: readonly string[],
): readonly Bout[] {
  return recordings.segments.flatMap((segment) => {
    const className = profile.labelClass[segment.label];
    if (className === undefined || !subjects.includes(segment.subject)) return [];
    const samples = segmentSamples(recordings, segment);
    const rows = Float64Array.from(resample(samples, AXES, recordings.rateHz, profile.rateHz));
    return [{ subject: segment.subject, className, rows }];
  });
}

/** Pairs of a subject and a behaviour. */
function distinctBehaviours(bouts: readonly Bout[]): number {
  return Math.max(1, new Set(bouts.map((bout) => `${bout.subject}\n${bout.className}`)).size);
}

function secondsOf(rateHz: number): (bout: Bout) => number {
  return (bout) => bout.rows.length / AXES / rateHz;
}

function boutLengths(seconds: readonly number[]): EmulatorParameters["bouts"][number] {
  if (seconds.length === 0) return { logSeconds: 0, logSecondsSpread: 0, share: 0 };
  const logs = seconds.map((value) => Math.log(value));
  const logSeconds = logs.reduce((sum, log) => sum + log, 0) / logs.length;
  const variance = logs.reduce((sum, log) => sum + (log - logSeconds) ** 2, 0) / logs.length;
  return rounded({
    logSeconds,
    logSecondsSpread: Math.sqrt(variance),
    share: seconds.length,
  });
}

function fitBehaviour(
  bouts: readonly Float64Array[],
  pieceSamples: number,
  rateHz: number,
  randomName: string,
  options: FitEmulatorOptions & { readonly mostStates: number },
): EmulatorBehaviour | null {
  const { mostStates, piecesPerState = 8, lags = 4 } = options;
  const pieceValues = pieceSamples * AXES;
  const long = bouts.filter((bout) => bout.length >= pieceValues);
  const pieces = long.flatMap((rows, bout) =>
    Array.from({ length: Math.floor(rows.length / pieceValues) }, (_, p) => ({
      bout,
      rows: rows.subarray(p * pieceValues, (p + 1) * pieceValues),
    })),
  );
  if (pieces.length < 2) return null;
  const wanted = Math.max(1, Math.min(mostStates, Math.floor(pieces.length / piecesPerState)));
  const features = pieceFeatures(pieces.map((piece) => piece.rows));
  const states = kMeans(features, FEATURES, wanted, prng(1, randomName));
  const count = states.reduce((most, state) => Math.max(most, state), 0) + 1;
  const boutOfPiece = pieces.map((piece) => piece.bout);
  const visits = visitsByState(long, states, boutOfPiece, pieceValues, count);
  return rounded({
    states: visits.map((own) => fitState(own, { rateHz, lags })),
    start: shares(states, count),
    next: chain(states, boutOfPiece, count),
  });
}

const FEATURES = 6;

/** Mean and log deviation per axis, scaled so that a unit is a difference worth a state. */
function pieceFeatures(pieces: readonly Float64Array[]): Float64Array {
  const features = new Float64Array(pieces.length * FEATURES);
  pieces.forEach((rows, p) => {
    const count = rows.length / AXES;
    for (let axis = 0; axis < AXES; axis++) {
      let sum = 0;
      let squares = 0;
      for (let at = axis; at < rows.length; at += AXES) {
        sum += rows[at] as number;
        squares += (rows[at] as number) ** 2;
      }
      const mean = sum / count;
      features[p * FEATURES + axis] = mean;
      features[p * FEATURES + AXES + axis] =
        0.5 * Math.log(Math.max(0, squares / count - mean * mean) + 9);
    }
  });
  for (let k = 0; k < FEATURES; k++) {
    const floor = k < AXES ? MEAN_SCALE_FLOOR : STRENGTH_SCALE_FLOOR;
    scaleColumn(features, k, floor);
  }
  return features;
}

function scaleColumn(features: Float64Array, column: number, floor: number): void {
  const values = features.filter((_, i) => i % FEATURES === column);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const scale = Math.max(floor, Math.sqrt(variance));
  for (let i = column; i < features.length; i += FEATURES) {
    features[i] = (features[i] as number) / scale;
  }
}

/** Joins neighbouring pieces of one state and bout into visits. */
function visitsByState(
  bouts: readonly Float64Array[],
  states: Int32Array,
  boutOfPiece: readonly number[],
  pieceValues: number,
  count: number,
): readonly Float64Array[][] {
  const visits: Float64Array[][] = Array.from({ length: count }, () => []);
  let from = 0;
  let boutStart = 0;
  states.forEach((state, p) => {
    const bout = boutOfPiece[p] ?? 0;
    if (boutOfPiece[p - 1] !== bout) boutStart = p;
    if (boutOfPiece[p - 1] !== bout || states[p - 1] !== state) from = p;
    const ends = boutOfPiece[p + 1] !== bout || states[p + 1] !== state;
    if (!ends) return;
    const rows = bouts[bout]?.subarray(
      (from - boutStart) * pieceValues,
      (p + 1 - boutStart) * pieceValues,
    );
    if (rows !== undefined) visits[state]?.push(rows);
  });
  return visits;
}

function shares(states: Int32Array, count: number): number[] {
  return Array.from(
    { length: count },
    (_, state) => states.filter((own) => own === state).length / states.length,
  );
}

/** Transition shares inside bouts, with a little of the overall shares so that no state is a trap. */
function chain(states: Int32Array, boutOfPiece: readonly number[], count: number): number[][] {
  const overall = shares(states, count);
  const rows = overall.map(() => overall.map((share) => 0.5 * share));
  states.forEach((state, p) => {
    const next = states[p + 1];
    if (next === undefined || boutOfPiece[p + 1] !== boutOfPiece[p]) return;
    const row = rows[state];
    if (row !== undefined) row[next] = (row[next] ?? 0) + 1;
  });
  return rows.map((row) => {
    const total = row.reduce((sum, value) => sum + value, 0);
    return row.map((value) => value / total);
  });
}

/** Four significant digits are far finer than what one more recording would change. */
function rounded<T>(value: T): T {
  return JSON.parse(
    JSON.stringify(value, (_, part: unknown) =>
      typeof part === "number" ? Number(part.toPrecision(4)) : part,
    ),
  ) as T;
}
