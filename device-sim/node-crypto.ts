/** SHA-256 and Ed25519 by Node's own crypto, for nodes that run in Node. */

import { createHash, createPublicKey, type KeyObject, verify } from "node:crypto";
import type { Crypto } from "../src/wire/release.ts";

/** SubjectPublicKeyInfo of an Ed25519 key up to the key itself (RFC 8410, section 4). */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
const KEY_BYTES = 32;

export const nodeCrypto: Crypto = {
  sha256: (bytes) => createHash("sha256").update(bytes).digest(),
  verify: (publicKey, message, signature) => {
    const key = ed25519Key(publicKey);
    return key !== undefined && verify(null, message, key, signature);
  },
};

/** Undefined for bytes that are no key. */
function ed25519Key(bytes: Uint8Array): KeyObject | undefined {
  if (bytes.length !== KEY_BYTES) return undefined;
  try {
    return createPublicKey({
      key: Buffer.concat([SPKI_PREFIX, bytes]),
      format: "der",
      type: "spki",
    });
  } catch {
    return undefined;
  }
}
