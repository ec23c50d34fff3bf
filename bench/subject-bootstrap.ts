/**
 * Intervals for figures that are sums over subjects: the bootstrap by subject and seed.
 *
 * Windows of one subject are alike, and so are seeds on one subject, so what is drawn again is whole
 * subjects, and for each a seed (Davison and Hinkley, 1997, section 3.8): the interval says how far
 * the figure might be off with other people or animals and other trainings. With five subjects it
 * is a rough guide, and says nothing of subjects unlike all of these.
 */
import { below, type Prng } from "../src/prng.ts";
import { quantile } from "./benchmark.ts";

const ROUNDS = 1000;

/** A figure with its 95 % interval. */
export type Interval = { readonly mean: number; readonly low: number; readonly high: number };

/**
 * @param bySubject `[subject][seed]`: what one subject gave with one seed
 * @param figure over any list of those, such as a ratio of two sums; NaN where it has no meaning
 */
export function bootstrapInterval<Sums>(
  bySubject: readonly (readonly Sums[])[],
  figure: (sums: readonly Sums[]) => number,
  random: Prng,
): Interval {
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const drawn = bySubject.flatMap(() => {
      const seeds = bySubject[below(random, bySubject.length)] as readonly Sums[];
      return seeds.map(() => seeds[below(random, seeds.length)] as Sums);
    });
    const value = figure(drawn);
    if (!Number.isNaN(value)) rounds.push(value);
  }
  return {
    mean: figure(bySubject.flat()),
    low: quantile(rounds, 0.025),
    high: quantile(rounds, 0.975),
  };
}
