/**
 * An emulator of a wearable's signal: an endless stream of samples with the true behaviour of each,
 * from fitted parameters and one seed.
 *
 * It is for nodes where no recordings are at hand. It is not a simulation of an animal: what the
 * parameters (`emulator-parameters.ts`) do not say, for instance that cows rest after milking, it
 * does not know.
 */

import { assert } from "../assert.ts";
import { below, normal, type Prng, prng, uniform } from "../prng.ts";
import {
  type EmulatorBehaviour,
  type EmulatorParameters,
  type EmulatorState,
  MOST_LAGS,
} from "./emulator-parameters.ts";
import { AXES } from "./recordings.ts";
import { multiply, NO_TURN, type Rotation, toInt16, turnAbout } from "./turn.ts";

export type Emulated = {
  /** `[time][axis]`, milli-g */
  readonly samples: Int16Array;
  /** Class index per sample. */
  readonly classes: Uint8Array;
};

export type Emulator = {
  /** Samples a second. */
  readonly rateHz: number;
  readonly classes: readonly string[];
  /** The next samples; the stream does not depend on how it is cut into blocks. */
  next(count: number): Emulated;
  /** Starts a bout of this class now. @returns false when this individual never shows it */
  startBout(classIndex: number, lengthSamples: number): boolean;
};

export type EmulatorOptions = {
  readonly seed: number;
  /** Names the stream: nodes of one fleet share a seed and differ by name. */
  readonly name?: string;
  /** Which fitted individual; by chance when left out. */
  readonly individual?: number;
  /** How far this animal differs from the fitted individual: 0 is it itself, 1 the usual amount. */
  readonly variation?: number;
  /** Bouts last this many times as long as the recorded ones. */
  readonly boutScale?: number;
};

/** At variation 1: standard deviation of the tilt about each axis and of the log strength. */
const TILT_DEGREES = 6;
const STRENGTH_SPREAD = 0.1;

export function createEmulator(parameters: EmulatorParameters, options: EmulatorOptions): Emulator {
  const random = prng(options.seed, `emulator ${options.name ?? ""}`);
  const chosen = options.individual ?? below(random, parameters.individuals.length);
  const individual = parameters.individuals[chosen];
  assert(individual !== undefined, `individual ${chosen} of ${parameters.individuals.length}`);
  const variation = options.variation ?? 1;
  const strength = Math.exp(STRENGTH_SPREAD * variation * normal(random));
  const tilt = smallTilt(random, variation);
  const signal = new BehaviourSignal(parameters, random, strength);
  const bouts = new BoutChain(parameters, individual.behaviours, random, options.boutScale ?? 1);
  return {
    rateHz: parameters.rateHz,
    classes: parameters.classes,
    next(count) {
      const samples = new Int16Array(count * AXES);
      const classes = new Uint8Array(count);
      for (let i = 0; i < count; i++) {
        const { classIndex, starts } = bouts.step();
        const behaviour = individual.behaviours[classIndex];
        assert(behaviour !== null && behaviour !== undefined, "bouts are of behaviours it has");
        const value = signal.step(behaviour, starts);
        for (let axis = 0; axis < AXES; axis++) {
          let sum = 0;
          for (let k = 0; k < AXES; k++) {
            sum += (tilt[axis * AXES + k] as number) * (value[k] as number);
          }
          samples[i * AXES + axis] = toInt16(sum);
        }
        classes[i] = classIndex;
      }
      return { samples, classes };
    },
    startBout: (classIndex, lengthSamples) => bouts.start(classIndex, lengthSamples),
  };
}

/** The semi-Markov chain of bouts: log-normal lengths, the next class by its share of bouts. */
class BoutChain {
  readonly #parameters: EmulatorParameters;
  readonly #behaviours: readonly (EmulatorBehaviour | null)[];
  readonly #random: Prng;
  readonly #scale: number;
  #classIndex = -1;
  #left = 0;
  #starts = false;

  constructor(
    parameters: EmulatorParameters,
    behaviours: readonly (EmulatorBehaviour | null)[],
    random: Prng,
    scale: number,
  ) {
    this.#parameters = parameters;
    this.#behaviours = behaviours;
    this.#random = random;
    this.#scale = scale;
  }

