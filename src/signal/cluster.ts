/** k-means with the seeding of Arthur and Vassilvitskii (k-means++, 2007): deterministic by seed. */

import { assert } from "../assert.ts";
import { below, type Prng, uniform } from "../prng.ts";

const ROUNDS = 30;

/**
 * @param points `[count][size]`
 * @returns the cluster of each point; clusters are numbered from 0 without holes
 */
export function kMeans(
  points: Float64Array,
  size: number,
  clusters: number,
  random: Prng,
): Int32Array {
  const count = points.length / size;
  assert(count >= 1 && clusters >= 1, "at least one point and one cluster");
  const centres = seedCentres(points, size, Math.min(clusters, count), random);
  const nearest = new Int32Array(count);
  for (let round = 0; round < ROUNDS; round++) {
    let moved = false;
    for (let i = 0; i < count; i++) {
      const best = nearestCentre(points, i, centres, size).index;
      if (best !== nearest[i]) moved = true;
      nearest[i] = best;
    }
    if (!moved && round > 0) break;
    moveCentres(points, size, nearest, centres);
  }
  return withoutHoles(nearest);
}

function seedCentres(
  points: Float64Array,
  size: number,
  clusters: number,
  random: Prng,
): Float64Array[] {
  const count = points.length / size;
  const pointAt = (i: number): Float64Array => points.slice(i * size, (i + 1) * size);
  const centres = [pointAt(below(random, count))];
  while (centres.length < clusters) {
    const distances = Float64Array.from(
      { length: count },
      (_, i) => nearestCentre(points, i, centres, size).distance,
    );
    const total = distances.reduce((sum, value) => sum + value, 0);
    if (total === 0) break;
    let left = uniform(random, 0, total);
    let chosen = distances.findIndex((value) => {
      left -= value;
      return left < 0;
    });
    if (chosen < 0) chosen = count - 1;
    centres.push(pointAt(chosen));
  }
  return centres;
}

function nearestCentre(
  points: Float64Array,
  point: number,
  centres: readonly Float64Array[],
  size: number,
): { readonly index: number; readonly distance: number } {
  let index = 0;
  let distance = Number.POSITIVE_INFINITY;
  centres.forEach((centre, candidate) => {
    let sum = 0;
    for (let k = 0; k < size; k++) {
      sum += ((points[point * size + k] as number) - (centre[k] as number)) ** 2;
    }
    if (sum < distance) {
      distance = sum;
      index = candidate;
    }
  });
  return { index, distance };
}

/** A centre without points stays where it is. */
function moveCentres(
  points: Float64Array,
  size: number,
  nearest: Int32Array,
  centres: readonly Float64Array[],
): void {
  centres.forEach((centre, cluster) => {
    const sum = new Float64Array(size);
    let members = 0;
    nearest.forEach((own, i) => {
      if (own !== cluster) return;
      members++;
      for (let k = 0; k < size; k++) {
        sum[k] = (sum[k] as number) + (points[i * size + k] as number);
      }
    });
    if (members > 0) centre.set(sum.map((value) => value / members));
  });
}

function withoutHoles(clusters: Int32Array): Int32Array {
  const used = [...new Set(clusters)].sort((a, b) => a - b);
  return clusters.map((cluster) => used.indexOf(cluster));
}
