/**
 * 25 kinds of tampered, stale or foreign releases, made from a seed.
 *
 * Some are made by a stranger, some by somebody who holds the release key: what they sign is to be
 * refused where it cannot be what a node should run. Real Ed25519 and SHA-256. Who receives them is
 * the tests' business: a node in TypeScript, and one in C.
 */

import { generateKeyPairSync, sign } from "node:crypto";
import { nodeCrypto } from "../device-sim/node-crypto.ts";
import { POINTS_CONTAINER_VERSION } from "../src/model/container-layout.ts";
import { below, type Prng } from "../src/prng.ts";
import { chunkOf } from "../src/wire/assembly.ts";
import { decodeCbor, encodeCbor } from "../src/wire/cbor.ts";
import { manifestOf, signedBytes } from "../src/wire/release.ts";
import { modelIdOf } from "../src/wire/topics.ts";
import { type SignedRelease, sampleContainer, signRelease } from "./node-world.ts";

/** What the node runs that receives them: the student, and the sequence of its release. */
export const RUNNING = sampleContainer(1);
export const RUNNING_SEQUENCE = 11;
/** Students that it may be sent. */
export const CONTAINERS = [2, 3, 4].map((seed) => sampleContainer(seed));
const foreignKey = generateKeyPairSync("ed25519").privateKey;

/** What a node is sent: an offer, and chunks as they arrive. */
export type Delivery = {
  readonly manifest: Uint8Array;
  readonly signature: Uint8Array;
  readonly chunks: readonly { readonly index: number; readonly bytes: Uint8Array }[];
};

/** To a node with so much memory, and slots of so many bytes, where that matters. */
export type Attempt = Delivery & { readonly ramBytes?: number; readonly slotBytes?: number };

export function deliver(release: SignedRelease): Delivery {
  const { manifest, manifestBytes, signature, container } = release;
  const count = Math.ceil(container.length / manifest.chunkBytes);
  return {
    manifest: manifestBytes,
    signature,
    chunks: Array.from({ length: count }, (_, index) => ({
      index,
      bytes: chunkOf(container, manifest, index) ?? new Uint8Array(0),
    })),
  };
}

const honest = (random: Prng, change: Parameters<typeof signRelease>[2] = {}): SignedRelease =>
  signRelease(CONTAINERS[below(random, CONTAINERS.length)] as Uint8Array, 12, change);

/** A container's bytes, whatever they are, under a signed manifest that is right about them. */
function signedAround(container: Uint8Array, like: SignedRelease): Delivery {
  const manifest = manifestOf(container, like.manifest, nodeCrypto);
  return deliver({ ...signRelease(like.container, 12, manifest), container });
}

function flipBit(bytes: Uint8Array, random: Prng): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const bit = below(random, copy.length * 8);
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
}

/** A way to go wrong, and the outcomes that may be given for it. */
export type Kind = readonly [
  name: string,
  make: (random: Prng) => Attempt,
  refusals: readonly string[],
];

