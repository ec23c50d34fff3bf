/**
 * Windows as they could also have been recorded: the collar turned, shifted, shaken, interrupted.
 *
 * A collar that slides round a neck, or a phone that goes into a pocket upside down, changes what the
 * sensor sees and nothing about the behaviour. Training on turned copies costs nothing on known
 * orientations and removes the shift on turned ones; full random rotation costs accuracy and is
 * therefore not the default of any profile. Results are rounded to int8 steps and saturate, since a
 * node cannot have anything else.
 */
import { assert } from "../assert.ts";
import { below, chance, normal, type Prng, uniform } from "../prng.ts";
import { multiply, NO_TURN, type Rotation, turnAbout } from "./turn.ts";

export type Augmentation = {
  /** `flips`: the signs of x and y, independently. `vertical`: any angle about z, or flips, at equal
   * chance. `any`: any rotation at all. */
  readonly turn: "none" | "flips" | "vertical" | "any";
  /** A small rotation about a random axis; standard deviation in degrees. */
  readonly tiltDegrees: number;
  /** Standard deviation of the factor on all axes, around 1. */
  readonly scale: number;
  /** Standard deviation of white noise, in milli-g. */
  readonly noiseMilliG: number;
  /** Up to this many samples earlier or later; the end that opens is mirrored. */
  readonly shiftSamples: number;
  /** Standard deviation of the logarithm of the tempo: others walk faster. */
  readonly stretch: number;
  /** Chance that a run of samples on one axis holds its first value (a stuck sensor). */
  readonly removal: number;
};

/** Windows as they are. */
export const NO_AUGMENTATION: Augmentation = {
  turn: "none",
  tiltDegrees: 0,
  scale: 0,
  noiseMilliG: 0,
  shiftSamples: 0,
  stretch: 0,
  removal: 0,
};

/** Of the sum of four uniform bytes. */
const BYTE_SUM_MEAN = 2 * 255;
const BYTE_SUM_DEVIATION = Math.sqrt((4 * (256 ** 2 - 1)) / 12);

/**
 * Writes one augmented view of a window.
 *
 * `samples` is `[time][channel]` in int8 steps of `milliGPerStep`; `out` takes as many floats in g
 * from `offset` on. Rotations need three channels.
 */
export function augmentWindow(
  samples: Int8Array,
  shape: { readonly channels: number; readonly milliGPerStep: number },
  augmentation: Augmentation,
  random: Prng,
  out: Float32Array,
  offset: number,
): void {
  const { channels, milliGPerStep } = shape;
  const time = samples.length / channels;
  const shift =
    augmentation.shiftSamples === 0
      ? 0
      : below(random, 2 * augmentation.shiftSamples + 1) - augmentation.shiftSamples;
  const tempo = augmentation.stretch === 0 ? 1 : Math.exp(augmentation.stretch * normal(random));
  const rotation = drawRotation(augmentation, random);
  const factor =
    augmentation.scale === 0 ? 1 : Math.max(0.1, 1 + augmentation.scale * normal(random));
  if (tempo === 1) {
    for (let t = 0; t < time; t++) {
      const from = mirrored(t + shift, time) * channels;
      for (let c = 0; c < channels; c++) {
        out[offset + t * channels + c] = factor * (samples[from + c] as number);
      }
    }
  } else stretchInto(samples, channels, { tempo, shift, factor }, out, offset);
  if (rotation !== NO_TURN) {
    assert(channels === 3, "only three axes can be turned");
    rotateInPlace(out, offset, samples.length, rotation);
  }
  if (augmentation.noiseMilliG > 0) {
    addNoise(out, offset, samples.length, augmentation.noiseMilliG / milliGPerStep, random);
  }
  if (augmentation.removal > 0 && chance(random, augmentation.removal)) {
    holdRun(out, offset, time, channels, random);
  }
  const gPerStep = milliGPerStep / 1000;
  for (let i = offset; i < offset + samples.length; i++) {
    out[i] = gPerStep * Math.max(-127, Math.min(127, Math.round(out[i] as number)));
  }
}

/** One augmented view of a window in int8 steps, as a node would have sent it. */
export function augmentedSteps(
  samples: Int8Array,
  shape: { readonly channels: number; readonly milliGPerStep: number },
  augmentation: Augmentation,
  random: Prng,
): Int8Array {
  const view = new Float32Array(samples.length);
  augmentWindow(samples, shape, augmentation, random, view, 0);
  return Int8Array.from(view, (g) =>
    Math.max(-127, Math.min(127, Math.round((g * 1000) / shape.milliGPerStep))),
  );
}

