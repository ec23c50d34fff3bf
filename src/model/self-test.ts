/**
 * The self-test of a release: does this engine on this machine compute the right bits?
 *
 * A node runs its new student on windows drawn from a seed and compares one hash per exit with the
 * release, before it activates. It is written to be easy in C: xorshift32 (Marsaglia, 2003) draws,
 * FNV-1a hashes. Noise reaches values that recordings do not, saturation among them. That the weights
 * are the right ones is not its business, but that of the container's SHA-256.
 */

import { assert } from "../assert.ts";
import type { LoadedStudent } from "../engine/engine.ts";

/** Two of each loudness, and well under a second on a slow node. */
const SELF_TEST_WINDOWS = 8;

/** FNV-1a (32 bits) over the logits as int16 little-endian, window after window; one per exit. Where
 * there is an encoder, its codes are hashed a byte each: in a hash of their own, the last, of a
 * container with operating points, which a node that makes no codes need not look at; else the last
 * exit's goes on over them after each window. */
export function selfTestHashes(loaded: LoadedStudent, seed: number): readonly number[] {
  const { windowSamples, channels } = loaded.container.student;
  const draw = xorshift32(seed);
  const window = new Int8Array(windowSamples * channels);
  const { encoder, points } = loaded.container;
  const own = encoder !== undefined && points !== undefined ? 1 : 0;
  const hashes = Array.from({ length: loaded.exits + own }, () => 0x811c9dc5);
  for (let w = 0; w < SELF_TEST_WINDOWS; w++) {
    // Gravity, -64..63 on each channel, and noise about it, from as large down to an eighth.
    const gravity = Int8Array.from({ length: channels }, () => (draw() | 0) >> 25);
    for (let i = 0; i < window.length; i++) {
      window[i] = (gravity[i % channels] as number) + ((draw() | 0) >> (25 + (w & 3)));
    }
    loaded.begin(window);
    for (let exit = 0; exit < loaded.exits; exit++) {
      hashes[exit] = hashLogits(hashes[exit] as number, loaded.nextExit().logits);
    }
    if (encoder === undefined) continue;
    const last = hashes.length - 1;
    hashes[last] = hashBytes(hashes[last] as number, loaded.encode());
  }
  return hashes;
}

/** Continues an FNV-1a hash over int16 little-endian values. */
export function hashLogits(hash: number, logits: Int16Array): number {
  let out = hash;
  for (const value of logits) {
    out = Math.imul(out ^ (value & 0xff), 0x01000193);
    out = Math.imul(out ^ ((value >> 8) & 0xff), 0x01000193);
  }
  return out >>> 0;
}

function hashBytes(hash: number, bytes: Uint8Array): number {
  return bytes.reduce((out, byte) => Math.imul(out ^ byte, 0x01000193), hash) >>> 0;
}

/** Numbers in 0..2^32-1. The state must not be 0, so a seed of 0 stands for another. */
function xorshift32(seed: number): () => number {
  assert(Number.isInteger(seed) && seed >= 0 && seed <= 0xffff_ffff, `a 32-bit seed: ${seed}`);
  let state = seed === 0 ? 0x9e37_79b9 : seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
