/**
 * Resampling by a windowed sinc: one rule for going down (with the anti-alias filter that the lower
 * rate needs) and for going up.
 *
 * Each output sample is the sum of the inputs round its moment, weighted by a sinc that is cut at
 * the lower of the two Nyquist rates and tapered by a Kaiser window (J. O. Smith, "Digital Audio
 * Resampling", 1984-2020). Weights are normalised to a sum of one for each output, so that a resting
 * collar's gravity passes unchanged, also at the ends, where inputs are missing on one side.
 */

import { assert } from "../assert.ts";

/** Zero crossings of the sinc on each side. More is sharper and slower. */
const ZERO_CROSSINGS = 8;
/** Kaiser's beta: 6 puts the side lobes about 63 dB down. */
const KAISER_BETA = 6;
/** The pass band ends a little below Nyquist, so that the transition band does not fold back. */
const ROLL_OFF = 0.9;

/** How many samples come out of `count` samples: those whose moment is not after the last input. */
export function resampledCount(count: number, fromHz: number, toHz: number): number {
  if (count === 0) return 0;
  const { up, down } = ratio(fromHz, toHz);
  return Math.floor(((count - 1) * up) / down) + 1;
}

/** Inputs on either side of an output's moment that it depends on, at most. */
export function resampleReach(fromHz: number, toHz: number): number {
  const { up, down } = ratio(fromHz, toHz);
  return up === down ? 0 : halfLength(reachOf(cutoffOf(up, down)));
}

/**
 * @param samples `[time][channel]`
 * @returns `[time][channel]` at `toHz`; the first output is at the moment of the first input
 */
export function resample(
  samples: Int16Array | Float32Array,
  channels: number,
  fromHz: number,
  toHz: number,
): Float32Array {
  assert(samples.length % channels === 0, "samples are whole rows");
  const outCount = resampledCount(samples.length / channels, fromHz, toHz);
  return createResampler(channels, fromHz, toHz)(samples, 0, outCount);
}

/** The outputs from number `first` on and before `end` that `resample` makes of these samples. */
export type Resampler = (
  samples: Int16Array | Float32Array,
  first: number,
  end: number,
) => Float32Array;

/** Keeps the weights of each phase, which cost more than the sums, from one call to the next. */
export function createResampler(channels: number, fromHz: number, toHz: number): Resampler {
  const { up, down } = ratio(fromHz, toHz);
  if (up === down) {
    return (samples, first, end) =>
      Float32Array.from(samples.subarray(first * channels, end * channels));
  }
  const cutoff = cutoffOf(up, down);
  const reach = reachOf(cutoff);
  const kernels = new Map<number, Float64Array>();
  const sums = new Float64Array(channels);
  return (samples, first, end) => {
    const inCount = samples.length / channels;
    const out = new Float32Array((end - first) * channels);
    for (let i = first; i < end; i++) {
      // The moment is `i * down / up` in input samples: whole part and phase, exact in integers.
      const whole = Math.floor((i * down) / up);
      const phase = i * down - whole * up;
      let kernel = kernels.get(phase);
      if (kernel === undefined) {
        kernel = sincKernel(phase / up, cutoff, reach);
        kernels.set(phase, kernel);
      }
      const start = whole - Math.floor(kernel.length / 2) + 1;
      sums.fill(0);
      let weightSum = 0;
      for (let k = Math.max(0, -start); k < kernel.length && start + k < inCount; k++) {
        const weight = kernel[k] as number;
        weightSum += weight;
        const at = (start + k) * channels;
        for (let c = 0; c < channels; c++) {
          sums[c] = (sums[c] as number) + weight * (samples[at + c] as number);
        }
      }
      const to = (i - first) * channels;
      for (let c = 0; c < channels; c++) out[to + c] = (sums[c] as number) / weightSum;
    }
    return out;
  };
}

/** Weights for inputs `whole - half + 1 .. whole + half`, seen from `whole + fraction`. */
function sincKernel(fraction: number, cutoff: number, reach: number): Float64Array {
  const half = halfLength(reach);
  const kernel = new Float64Array(half * 2);
  for (let k = 0; k < kernel.length; k++) {
    const distance = k - half + 1 - fraction;
    if (Math.abs(distance) >= reach) continue;
    const angle = Math.PI * distance * cutoff;
    const sinc = angle === 0 ? 1 : Math.sin(angle) / angle;
    const along = distance / reach;
    kernel[k] = (sinc * besselI0(KAISER_BETA * Math.sqrt(1 - along * along))) / KAISER_SUM;
  }
  return kernel;
}

/** As a share of the input's Nyquist rate. */
function cutoffOf(up: number, down: number): number {
  return Math.min(1, up / down) * ROLL_OFF;
}

function reachOf(cutoff: number): number {
  return ZERO_CROSSINGS / cutoff;
}

function halfLength(reach: number): number {
  return Math.ceil(reach) + 1;
}

const KAISER_SUM = besselI0(KAISER_BETA);

/** The modified Bessel function of the first kind, order 0, by its power series. */
function besselI0(x: number): number {
  let sum = 1;
  let term = 1;
  for (let k = 1; k < 40; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

/** `up / down = toHz / fromHz` in lowest terms, rates taken to a hundredth of a hertz. */
export function ratio(
  fromHz: number,
  toHz: number,
): { readonly up: number; readonly down: number } {
  const up = Math.round(toHz * 100);
  const down = Math.round(fromHz * 100);
  assert(up > 0 && down > 0, "rates are at least 0.01 Hz");
  const divisor = greatestCommonDivisor(up, down);
  return { up: up / divisor, down: down / divisor };
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