/** The rotation of one view: a turn of the collar, then a small tilt. */
export function drawRotation(
  augmentation: Pick<Augmentation, "turn" | "tiltDegrees">,
  random: Prng,
): Rotation {
  const turn = drawTurn(augmentation.turn, random);
  if (augmentation.tiltDegrees === 0) return turn;
  const tilt = turnAbout(drawAxis(random), augmentation.tiltDegrees * normal(random));
  return multiply(tilt, turn);
}

function drawTurn(turn: Augmentation["turn"], random: Prng): Rotation {
  switch (turn) {
    case "none":
      return NO_TURN;
    case "flips":
      return drawFlips(random);
    case "vertical":
      if (chance(random, 0.5)) return drawFlips(random);
      return turnAbout([0, 0, 1], uniform(random, 0, 360));
    case "any": {
      // A uniform rotation: about z, then z to a uniform direction.
      const spin = turnAbout([0, 0, 1], uniform(random, 0, 360));
      const lean = turnAbout([1, 0, 0], (Math.acos(uniform(random, -1, 1)) * 180) / Math.PI);
      return multiply(turnAbout([0, 0, 1], uniform(random, 0, 360)), multiply(lean, spin));
    }
  }
}

function drawFlips(random: Prng): Rotation {
  const x = chance(random, 0.5) ? -1 : 1;
  const y = chance(random, 0.5) ? -1 : 1;
  return x === 1 && y === 1 ? NO_TURN : [x, 0, 0, 0, y, 0, 0, 0, 1];
}

function drawAxis(random: Prng): [number, number, number] {
  const z = uniform(random, -1, 1);
  const angle = uniform(random, 0, 2 * Math.PI);
  const radius = Math.sqrt(1 - z * z);
  return [radius * Math.cos(angle), radius * Math.sin(angle), z];
}

function rotateInPlace(
  out: Float32Array,
  offset: number,
  length: number,
  rotation: Rotation,
): void {
  const [a, b, c, d, e, f, g, h, i] = rotation as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  for (let at = offset; at < offset + length; at += 3) {
    const x = out[at] as number;
    const y = out[at + 1] as number;
    const z = out[at + 2] as number;
    out[at] = a * x + b * y + c * z;
    out[at + 1] = d * x + e * y + f * z;
    out[at + 2] = g * x + h * y + i * z;
  }
}

/** Faster or slower about the middle of the window, by linear interpolation. */
function stretchInto(
  samples: Int8Array,
  channels: number,
  { tempo, shift, factor }: { tempo: number; shift: number; factor: number },
  out: Float32Array,
  offset: number,
): void {
  const time = samples.length / channels;
  const middle = (time - 1) / 2;
  for (let t = 0; t < time; t++) {
    const at = middle + (t - middle) * tempo + shift;
    const whole = Math.floor(at);
    const part = at - whole;
    const from = mirrored(whole, time) * channels;
    const next = mirrored(whole + 1, time) * channels;
    for (let c = 0; c < channels; c++) {
      const value =
        (1 - part) * (samples[from + c] as number) + part * (samples[next + c] as number);
      out[offset + t * channels + c] = factor * value;
    }
  }
}

/** White noise whose values are sums of four bytes: normal enough up to three deviations (Irwin and
 * Hall), and several times cheaper than logarithms and cosines, which took a tenth of training. */
function addNoise(
  out: Float32Array,
  offset: number,
  length: number,
  deviation: number,
  random: Prng,
): void {
  const factor = deviation / BYTE_SUM_DEVIATION;
  for (let i = offset; i < offset + length; i++) {
    const bits = random.uint32();
    const sum = (bits & 255) + ((bits >>> 8) & 255) + ((bits >>> 16) & 255) + (bits >>> 24);
    out[i] = (out[i] as number) + factor * (sum - BYTE_SUM_MEAN);
  }
}

/** A run of up to a quarter of the window on one axis holds its first value. */
function holdRun(
  out: Float32Array,
  offset: number,
  time: number,
  channels: number,
  random: Prng,
): void {
  const length = 1 + below(random, Math.max(1, time >> 2));
  const start = below(random, time - length + 1);
  const channel = below(random, channels);
  const held = out[offset + start * channels + channel] as number;
  for (let t = start; t < start + length; t++) out[offset + t * channels + channel] = held;
}

/** Index into the window, mirrored at its ends as often as it takes. */
function mirrored(index: number, length: number): number {
  const period = 2 * length;
  const within = ((index % period) + period) % period;
  return within < length ? within : period - 1 - within;
}
