/**
 * Raw statistics of one window: mean and standard deviation per axis, whole int8 steps.
 *
 * They say how the node hangs and how much it moves, whatever the student thinks: bursts are made
 * diverse by them, since a student that is wrong cannot choose what it should learn from.
 */

/** Twice as many as axes: the means, then the standard deviations, in int8 steps. */
export type WindowStatistics = readonly number[];

/** Of an int8 window `[time][channel]`; division truncates towards zero, the root rounds down. */
export function windowStatistics(window: Int8Array, channels: number): WindowStatistics {
  const samples = Math.trunc(window.length / channels);
  const means: number[] = [];
  const deviations: number[] = [];
  for (let channel = 0; channel < channels; channel++) {
    let sum = 0;
    let squares = 0;
    for (let time = 0; time < samples; time++) {
      const value = window[time * channels + channel] as number;
      sum += value;
      squares += value * value;
    }
    means.push(Math.trunc(sum / samples));
    // n * sum of squares - sum^2 stays under 2^31 for windows of up to 364 samples of full scale,
    // and is exact in a double far beyond; C needs 64 bits there.
    deviations.push(integerRoot(Math.trunc((samples * squares - sum * sum) / (samples * samples))));
  }
  return [...means, ...deviations];
}

/** Sum of absolute differences. */
export function statisticsDistance(a: WindowStatistics, b: WindowStatistics): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs((a[i] as number) - (b[i] as number));
  return sum;
}

/** The largest whole number whose square is at most `value`; bit by bit, as firmware does it. */
function integerRoot(value: number): number {
  let root = 0;
  for (let bit = 1 << 15; bit > 0; bit >>= 1) {
    if ((root + bit) * (root + bit) <= value) root += bit;
  }
  return root;
}
