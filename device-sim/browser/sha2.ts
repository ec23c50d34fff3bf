/**
 * SHA-256 and SHA-512 (FIPS 180-4), at once and not by a promise: the node program waits for nothing,
 * and browsers hash only behind one.
 *
 * Constants are the fractions of roots of primes, as the standard has them, and are worked out once:
 * the first 64 bits for SHA-512, the first 32 of the same for SHA-256. SHA-512 sees a few hundred
 * bytes of a signed manifest and may be slow; SHA-256 sees whole containers.
 */

import { assert } from "../../src/assert.ts";

const MASK_64 = (1n << 64n) - 1n;

const PRIMES = firstPrimes(80);
/** `K` of section 4.2.3: cube roots of the first 80 primes; `H` of 5.3.5: square roots of 8. */
const K_512 = PRIMES.map((prime) => rootOf(prime << 192n, 3n) & MASK_64);
const H_512 = PRIMES.slice(0, 8).map((prime) => rootOf(prime << 128n, 2n) & MASK_64);
const K_256 = Int32Array.from(K_512.slice(0, 64), upperHalf);
const H_256 = Int32Array.from(H_512, upperHalf);

export function sha256(message: Uint8Array): Uint8Array {
  const padded = withLength(message, 64);
  const view = new DataView(padded.buffer);
  const hash = H_256.slice();
  const words = new Int32Array(64);
  for (let at = 0; at < padded.length; at += 64) {
    for (let t = 0; t < 16; t++) words[t] = view.getInt32(at + 4 * t);
    mix256(hash, words);
  }
  const digest = new DataView(new ArrayBuffer(32));
  hash.forEach((word, i) => {
    digest.setInt32(4 * i, word);
  });
  return new Uint8Array(digest.buffer);
}

/** One block: section 6.2.2. The words after the first 16 are filled in. */
function mix256(hash: Int32Array, words: Int32Array): void {
  for (let t = 16; t < 64; t++) {
    const w15 = words[t - 15] as number;
    const w2 = words[t - 2] as number;
    const low = turned(w15, 7) ^ turned(w15, 18) ^ (w15 >>> 3);
    const high = turned(w2, 17) ^ turned(w2, 19) ^ (w2 >>> 10);
    words[t] = high + (words[t - 7] as number) + low + (words[t - 16] as number);
  }
  let [a, b, c, d, e, f, g, h] = hash as unknown as Eight;
  for (let t = 0; t < 64; t++) {
    const sumE = turned(e, 6) ^ turned(e, 11) ^ turned(e, 25);
    const choice = (e & f) ^ (~e & g);
    const one = (h + sumE + choice + (K_256[t] as number) + (words[t] as number)) | 0;
    const sumA = turned(a, 2) ^ turned(a, 13) ^ turned(a, 22);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    h = g;
    g = f;
    f = e;
    e = (d + one) | 0;
    d = c;
    c = b;
    b = a;
    a = (one + sumA + majority) | 0;
  }
  [a, b, c, d, e, f, g, h].forEach((word, i) => {
    hash[i] = (hash[i] as number) + word;
  });
}

type Eight = readonly [number, number, number, number, number, number, number, number];

function turned(word: number, by: number): number {
  return (word >>> by) | (word << (32 - by));
}

export function sha512(message: Uint8Array): Uint8Array {
  const padded = withLength(message, 128);
  const view = new DataView(padded.buffer);
  const hash = H_512.slice();
  for (let at = 0; at < padded.length; at += 128) {
    mix512(
      hash,
      Array.from({ length: 16 }, (_, t) => view.getBigUint64(at + 8 * t)),
    );
  }
  const digest = new DataView(new ArrayBuffer(64));
  hash.forEach((word, i) => {
    digest.setBigUint64(8 * i, word);
  });
  return new Uint8Array(digest.buffer);
}

/** One block: section 6.4.2. */
function mix512(hash: bigint[], words: bigint[]): void {
  for (let t = 16; t < 80; t++) {
    const w15 = words[t - 15] as bigint;
    const w2 = words[t - 2] as bigint;
    const low = turned64(w15, 1n) ^ turned64(w15, 8n) ^ (w15 >> 7n);
    const high = turned64(w2, 19n) ^ turned64(w2, 61n) ^ (w2 >> 6n);
    words.push((high + (words[t - 7] as bigint) + low + (words[t - 16] as bigint)) & MASK_64);
  }
  const state = hash.slice();
  for (let t = 0; t < 80; t++) {
    const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n, g = 0n, h = 0n] = state;
    const sumE = turned64(e, 14n) ^ turned64(e, 18n) ^ turned64(e, 41n);
    const choice = (e & f) ^ (~e & MASK_64 & g);
    const one = h + sumE + choice + (K_512[t] as bigint) + (words[t] as bigint);
    const sumA = turned64(a, 28n) ^ turned64(a, 34n) ^ turned64(a, 39n);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    state.pop();
    state[3] = (d + one) & MASK_64;
    state.unshift((one + sumA + majority) & MASK_64);
  }
  state.forEach((word, i) => {
    hash[i] = ((hash[i] as bigint) + word) & MASK_64;
  });
}

function turned64(word: bigint, by: bigint): bigint {
  return ((word >> by) | (word << (64n - by))) & MASK_64;
}

/** The message, a one, zeros, and its length in bits at the end of the last block: section 5.1. */
function withLength(message: Uint8Array, blockBytes: 64 | 128): Uint8Array<ArrayBuffer> {
  const lengthBytes = blockBytes / 8;
  const blocks = Math.ceil((message.length + 1 + lengthBytes) / blockBytes);
  const padded = new Uint8Array(blocks * blockBytes);
  padded.set(message);
  padded[message.length] = 0x80;
  new DataView(padded.buffer).setBigUint64(padded.length - 8, 8n * BigInt(message.length));
  return padded;
}

function firstPrimes(count: number): readonly bigint[] {
  const primes: bigint[] = [];
  for (let candidate = 2n; primes.length < count; candidate++) {
    if (primes.every((prime) => candidate % prime !== 0n)) primes.push(candidate);
  }
  return primes;
}

/** The whole part of a root, by Newton's method from above. */
function rootOf(value: bigint, degree: bigint): bigint {
  assert(value > 0n, "roots of what is positive");
  let root = 1n << (BigInt(value.toString(2).length) / degree + 1n);
  for (;;) {
    const next = ((degree - 1n) * root + value / root ** (degree - 1n)) / degree;
    if (next >= root) return root;
    root = next;
  }
}

function upperHalf(word: bigint): number {
  return Number(BigInt.asIntN(32, word >> 32n));
}
