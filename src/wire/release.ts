/**
 * A release: a signed statement that a cohort of nodes shall run one model.
 *
 * The manifest is deterministic CBOR (RFC 8949, section 4.2.1) with the information elements of RFC
 * 9124; the Ed25519 signature (RFC 8032) is over `bellwether-release-v1\0` and the manifest's bytes,
 * and is checked before the manifest is parsed.
 *
 *      manifest = {  1: container format        7: size in bytes
 *                    2: sequence                8: bytes a chunk
 *                    3: purpose, 1 release      9: SHA-256 of the container, 32 bytes
 *                       2 rollback             10: first 8 bytes of each chunk's SHA-256
 *                    4: cohort                 11: { 1: seed, 2: [logits hash of each exit] }
 *                    5: model id, 8 bytes      6: created, ms since 1970 }
 *
 * There is no expiry: a collar has no clock that it can trust. The sequence number only rises.
 */

import { assert, EdgeError } from "../assert.ts";
import { type CborMap, type CborValue, decodeCbor, encodeCbor } from "./cbor.ts";
import { LIMITS } from "./limits.ts";
import type { ModelId, ReleaseOutcome } from "./messages.ts";
import { modelIdBytes, modelIdOf } from "./topics.ts";

export type ReleaseManifest = {
  readonly formatVersion: number;
  /** Rises with every release, rollbacks included: a node refuses what is not above its own. */
  readonly sequence: number;
  readonly purpose: "release" | "rollback";
  /** Which nodes: profile, placement, rate and window shape in one word. */
  readonly cohort: string;
  readonly modelId: ModelId;
  readonly createdMs: number;
  readonly sizeBytes: number;
  readonly chunkBytes: number;
  readonly sha256: Uint8Array;
  /** The first 8 bytes of each chunk's SHA-256, one after another. */
  readonly chunkHashes: Uint8Array;
  /** A node runs its new student on windows drawn from `seed` and must reach these hashes of the
   * logits, one per exit, before it activates. */
  readonly selfTest: { readonly seed: number; readonly logitsHashes: readonly number[] };
};

