/**
 * Puts a release together from chunks that come in any order, twice, or from another release.
 *
 * The state is one buffer of exactly the announced size and a list of what is there, so memory is
 * bounded by the signed manifest whatever a sender does. A chunk is checked against its 8-byte hash
 * before it touches the buffer; the whole is checked against the SHA-256 at the end. It knows no
 * flash and no file: a node saves `bytes` where it likes and comes back through `resumeAssembly`,
 * which believes only what still has the right hash.
 */

import { sameBytes } from "../bytes.ts";
import type { DownMessage } from "./messages.ts";
import { CHUNK_HASH_BYTES, type Crypto, chunkCount, type ReleaseManifest } from "./release.ts";

export type Assembly = {
  readonly manifest: ReleaseManifest;
  /** The container, with zeros where chunks are missing. */
  readonly bytes: Uint8Array;
  /** One byte per chunk: 1 when it is there. */
  readonly present: Uint8Array;
};

export type ChunkOutcome =
  | "stored"
  | "duplicate"
  | "other-release"
  | "out-of-range"
  | "wrong-length"
  | "wrong-hash";

type Sha256 = Pick<Crypto, "sha256">;

/** An empty assembly of a release that `openRelease` accepted. */
export function createAssembly(manifest: ReleaseManifest): Assembly {
  return {
    manifest,
    bytes: new Uint8Array(manifest.sizeBytes),
    present: new Uint8Array(chunkCount(manifest)),
  };
}

/** Goes on after a restart: every chunk of the saved bytes whose hash is right counts as there. */
export function resumeAssembly(
  manifest: ReleaseManifest,
  saved: Uint8Array,
  crypto: Sha256,
): Assembly {
  const assembly = createAssembly(manifest);
  assembly.present.forEach((_, index) => {
    const { start, end } = chunkRange(manifest, index);
    if (end > saved.length) return;
    const chunk = saved.subarray(start, end);
    if (!hashIsRight(manifest, index, chunk, crypto)) return;
    assembly.bytes.set(chunk, start);
    assembly.present[index] = 1;
  });
  return assembly;
}

/** Takes one chunk if it belongs here. Everything but `stored` leaves the assembly as it was. */
export function acceptChunk(
  assembly: Assembly,
  chunk: Omit<Extract<DownMessage, { kind: "chunk" }>, "kind">,
  crypto: Sha256,
): ChunkOutcome {
  const { manifest, bytes, present } = assembly;
  if (chunk.releaseSequence !== manifest.sequence) return "other-release";
  if (!Number.isInteger(chunk.index) || chunk.index < 0 || chunk.index >= present.length) {
    return "out-of-range";
  }
  if (present[chunk.index] === 1) return "duplicate";
  const { start, end } = chunkRange(manifest, chunk.index);
  if (chunk.bytes.length !== end - start) return "wrong-length";
  if (!hashIsRight(manifest, chunk.index, chunk.bytes, crypto)) return "wrong-hash";
  bytes.set(chunk.bytes, start);
  present[chunk.index] = 1;
  return "stored";
}

/** What to ask for next, at most `maxChunks` of them; undefined when every chunk is there. */
export function wantedChunks(
  assembly: Assembly,
  maxChunks: number,
): { readonly firstChunk: number; readonly bitmap: Uint8Array } | undefined {
  const firstChunk = assembly.present.indexOf(0);
  if (firstChunk < 0) return undefined;
  const bits: number[] = [];
  for (let i = firstChunk; i < assembly.present.length && bits.length < maxChunks; i++) {
    if (assembly.present[i] === 0) bits.push(i - firstChunk);
  }
  const last = bits[bits.length - 1] ?? 0;
  const bitmap = new Uint8Array(Math.floor(last / 8) + 1);
  for (const bit of bits) bitmap[bit >> 3] = (bitmap[bit >> 3] ?? 0) | (1 << (bit & 7));
  return { firstChunk, bitmap };
}

/** The chunk numbers that a `want` names, in order: the sender's side of the bitmap. */
export function chunksOfWant(want: {
  readonly firstChunk: number;
  readonly bitmap: Uint8Array;
}): number[] {
  const chunks: number[] = [];
  for (let bit = 0; bit < want.bitmap.length * 8; bit++) {
    if (((want.bitmap[bit >> 3] ?? 0) >> (bit & 7)) & 1) chunks.push(want.firstChunk + bit);
  }
  return chunks;
}

/** The bytes of one chunk of a container: a view; undefined past the end. */
export function chunkOf(
  container: Uint8Array,
  manifest: ReleaseManifest,
  index: number,
): Uint8Array | undefined {
  if (index < 0 || index >= chunkCount(manifest)) return undefined;
  const { start, end } = chunkRange(manifest, index);
  return container.subarray(start, end);
}

/** Chunks that are there, and chunks in all. */
export function progressOf(assembly: Assembly): { readonly done: number; readonly all: number } {
  return {
    done: assembly.present.reduce((sum, bit) => sum + bit, 0),
    all: assembly.present.length,
  };
}

/** The whole image, when every chunk is there and the SHA-256 of all is the signed one. */
export function finishAssembly(
  assembly: Assembly,
  crypto: Sha256,
):
  | { readonly ok: true; readonly container: Uint8Array }
  | { readonly ok: false; readonly outcome: "incomplete" | "wrong-hash" } {
  if (assembly.present.includes(0)) return { ok: false, outcome: "incomplete" };
  const right = sameBytes(crypto.sha256(assembly.bytes), assembly.manifest.sha256);
  return right ? { ok: true, container: assembly.bytes } : { ok: false, outcome: "wrong-hash" };
}

function chunkRange(
  manifest: ReleaseManifest,
  index: number,
): { readonly start: number; readonly end: number } {
  const start = index * manifest.chunkBytes;
  return { start, end: Math.min(start + manifest.chunkBytes, manifest.sizeBytes) };
}

function hashIsRight(
  manifest: ReleaseManifest,
  index: number,
  chunk: Uint8Array,
  crypto: Sha256,
): boolean {
  const at = index * CHUNK_HASH_BYTES;
  const expected = manifest.chunkHashes.subarray(at, at + CHUNK_HASH_BYTES);
  return sameBytes(crypto.sha256(chunk).subarray(0, CHUNK_HASH_BYTES), expected);
}
