/**
 * Releases under attack. Names are those of The Update Framework and of RFC 9124; real Ed25519 and
 * SHA-256 throughout.
 */

import { createHash, generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeCbor } from "../src/wire/cbor.ts";
import { LIMITS } from "../src/wire/limits.ts";
import {
  type Crypto,
  decodeManifest,
  encodeManifest,
  manifestOf,
  openRelease,
  type ReleaseContext,
  type ReleaseManifest,
  signedBytes,
} from "../src/wire/release.ts";

const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
const crypto: Crypto = {
  sha256: (bytes) => Uint8Array.from(createHash("sha256").update(bytes).digest()),
  verify: (publicKey, message, signature) =>
    verify(
      null,
      message,
      { key: Buffer.concat([SPKI_PREFIX, publicKey]), format: "der", type: "spki" },
      signature,
    ),
};

type Key = { readonly privateKey: KeyObject; readonly publicKey: Uint8Array };
function newKey(): Key {
  const pair = generateKeyPairSync("ed25519");
  const spki = pair.publicKey.export({ format: "der", type: "spki" });
  return { privateKey: pair.privateKey, publicKey: Uint8Array.from(spki.subarray(12)) };
}
const ourKey = newKey();
const nextKey = newKey();
const foreignKey = newKey();

const container = Uint8Array.from({ length: 5_000 }, (_, i) => (i * 31) & 0xff);
const manifest: ReleaseManifest = manifestOf(
  container,
  {
    formatVersion: 1,
    sequence: 12,
    purpose: "release",
    cohort: "cattle-neck",
    createdMs: 1_767_225_600_000,
    selfTest: { seed: 7, logitsHashes: [0xdeadbeef, 1] },
  },
  crypto,
);
const context: ReleaseContext = {
  crypto,
  publicKeys: [ourKey.publicKey],
  cohort: "cattle-neck",
  runningSequence: 11,
  slotBytes: 65_536,
  formatVersion: 1,
};

function offerOf(bytes: Uint8Array, key: Key = ourKey) {
  return { manifest: bytes, signature: sign(null, signedBytes(bytes), key.privateKey) };
}
function openSigned(changes: Partial<ReleaseManifest>, changed: Partial<ReleaseContext> = {}) {
  const opened = openRelease(offerOf(encodeManifest({ ...manifest, ...changes })), {
    ...context,
    ...changed,
  });
  return opened.ok ? "accepted" : opened.outcome;
}

describe("a manifest", () => {
  it("comes back, and fits an offer however large the release", () => {
    expect(decodeManifest(encodeManifest(manifest))).toEqual(manifest);
    const statement = { ...manifest, selfTest: { seed: 0xffff_ffff, logitsHashes: [1, 2, 3, 4] } };
    const largest = manifestOf(new Uint8Array(LIMITS.releaseBytes), statement, crypto);
    expect(encodeManifest(largest).length).toBeLessThanOrEqual(LIMITS.manifestBytes);
  });

  it("is as small as the wire needs it", () => {
    expect(encodeManifest(manifest).length).toBeLessThan(160);
  });

  it("whose parts disagree is refused though it is signed", () => {
    expect(openSigned({ sizeBytes: 50_000 })).toBe("bad-manifest");
    expect(openSigned({ chunkBytes: 64 })).toBe("bad-manifest");
    expect(openSigned({ chunkHashes: manifest.chunkHashes.subarray(8) })).toBe("bad-manifest");
    expect(openSigned({ sha256: new Uint8Array(32) })).toBe("bad-manifest");
    expect(openSigned({ selfTest: { seed: 1, logitsHashes: [] } })).toBe("bad-manifest");
    expect(openSigned({ cohort: "x".repeat(65) })).toBe("bad-manifest");
  });

  it("of another shape is refused though it is signed", () => {
    for (const value of [0, [], new Map(), new Map([[1, 1]]), "release"]) {
      const opened = openRelease(offerOf(encodeCbor(value)), context);
      expect(opened).toEqual({ ok: false, outcome: "bad-manifest" });
    }
  });
});

