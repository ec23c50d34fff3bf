/**
 * A release: a signed statement that a cohort of nodes shall run one model.
 *
 * The manifest is deterministic CBOR (RFC 8949, section 4.2.1) with the information elements of RFC
 * 9124; the Ed25519 signature (RFC 8032) is over `bellwether-release-v1\0` and the manifest's bytes,
 * and is checked before the manifest is parsed.
 */

import type { ModelId } from "./messages.ts";

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