export const BY_STRANGERS: readonly Kind[] = [
  [
    "a bit of the manifest flipped",
    (random) => {
      const good = deliver(honest(random));
      return { ...good, manifest: flipBit(good.manifest, random) };
    },
    ["bad-signature"],
  ],
  [
    "a bit of the signature flipped",
    (random) => {
      const good = deliver(honest(random));
      return { ...good, signature: flipBit(good.signature, random) };
    },
    ["bad-signature"],
  ],
  [
    "bytes after the manifest",
    (random) => {
      const good = deliver(honest(random));
      const extra = Array.from({ length: 1 + below(random, 9) }, () => below(random, 256));
      return { ...good, manifest: Uint8Array.of(...good.manifest, ...extra) };
    },
    ["bad-signature"],
  ],
  [
    "a manifest cut short",
    (random) => {
      const good = deliver(honest(random));
      const length = below(random, good.manifest.length);
      return { ...good, manifest: good.manifest.subarray(0, length) };
    },
    ["bad-signature"],
  ],
  [
    "a signature of zeros, or of another length",
    (random) => {
      const length = [0, 1, 63, 64, 65, 128][below(random, 6)] ?? 0;
      return { ...deliver(honest(random)), signature: new Uint8Array(length) };
    },
    ["bad-signature"],
  ],
  [
    "a random signature",
    (random) => {
      const signature = Uint8Array.from({ length: 64 }, () => below(random, 256));
      return { ...deliver(honest(random)), signature };
    },
    ["bad-signature"],
  ],
  [
    "another's key",
    (random) => {
      const good = deliver(honest(random));
      const signature = sign(null, signedBytes(good.manifest), foreignKey);
      return { ...good, signature };
    },
    ["bad-signature"],
  ],
  [
    "our signature of another release",
    (random) => {
      const other = honest(random, { sequence: 13 + below(random, 100) });
      return { ...deliver(honest(random)), signature: other.signature };
    },
    ["bad-signature"],
  ],
  [
    "a bit of a chunk flipped",
    (random) => {
      const good = deliver(honest(random));
      const hit = below(random, good.chunks.length);
      const chunks = good.chunks.map((chunk) =>
        chunk.index === hit ? { ...chunk, bytes: flipBit(chunk.bytes, random) } : chunk,
      );
      return { ...good, chunks };
    },
    ["incomplete"],
  ],
  [
    "a chunk that never comes",
    (random) => {
      const good = deliver(honest(random));
      const hit = below(random, good.chunks.length);
      return { ...good, chunks: good.chunks.filter(({ index }) => index !== hit) };
    },
    ["incomplete"],
  ],
  [
    "two chunks in each other's place",
    (random) => {
      const good = deliver(honest(random));
      const hit = below(random, good.chunks.length - 1);
      const swap: Record<number, number> = { [hit]: hit + 1, [hit + 1]: hit };
      const chunks = good.chunks.map((chunk) => ({
        ...chunk,
        index: swap[chunk.index] ?? chunk.index,
      }));
      return { ...good, chunks };
    },
    ["incomplete"],
  ],
  [
    "a chunk of another release",
    (random) => {
      const good = deliver(signRelease(CONTAINERS[0] as Uint8Array, 12));
      const other = deliver(signRelease(CONTAINERS[1] as Uint8Array, 12));
      const hit = below(random, good.chunks.length);
      const chunks = good.chunks.map((chunk) => (chunk.index === hit ? other.chunks[hit] : chunk));
      return { ...good, chunks: chunks.filter((chunk) => chunk !== undefined) };
    },
    ["incomplete"],
  ],
  [
    "a last chunk with bytes after the end",
    (random) => {
      const good = deliver(honest(random));
      const last = good.chunks.length - 1;
      const chunks = good.chunks.map((chunk) =>
        chunk.index === last ? { ...chunk, bytes: Uint8Array.of(...chunk.bytes, 0) } : chunk,
      );
      return { ...good, chunks };
    },
    ["incomplete"],
  ],
  [
    "keys of the manifest in another order",
    (random) => {
      const good = deliver(honest(random));
      const map = decodeCbor(good.manifest, "manifest") as Map<number, number>;
      const entries = [...map].map((entry) => encodeCbor(new Map([entry])).subarray(1));
      const at = below(random, entries.length - 1);
      entries.splice(at, 2, ...entries.slice(at, at + 2).reverse());
      const manifest = Uint8Array.of(0xa0 + entries.length, ...entries.flatMap((e) => [...e]));
      const signature = signRelease(CONTAINERS[0] as Uint8Array, 12).signature;
      return { ...good, manifest, signature };
    },
    ["bad-signature"],
  ],
];

export const BY_HOLDERS_OF_THE_KEY: readonly Kind[] = [
  [
    "an older release, or the one that runs",
    (random) => deliver(honest(random, { sequence: 1 + below(random, 11) })),
    ["stale"],
  ],
  [
    "an older release called a rollback",
    (random) => deliver(honest(random, { sequence: 1 + below(random, 11), purpose: "rollback" })),
    ["stale"],
  ],
  [
    "a sequence number that closes the way",
    (random) => {
      const sequence = 0xffff_ffff - below(random, 0xffff_0000);
      return deliver(honest(random, { sequence }));
    },
    ["too-far"],
  ],
  [
    "another cohort",
    (random) => deliver(honest(random, { cohort: `herd-${below(random, 1000)}` })),
    ["wrong-cohort"],
  ],
  [
    "a container format of the future",
    (random) => {
      const formatVersion = POINTS_CONTAINER_VERSION + 1 + below(random, 1000);
      return deliver(honest(random, { formatVersion }));
    },
    ["wrong-format"],
  ],
  [
    "a container for a larger slot",
    (random) => ({
      ...deliver(honest(random)),
      slotBytes: 1 + below(random, 4096),
    }),
    ["too-large"],
  ],
  [
    "a student for more memory",
    (random) => ({
      ...deliver(honest(random)),
      ramBytes: 1 + below(random, 256),
    }),
    ["too-large"],
  ],
  [
    "a SHA-256 that is not the container's",
    (random) => {
      const sha256 = Uint8Array.from({ length: 32 }, () => below(random, 256));
      return deliver(honest(random, { sha256, modelId: modelIdOf(sha256) }));
    },
    ["wrong-hash"],
  ],
  [
    "a container that is noise",
    (random) => {
      const like = honest(random);
      const noise = Uint8Array.from({ length: 2000 }, () => below(random, 256));
      return signedAround(noise, like);
    },
    ["bad-container"],
  ],
  [
    "a container that is cut short",
    (random) => {
      const like = honest(random);
      const length = 1 + below(random, like.container.length - 1);
      return signedAround(like.container.subarray(0, length), like);
    },
    ["bad-container"],
  ],
  [
    "the promised answers of another student",
    (random) => {
      const { selfTest } = signRelease(CONTAINERS[0] as Uint8Array, 12).manifest;
      const other = CONTAINERS[1 + below(random, CONTAINERS.length - 1)] as Uint8Array;
      return deliver(signRelease(other, 12, { selfTest }));
    },
    ["self-test-failed"],
  ],
];