describe("an offer", () => {
  it("that is as it should be is opened", () => {
    expect(openRelease(offerOf(encodeManifest(manifest)), context)).toEqual({ ok: true, manifest });
  });

  it("U2 manifest modified: no single flipped bit gets in, in manifest or signature", () => {
    const good = offerOf(encodeManifest(manifest));
    for (const part of ["manifest", "signature"] as const) {
      for (let bit = 0; bit < good[part].length * 8; bit++) {
        const bytes = Uint8Array.from(good[part]);
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const opened = openRelease({ ...good, [part]: bytes }, context);
        expect(opened).toEqual({ ok: false, outcome: "bad-signature" });
      }
    }
  });

  it("U2 the signature is checked before the manifest is parsed", () => {
    const garbage = Uint8Array.of(0xff, 0xff, 0xff);
    const unsigned = { manifest: garbage, signature: new Uint8Array(64) };
    expect(openRelease(unsigned, context)).toEqual({ ok: false, outcome: "bad-signature" });
    expect(openRelease(offerOf(garbage), context)).toEqual({ ok: false, outcome: "bad-manifest" });
  });

  it.each([0, 63, 65, 128])("U3 a signature of %i bytes is none", (length) => {
    const offer = { manifest: encodeManifest(manifest), signature: new Uint8Array(length) };
    expect(openRelease(offer, context)).toEqual({ ok: false, outcome: "bad-signature" });
  });

  it("U3 an unknown key, no key at all, and a signature over something else are refused", () => {
    const bytes = encodeManifest(manifest);
    const refused = { ok: false, outcome: "bad-signature" };
    expect(openRelease(offerOf(bytes, foreignKey), context)).toEqual(refused);
    expect(openRelease(offerOf(bytes), { ...context, publicKeys: [] })).toEqual(refused);
    const bare = { manifest: bytes, signature: sign(null, bytes, ourKey.privateKey) };
    expect(openRelease(bare, context)).toEqual(refused);
  });

  it("U4 while keys change both are good, afterwards the old one is not", () => {
    const bytes = encodeManifest(manifest);
    const both = { ...context, publicKeys: [nextKey.publicKey, ourKey.publicKey] };
    expect(openRelease(offerOf(bytes, nextKey), both).ok).toBe(true);
    expect(openRelease(offerOf(bytes), both).ok).toBe(true);
    const after = { ...context, publicKeys: [nextKey.publicKey] };
    expect(openRelease(offerOf(bytes), after)).toEqual({ ok: false, outcome: "bad-signature" });
  });

  it("U5 rollback attack: an older release is stale; a signed rollback has a higher number", () => {
    expect(openSigned({ sequence: 10 })).toBe("stale");
    expect(openSigned({ sequence: 10, purpose: "rollback" })).toBe("stale");
    expect(openSigned({ sequence: 13, purpose: "rollback" })).toBe("accepted");
  });

  it("U6 replay of what runs is stale", () => {
    expect(openSigned({ sequence: 11 })).toBe("stale");
  });

  it("U7 fast-forward: a number that would close the way for later ones is refused", () => {
    expect(openSigned({ sequence: 11 + LIMITS.sequenceJump })).toBe("accepted");
    expect(openSigned({ sequence: 12 + LIMITS.sequenceJump })).toBe("too-far");
    expect(openSigned({ sequence: 0xffff_ffff })).toBe("too-far");
  });

  it("U10 incompatible: another cohort, a container format not understood, a slot too small", () => {
    expect(openSigned({ cohort: "cattle-ear" })).toBe("wrong-cohort");
    expect(openSigned({ formatVersion: 2 })).toBe("wrong-format");
    expect(openSigned({}, { slotBytes: 4_999 })).toBe("too-large");
    expect(openSigned({}, { slotBytes: 5_000 })).toBe("accepted");
  });

  it("never throws, whatever is signed", () => {
    const bytes = encodeManifest(manifest);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.nat(8), (place, byte, cut) => {
        const changed = Uint8Array.from(bytes).subarray(0, bytes.length - cut);
        changed[place % changed.length] = byte;
        const opened = openRelease(offerOf(changed), context);
        if (opened.ok) expect(encodeManifest(opened.manifest)).toEqual(changed);
      }),
      { numRuns: 1_000 },
    );
  });
});
