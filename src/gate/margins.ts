/**
 * Probabilities without an exponential: tables of 2^-x and of log2, whole numbers throughout.
 *
 * The node needs them for one thing, the margin of the mean of its exits' probabilities. It refuses
 * to be a softmax: what it gives is good to about one part in four hundred, and the same bits
 * everywhere, since every step is an integer multiplication, a shift or a truncating division.
 */

import { CONFIDENCE_NODES, CONFIDENCE_STEP_Q8, ONE_Q15 } from "./gate-parameters.ts";
import type { ExitGate } from "./gate-parameters.ts";

/** `65535 * 2^(-i / 256)`, rounded. */
const EXP2_Q16 = Uint16Array.from({ length: 256 }, (_, i) => Math.round(65535 * 2 ** (-i / 256)));
/** `256 * log2(1 + i / 256)`, rounded. */
const LOG2_Q8 = Uint16Array.from({ length: 256 }, (_, i) =>
  Math.round(256 * Math.log2(1 + i / 256)),
);

/** `65535 * 2^(-i / 256)` for i in 0..255. */
export function exp2Q16(i: number): number {
  return EXP2_Q16[i] as number;
}

/** Probabilities of one exit, Q15, from its logits in Q8. Their sum is 32768 less rounding. */
export function exitProbabilities(exit: ExitGate, logits: Int16Array): Int32Array {
  let best = -0x8000;
  for (const logit of logits) best = Math.max(best, logit);
  const weights = new Int32Array(logits.length);
  let sum = 0;
  for (let c = 0; c < logits.length; c++) {
    // At most 65535 * 65535 before the shift: unsigned 32 bits on a microcontroller.
    const below = ((best - (logits[c] as number)) * exit.inverseTemperatureQ8) >>> 8;
    const whole = below >>> 8;
    const weight = whole > 16 ? 0 : (EXP2_Q16[below & 255] as number) >> whole;
    weights[c] = weight;
    sum += weight;
  }
  // 65535 * 32768 stays under 2^31.
  for (let c = 0; c < weights.length; c++) {
    weights[c] = Math.trunc(((weights[c] as number) * ONE_Q15) / sum);
  }
  return weights;
}

/** The mean of the probabilities of the exits that have run, Q15, by their fusion weights. */
export function fuseExits(exits: readonly ExitGate[], logits: readonly Int16Array[]): Int32Array {
  const mean = new Int32Array((logits[0] as Int16Array).length);
  let total = 0;
  for (let k = 0; k < logits.length; k++) {
    const weight = (exits[k] as ExitGate).fusionWeight;
    total += weight;
    const probabilities = exitProbabilities(exits[k] as ExitGate, logits[k] as Int16Array);
    for (let c = 0; c < mean.length; c++) {
      mean[c] = (mean[c] as number) + weight * (probabilities[c] as number);
    }
  }
  for (let c = 0; c < mean.length; c++) mean[c] = Math.trunc((mean[c] as number) / total);
  return mean;
}

/** The chance of being right at a margin, 0..255, linear between the entries of the table. */
export function confidenceAt(exit: ExitGate, marginQ8: number): number {
  const index = Math.min(Math.trunc(marginQ8 / CONFIDENCE_STEP_Q8), CONFIDENCE_NODES - 2);
  const low = exit.confidenceQ8[index] as number;
  const high = exit.confidenceQ8[index + 1] as number;
  const above = marginQ8 - index * CONFIDENCE_STEP_Q8;
  return low + Math.trunc(((high - low) * above) / CONFIDENCE_STEP_Q8);
}

/** `256 * log2(value)` for whole values from 1 to 2^31 - 1; 0 for 0. */
export function log2Q8(value: number): number {
  if (value < 1) return 0;
  const exponent = 31 - Math.clz32(value);
  const mantissa = exponent >= 8 ? value >> (exponent - 8) : value << (8 - exponent);
  return (exponent << 8) + (LOG2_Q8[mantissa & 255] as number);
}
