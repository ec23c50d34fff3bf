/**
 * AdamW (Loshchilov & Hutter, arXiv 1711.05101) over one flat vector, and the schedule of its rate.
 *
 * In plain TypeScript: a hundred thousand weights take a fraction of a millisecond, and the state
 * need not cross into the runtime.
 */
import type { Parameter } from "./parameters.ts";
import { sizeOf } from "./graph.ts";

export type AdamW = {
  /** Changes `weights` in place. Gradients longer than `clipNorm` are shortened to it first. */
  step(weights: Float32Array, gradients: Float32Array, learningRate: number): void;
};

export type AdamWOptions = {
  /** Per step, times the learning rate. */
  readonly weightDecay: number;
  readonly clipNorm: number;
};

const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;

export function adamW(parameters: readonly Parameter[], options: AdamWOptions): AdamW {
  const decay = decayMask(parameters, options.weightDecay);
  const first = new Float32Array(decay.length);
  const second = new Float32Array(decay.length);
  let steps = 0;
  return {
    step(weights, gradients, learningRate) {
      steps++;
      const correct1 = 1 / (1 - BETA1 ** steps);
      const correct2 = 1 / (1 - BETA2 ** steps);
      const shrink = clipFactor(gradients, options.clipNorm);
      for (let i = 0; i < weights.length; i++) {
        const g = (gradients[i] as number) * shrink;
        const m = BETA1 * (first[i] as number) + (1 - BETA1) * g;
        const v = BETA2 * (second[i] as number) + (1 - BETA2) * g * g;
        first[i] = m;
        second[i] = v;
        const w = weights[i] as number;
        const update = (m * correct1) / (Math.sqrt(v * correct2) + EPSILON);
        weights[i] = w - learningRate * (update + (decay[i] as number) * w);
      }
    },
  };
}

/** Rises linearly over the first tenth, then falls along half a cosine to zero. */
export function learningRateAt(step: number, steps: number, peak: number): number {
  const warm = Math.max(1, Math.floor(steps / 10));
  if (step < warm) return (peak * (step + 1)) / warm;
  return (peak * (1 + Math.cos((Math.PI * (step - warm)) / Math.max(1, steps - warm)))) / 2;
}

function decayMask(parameters: readonly Parameter[], weightDecay: number): Float32Array {
  const parts = parameters.map(({ shape, decays }) =>
    new Float32Array(sizeOf(shape)).fill(decays ? weightDecay : 0),
  );
  const mask = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    mask.set(part, offset);
    offset += part.length;
  }
  return mask;
}

function clipFactor(gradients: Float32Array, clipNorm: number): number {
  let squares = 0;
  for (const g of gradients) squares += g * g;
  const norm = Math.sqrt(squares);
  return norm > clipNorm ? clipNorm / norm : 1;
}
