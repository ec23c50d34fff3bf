/**
 * The gateway's release key: Ed25519 (RFC 8032), made at the first start.
 *
 * `release-key.pem` holds the private key (PKCS #8) with mode 0600; `release-key.pub` the 32 public
 * bytes as hex, which nodes are given when they are provisioned. A private key that others may read
 * is refused, not repaired: by then it may have been copied.
 */

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import { statSync } from "node:fs";
import path from "node:path";
import { EdgeError } from "../../src/assert.ts";
import type { Crypto } from "../../src/wire/release.ts";
import { type Disk, nodeDisk, readIfThere, writeDurably } from "../store/durable-file.ts";

const PUBLIC_KEY_BYTES = 32;
/** DER of an Ed25519 SubjectPublicKeyInfo up to the key itself (RFC 8410, section 4). */
const PUBLIC_KEY_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

export type ReleaseKeys = {
  /** 32 bytes, as nodes hold it. */
  readonly publicKey: Uint8Array;
  /** The 64-byte Ed25519 signature of the message. */
  sign(message: Uint8Array): Uint8Array;
};

/** Opens the key pair of a data directory, and makes it where there is none. */
export function openReleaseKeys(directory: string, disk: Disk = nodeDisk): ReleaseKeys {
  disk.makeFolder(directory);
  const file = path.join(directory, "release-key.pem");
  const stored = readIfThere(file);
  const privateKey = stored === undefined ? createKey(file, disk) : parseKey(file, stored);
  const keys = keysOf(privateKey);
  // Written again at every start: a cut between the two files heals itself.
  writeDurably(
    disk,
    path.join(directory, "release-key.pub"),
    Buffer.from(`${Buffer.from(keys.publicKey).toString("hex")}\n`),
  );
  return keys;
}

/** A key pair that lives in memory only, for tests and benchmarks. */
export function temporaryReleaseKeys(): ReleaseKeys {
  return keysOf(generateKeyPairSync("ed25519").privateKey);
}

/** SHA-256 and Ed25519 verification by `node:crypto`, for the pure code. */
export const gatewayCrypto: Crypto = {
  sha256: (bytes) => createHash("sha256").update(bytes).digest(),
  verify: (publicKey, message, signature) => {
    if (publicKey.length !== PUBLIC_KEY_BYTES) return false;
    const key = createPublicKey({
      key: Buffer.concat([PUBLIC_KEY_PREFIX, publicKey]),
      format: "der",
      type: "spki",
    });
    return verify(null, message, key, signature);
  },
};

function keysOf(privateKey: KeyObject): ReleaseKeys {
  const der = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  return {
    publicKey: new Uint8Array(der.subarray(PUBLIC_KEY_PREFIX.length)),
    sign: (message) => new Uint8Array(sign(null, message, privateKey)),
  };
}

function createKey(file: string, disk: Disk): KeyObject {
  const { privateKey } = generateKeyPairSync("ed25519");
  const pem = privateKey.export({ format: "pem", type: "pkcs8" });
  writeDurably(disk, file, Buffer.from(pem), 0o600);
  return privateKey;
}

function parseKey(file: string, pem: Uint8Array): KeyObject {
  // Windows has no such bits: there the folder's access list is what protects the key.
  if (process.platform !== "win32" && (statSync(file).mode & 0o077) !== 0) {
    throw new EdgeError({
      code: "key-readable-by-others",
      message: "others may read the private release key",
      where: file,
      hint: `If nobody else uses this machine run \`chmod 600 ${file}\`; otherwise remove the file and give every node the new public key.`,
    });
  }
  try {
    const key = createPrivateKey(Buffer.from(pem));
    if (key.asymmetricKeyType === "ed25519") return key;
  } catch {
    // Told below, together with keys of another kind.
  }
  throw new EdgeError({
    code: "key-unreadable",
    message: "is not an Ed25519 private key in PKCS #8 PEM",
    where: file,
    hint: "Restore it from a backup, or remove it and give every node the new public key.",
  });
}
