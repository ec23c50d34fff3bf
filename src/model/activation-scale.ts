/**
 * Chooses what one step of an int8 activation is worth, from values seen in calibration.
 *
 * `max` never saturates what was seen; `percentile` lets the rarest values saturate; `mse` takes the
 * range with the least mean square error over saturation and rounding together (as TensorRT and
 * PyTorch's histogram observer do).
 */

export type RangeRule =
  | { readonly kind: "max" }
  /** 0..100: that share of the values other than zero is left in range. */
  | { readonly kind: "percentile"; readonly percent: number }
  | { readonly kind: "mse" };

const BINS = 4096;
const INT8_MAX = 127;

/** A positive scale; 1 where every value is zero. Negative values count by their magnitude. */
export function activationScale(batches: readonly Float64Array[], rule: RangeRule): number {
  let peak = 0;
  for (const values of batches) {
    for (const value of values) peak = Math.max(peak, Math.abs(value));
  }
  if (peak === 0) return 1;
  if (rule.kind === "max") return peak / INT8_MAX;
  const histogram = histogramOf(batches, peak);
  const range =
    rule.kind === "percentile"
      ? percentileRange(histogram, peak, rule.percent)
      : leastErrorRange(histogram, peak);
  return range / INT8_MAX;
}

/** Zeros are left out: ReLU makes so many of them that they would hide the rest. */
function histogramOf(batches: readonly Float64Array[], peak: number): Float64Array {
  const histogram = new Float64Array(BINS);
  for (const values of batches) {
    for (const value of values) {
      if (value === 0) continue;
      const bin = Math.min(BINS - 1, Math.floor((Math.abs(value) / peak) * BINS));
      histogram[bin] = (histogram[bin] as number) + 1;
    }
  }
  return histogram;
}

function percentileRange(histogram: Float64Array, peak: number, percent: number): number {
  const total = histogram.reduce((sum, count) => sum + count, 0);
  let seen = 0;
  for (let bin = 0; bin < BINS; bin++) {
    seen += histogram[bin] as number;
    if (seen >= (total * percent) / 100) return ((bin + 1) / BINS) * peak;
  }
  return peak;
}

function leastErrorRange(histogram: Float64Array, peak: number): number {
  let best = { range: peak, error: Number.POSITIVE_INFINITY };
  for (let share = 100; share >= 20; share -= 2) {
    const range = (peak * share) / 100;
    const scale = range / INT8_MAX;
    let error = 0;
    for (let bin = 0; bin < BINS; bin++) {
      const value = ((bin + 0.5) / BINS) * peak;
      const kept = Math.min(INT8_MAX, Math.round(value / scale)) * scale;
      error += (histogram[bin] as number) * (value - kept) ** 2;
    }
    if (error < best.error) best = { range, error };
  }
  return best.range;
}
