/**
 * Seeded random numbers: the only source of chance in the pure code.
 *
 * sfc32 (Chris Doty-Humphrey, PractRand): 128 bits of state, passes PractRand to 32 TB. It is not
 * for secrets. Streams made from one seed and different names are independent for our purposes,
 * so that adding a draw in one place does not change the numbers of another.
 */

export type Prng = {
  /** The next number, uniform over 0..2^32-1. */
  uint32(): number;
};

/** A generator from a seed and the name of what it is for. */
export function prng(seed: number, stream = ""): Prng {
  let a = seed >>> 0;
  let b = hashText(stream);
  let c = 0x9e3779b9;
  let counter = 1;
  const uint32 = (): number => {
    const out = (a + b + counter) >>> 0;
    counter = (counter + 1) >>> 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) >>> 0;
    c = ((c << 21) | (c >>> 11)) >>> 0;
    c = (c + out) >>> 0;
    return out;
  };
  for (let i = 0; i < 12; i++) uint32();
  return { uint32 };
}

/** Uniform in [low, high). */
export function uniform(random: Prng, low = 0, high = 1): number {
  return low + (high - low) * (random.uint32() / 0x1_0000_0000);
}

/** A whole number, uniform over 0..count-1. */
export function below(random: Prng, count: number): number {
  return Math.floor(uniform(random, 0, count));
}

/** True with the given probability. */
export function chance(random: Prng, probability: number): boolean {
  return uniform(random) < probability;
}

/** A normal number, mean 0 and standard deviation 1 (Box and Muller, 1958). */
export function normal(random: Prng): number {
  const radius = Math.sqrt(-2 * Math.log(1 - uniform(random)));
  return radius * Math.cos(2 * Math.PI * uniform(random));
}

/** Puts the items into a random order, in place (Fisher and Yates). */
export function shuffle<T>(random: Prng, items: { length: number; [index: number]: T }): void {
  for (let i = items.length - 1; i > 0; i--) {
    const j = below(random, i + 1);
    const held = items[i] as T;
    items[i] = items[j] as T;
    items[j] = held;
  }
}

/** FNV-1a over the UTF-16 units; only to tell streams apart. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}