/** The crypto that the pure code is handed: Node, browser and firmware each bring their own. */
export type Crypto = {
  sha256(bytes: Uint8Array): Uint8Array;
  /** Ed25519; false for anything but a good signature by that 32-byte public key. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
};

/** What a node knows of itself when an offer comes. */
export type ReleaseContext = {
  readonly crypto: Crypto;
  /** Any of them may have signed; more than one while keys are being changed. */
  readonly publicKeys: readonly Uint8Array[];
  readonly cohort: string;
  /** The highest sequence that this node has ever run, not merely the present one: a release that
   * was reverted must not come back by replay. */
  readonly runningSequence: number;
  readonly slotBytes: number;
  /** Container formats up to this version are understood. */
  readonly formatVersion: number;
};

export type OpenedRelease =
  | { readonly ok: true; readonly manifest: ReleaseManifest }
  | { readonly ok: false; readonly outcome: ReleaseOutcome };

export const CHUNK_HASH_BYTES = 8;
export const DEFAULT_CHUNK_BYTES = 1024;
const SIGNED_PREFIX = "bellwether-release-v1\0";
const PURPOSES = ["release", "rollback"] as const;
const KEY = {
  formatVersion: 1,
  sequence: 2,
  purpose: 3,
  cohort: 4,
  modelId: 5,
  createdMs: 6,
  sizeBytes: 7,
  chunkBytes: 8,
  sha256: 9,
  chunkHashes: 10,
  selfTest: 11,
} as const;

/** The manifest of a container: the caller states what it is for, the hashes come from its bytes. */
export function manifestOf(
  container: Uint8Array,
  statement: Omit<
    ReleaseManifest,
    "modelId" | "sizeBytes" | "chunkBytes" | "sha256" | "chunkHashes"
  >,
  crypto: Pick<Crypto, "sha256">,
): ReleaseManifest {
  assert(container.length <= LIMITS.releaseBytes, "a container within its limit");
  const chunkBytes = DEFAULT_CHUNK_BYTES;
  const chunkCount = Math.ceil(container.length / chunkBytes);
  const chunkHashes = new Uint8Array(chunkCount * CHUNK_HASH_BYTES);
  for (let i = 0; i < chunkCount; i++) {
    const chunk = container.subarray(i * chunkBytes, (i + 1) * chunkBytes);
    chunkHashes.set(crypto.sha256(chunk).subarray(0, CHUNK_HASH_BYTES), i * CHUNK_HASH_BYTES);
  }
  const sha256 = crypto.sha256(container);
  const modelId = modelIdOf(sha256);
  return { ...statement, modelId, sizeBytes: container.length, chunkBytes, sha256, chunkHashes };
}

/** The bytes that are signed, hashed and sent. */
export function encodeManifest(manifest: ReleaseManifest): Uint8Array {
  const { seed, logitsHashes } = manifest.selfTest;
  const selfTest: CborMap = new Map<number, CborValue>([
    [1, seed],
    [2, logitsHashes],
  ]);
  return encodeCbor(
    new Map<number, CborValue>([
      [KEY.formatVersion, manifest.formatVersion],
      [KEY.sequence, manifest.sequence],
      [KEY.purpose, 1 + PURPOSES.indexOf(manifest.purpose)],
      [KEY.cohort, manifest.cohort],
      [KEY.modelId, modelIdBytes(manifest.modelId)],
      [KEY.createdMs, manifest.createdMs],
      [KEY.sizeBytes, manifest.sizeBytes],
      [KEY.chunkBytes, manifest.chunkBytes],
      [KEY.sha256, manifest.sha256],
      [KEY.chunkHashes, manifest.chunkHashes],
      [KEY.selfTest, selfTest],
    ]),
  );
}

/** Reads a manifest and checks that its parts agree. Throws `EdgeError`. Whether to believe it is
 * `openRelease`'s question. */
export function decodeManifest(bytes: Uint8Array): ReleaseManifest {
  const map = asMap(decodeCbor(bytes, "manifest"), "manifest", Object.keys(KEY).length);
  const selfTest = asMap(map.get(KEY.selfTest), "self-test", 2);
  const manifest: ReleaseManifest = {
    formatVersion: asNumber(map.get(KEY.formatVersion), "format version", 1, 0xffff),
    sequence: asNumber(map.get(KEY.sequence), "sequence", 1, 0xffff_ffff),
    purpose: PURPOSES[asNumber(map.get(KEY.purpose), "purpose", 1, 2) - 1] as "release",
    cohort: asText(map.get(KEY.cohort), "cohort", LIMITS.cohortBytes),
    modelId: modelIdOf(asBytes(map.get(KEY.modelId), "model id", 8)),
    createdMs: asNumber(map.get(KEY.createdMs), "created", 0, 0xffff_ffff_ffff),
    sizeBytes: asNumber(map.get(KEY.sizeBytes), "size", 1, LIMITS.releaseBytes),
    chunkBytes: asNumber(
      map.get(KEY.chunkBytes),
      "chunk bytes",
      LIMITS.chunkBytesMin,
      LIMITS.chunkBytesMax,
    ),
    sha256: asBytes(map.get(KEY.sha256), "SHA-256", 32),
    chunkHashes: asBytes(map.get(KEY.chunkHashes), "chunk hashes"),
    selfTest: {
      seed: asNumber(selfTest.get(1), "self-test seed", 0, 0xffff_ffff),
      logitsHashes: asHashes(selfTest.get(2)),
    },
  };
  const hashBytes = CHUNK_HASH_BYTES * chunkCount(manifest);
  if (manifest.chunkHashes.length !== hashBytes) {
    refuse(`${manifest.chunkHashes.length} bytes of chunk hashes, the size asks for ${hashBytes}`);
  }
  if (modelIdOf(manifest.sha256) !== manifest.modelId) {
    refuse("the model id is not the start of the SHA-256");
  }
  return manifest;
}

export function chunkCount(manifest: ReleaseManifest): number {
  return Math.ceil(manifest.sizeBytes / manifest.chunkBytes);
}

/** What the signature is over. The prefix keeps a signature from being one of anything else. */
export function signedBytes(manifestBytes: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(SIGNED_PREFIX.length + manifestBytes.length);
  for (let i = 0; i < SIGNED_PREFIX.length; i++) bytes[i] = SIGNED_PREFIX.charCodeAt(i);
  bytes.set(manifestBytes, SIGNED_PREFIX.length);
  return bytes;
}

/** Decides on an offer, in this order: who signed it, can it be read, is it newer, is it near enough,
 * is it for us, can we run it, does it fit. Nothing of an unsigned manifest is looked at. */
export function openRelease(
  offer: { readonly manifest: Uint8Array; readonly signature: Uint8Array },
  context: ReleaseContext,
): OpenedRelease {
  const { crypto, publicKeys, runningSequence } = context;
  const message = signedBytes(offer.manifest);
  const signed =
    offer.signature.length === LIMITS.signatureBytes &&
    publicKeys.some((key) => crypto.verify(key, message, offer.signature));
  if (!signed) return { ok: false, outcome: "bad-signature" };
  const manifest = readable(offer.manifest);
  if (manifest === undefined) return { ok: false, outcome: "bad-manifest" };
  if (manifest.sequence <= runningSequence) return { ok: false, outcome: "stale" };
  if (manifest.sequence > runningSequence + LIMITS.sequenceJump) {
    return { ok: false, outcome: "too-far" };
  }
  if (manifest.cohort !== context.cohort) return { ok: false, outcome: "wrong-cohort" };
  if (manifest.formatVersion > context.formatVersion) return { ok: false, outcome: "wrong-format" };
  if (manifest.sizeBytes > context.slotBytes) return { ok: false, outcome: "too-large" };
  return { ok: true, manifest };
}

/** A signed manifest that cannot be read is an outcome for a node, not an exception. */
function readable(bytes: Uint8Array): ReleaseManifest | undefined {
  try {
    return decodeManifest(bytes);
  } catch (error) {
    if (error instanceof EdgeError) return undefined;
    throw error;
  }
}

function asMap(value: CborValue | undefined, name: string, size: number): CborMap {
  if (!(value instanceof Map)) return refuse(`${name} is no map`);
  if (value.size !== size) refuse(`${name} has ${value.size} entries, not ${size}`);
  return value;
}

function asNumber(value: CborValue | undefined, name: string, low: number, high: number): number {
  if (typeof value !== "number") return refuse(`${name} is no number`);
  if (value < low || value > high) refuse(`${name} is ${value}, possible is ${low} to ${high}`);
  return value;
}

function asText(value: CborValue | undefined, name: string, maxLength: number): string {
  if (typeof value !== "string" || value.length === 0 || value.length > maxLength) {
    return refuse(`${name} is no text of 1 to ${maxLength} bytes`);
  }
  return value;
}

function asBytes(value: CborValue | undefined, name: string, length?: number): Uint8Array {
  if (!(value instanceof Uint8Array)) return refuse(`${name} is no byte string`);
  if (length !== undefined && value.length !== length) refuse(`${name} is not ${length} bytes`);
  return value;
}

function asHashes(value: CborValue | undefined): readonly number[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > LIMITS.exits + 1) {
    return refuse(`the self-test has no list of 1 to ${LIMITS.exits + 1} hashes`);
  }
  return value.map((hash: CborValue) => asNumber(hash, "logits hash", 0, 0xffff_ffff));
}

function refuse(message: string): never {
  throw new EdgeError({
    code: "manifest",
    message,
    where: "manifest",
    hint: "The release was made by another version or by hand; see docs/FORMATS.md.",
  });
}