  start(classIndex: number, lengthSamples: number): boolean {
    const behaviour = this.#behaviours[classIndex];
    if (behaviour === null || behaviour === undefined || lengthSamples < 1) return false;
    this.#classIndex = classIndex;
    this.#left = Math.round(lengthSamples);
    this.#starts = true;
    return true;
  }

  step(): { readonly classIndex: number; readonly starts: boolean } {
    if (this.#left === 0) this.#startNext();
    this.#left--;
    const starts = this.#starts;
    this.#starts = false;
    return { classIndex: this.#classIndex, starts };
  }

  #startNext(): void {
    const { bouts, rateHz } = this.#parameters;
    const shares = bouts.map((bout, c) =>
      this.#behaviours[c] === null || c === this.#classIndex ? 0 : bout.share,
    );
    const alone = shares.every((share) => share === 0);
    const classIndex = alone
      ? Math.max(
          0,
          this.#behaviours.findIndex((behaviour) => behaviour !== null),
        )
      : draw(this.#random, shares);
    const bout = bouts[classIndex];
    assert(bout !== undefined, "one entry per class");
    const log = bout.logSeconds + bout.logSecondsSpread * normal(this.#random);
    const samples = Math.max(1, Math.round(Math.exp(log) * this.#scale * rateHz));
    this.start(classIndex, samples);
  }
}

/** One visit to a state: its own mean and strength. */
type Visit = {
  readonly state: EmulatorState;
  readonly mean: readonly number[];
  readonly strength: number;
};

/** Some strides that are alike. */
type Strides = {
  /** Radians a sample. */
  readonly phaseStep: number;
  readonly harmonics: readonly (readonly number[])[];
};

/** A head moves from one posture to the next in about this time. */
const GLIDE_SECONDS = 0.4;
/** Strides change their form after this time. */
const STRIDES_SECONDS = 4;

/** The signal in milli-g of one behaviour after another, sample by sample. */
class BehaviourSignal {
  readonly #random: Prng;
  readonly #strength: number;
  readonly #rateHz: number;
  readonly #pieceSamples: number;
  readonly #glide: number;
  readonly #history: Float64Array[] = [];
  readonly #value = new Float64Array(AXES);
  #mean: number[] | null = null;
  #stateIndex = 0;
  #visit: Visit | null = null;
  #leftInPiece = 0;
  #strides: Strides | null = null;
  #leftOfStrides = 0;
  #phase: number;

  constructor(parameters: EmulatorParameters, random: Prng, strength: number) {
    this.#random = random;
    this.#strength = strength;
    this.#rateHz = parameters.rateHz;
    this.#pieceSamples = parameters.pieceSamples;
    this.#glide = 1 - Math.exp(-1 / (GLIDE_SECONDS * parameters.rateHz));
    this.#phase = uniform(random, 0, 2 * Math.PI);
  }

  /** @returns the value `[axis]`, valid until the next step */
  step(behaviour: EmulatorBehaviour, starts: boolean): Float64Array {
    const visit = this.#visitNow(behaviour, starts);
    const strides = this.#stridesNow(visit.state);
    const deviation = this.#nextDeviation(visit);
    this.#mean ??= [...visit.mean];
    for (let axis = 0; axis < AXES; axis++) {
      const before = this.#mean[axis] as number;
      const mean = before + this.#glide * ((visit.mean[axis] as number) - before);
      this.#mean[axis] = mean;
      const gait = strides === null ? 0 : this.#strength * this.#gait(strides, axis);
      this.#value[axis] = mean + (deviation[axis] as number) + gait;
    }
    if (strides !== null) {
      const wander = visit.state.gait?.phaseWander ?? 0;
      this.#phase += strides.phaseStep + (wander * normal(this.#random)) / Math.sqrt(this.#rateHz);
    }
    return this.#value;
  }

  #visitNow(behaviour: EmulatorBehaviour, starts: boolean): Visit {
    if (starts || this.#leftInPiece === 0) {
      const chances = starts ? behaviour.start : behaviour.next[this.#stateIndex];
      const next = draw(this.#random, chances ?? behaviour.start);
      if (starts || next !== this.#stateIndex) this.#visit = null;
      this.#stateIndex = next;
      this.#leftInPiece = this.#pieceSamples;
    }
    this.#leftInPiece--;
    if (this.#visit !== null) return this.#visit;
    const state = behaviour.states[this.#stateIndex];
    assert(state !== undefined, "the chain names states that exist");
    const mean = Float64Array.from(state.mean);
    this.#addDraw(mean, state.meanSpread, 1);
    const strength = this.#strength * Math.exp(state.strengthSpread * normal(this.#random));
    this.#leftOfStrides = 0;
    this.#visit = { state, mean: [...mean], strength };
    return this.#visit;
  }

  #stridesNow(state: EmulatorState): Strides | null {
    const { gait } = state;
    if (gait === undefined) return null;
    if (this.#strides === null || this.#leftOfStrides === 0) {
      const random = this.#random;
      const hertz = Math.exp(gait.logHertz + gait.logHertzSpread * normal(random));
      const harmonics = gait.harmonics.map((coefficients, h) =>
        coefficients.map((value) => value + (gait.harmonicSpread[h] ?? 0) * normal(random)),
      );
      this.#strides = { phaseStep: (2 * Math.PI * hertz) / this.#rateHz, harmonics };
      this.#leftOfStrides = Math.round(STRIDES_SECONDS * this.#rateHz);
    }
    this.#leftOfStrides--;
    return this.#strides;
  }

  /** One step of the autoregression about the mean. */
  #nextDeviation(visit: Visit): Float64Array {
    const { lags, innovation, tailDegrees } = visit.state;
    const deviation = new Float64Array(AXES);
    this.#addDraw(deviation, innovation, this.#innovationScale(visit.strength, tailDegrees));
    lags.forEach((lag, k) => {
      const past = this.#history[k];
      if (past === undefined) return;
      for (let row = 0; row < AXES; row++) {
        let sum = deviation[row] as number;
        for (let column = 0; column < AXES; column++) {
          sum += (lag[row * AXES + column] as number) * (past[column] as number);
        }
        deviation[row] = sum;
      }
    });
    this.#history.unshift(deviation);
    if (this.#history.length > MOST_LAGS) this.#history.length = MOST_LAGS;
    return deviation;
  }

  /** A t variable is a normal one over the root of a chi square; the variance stays the fitted one. */
  #innovationScale(strength: number, tailDegrees: number): number {
    if (tailDegrees === 0) return strength;
    return strength / Math.sqrt(chiSquare(this.#random, tailDegrees) / (tailDegrees - 2));
  }

  /** Adds normal numbers with the covariance whose Cholesky factor this is. */
  #addDraw(to: Float64Array, lower: readonly number[], scale: number): void {
    const draws = [normal(this.#random), normal(this.#random), normal(this.#random)];
    let at = 0;
    for (let row = 0; row < AXES; row++) {
      let sum = to[row] as number;
      for (let k = 0; k <= row; k++, at++) {
        sum += scale * (lower[at] as number) * (draws[k] as number);
      }
      to[row] = sum;
    }
  }

  #gait(strides: Strides, axis: number): number {
    let sum = 0;
    strides.harmonics.forEach((coefficients, h) => {
      const angle = this.#phase * (h + 1);
      sum +=
        (coefficients[axis * 2] as number) * Math.cos(angle) +
        (coefficients[axis * 2 + 1] as number) * Math.sin(angle);
    });
    return sum;
  }
}

/** An index by weights that are not all zero. */
function draw(random: Prng, weights: readonly number[]): number {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let left = uniform(random, 0, total);
  for (let i = 0; i < weights.length; i++) {
    left -= weights[i] as number;
    if (left < 0) return i;
  }
  return Math.max(
    0,
    weights.findLastIndex((weight) => weight > 0),
  );
}

/** Chi square as a gamma of half the degrees (Marsaglia and Tsang, 2000); degrees above 2. */
function chiSquare(random: Prng, degrees: number): number {
  const d = degrees / 2 - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = normal(random);
    const v = (1 + c * x) ** 3;
    if (v <= 0) continue;
    if (Math.log(1 - uniform(random)) < 0.5 * x * x + d - d * v + d * Math.log(v)) return 2 * d * v;
  }
}

/** Small normal angles about the three axes, one after the other. */
function smallTilt(random: Prng, variation: number): Rotation {
  let rotation = NO_TURN;
  for (const axis of [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ]) {
    rotation = multiply(turnAbout(axis, TILT_DEGREES * variation * normal(random)), rotation);
  }
  return rotation;
}
