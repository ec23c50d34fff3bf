/**
 * A small certificate authority of one's own: X.509 certificates of version 3 (RFC 5280) for the
 * authority, for the gateway's listeners, and for nodes.
 *
 * ECDSA on P-256 with SHA-256, which browsers, Mosquitto and mbedTLS on a microcontroller all take.
 * Three fixed shapes are written here rather than by a library, since the kept ones bring a dozen
 * packages along; reading, checking and everything that meets foreign bytes is OpenSSL's, inside Node.
 */

import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from "node:crypto";
import {
  addressBytes,
  bitString,
  boolean,
  integer,
  octetString,
  oid,
  sequence,
  set,
  tagged,
  time,
  utf8,
} from "./der.ts";

const OID = {
  commonName: "2.5.4.3",
  organisation: "2.5.4.10",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  subjectKeyId: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyId: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
} as const;

export const DAY_MS = 24 * 3600 * 1000;
/** Nodes hold the authority's certificate and nothing else of us; replacing it is a walk to each. */
const AUTHORITY_DAYS = 20 * 365;
/** The most that browsers accept; the gateway renews its own in time. */
const SERVER_DAYS = 397;
const CLIENT_DAYS = 10 * 365;
/** Clocks of small devices are wrong by minutes. */
const BACKDATED_MS = 3600 * 1000;

/** A certificate with its private key. */
export type Issued = {
  /** PEM. */
  readonly certificate: string;
  /** PKCS #8, PEM. */
  readonly key: string;
};

/** Who signs. */
export type Authority = { readonly certificate: X509Certificate; readonly key: KeyObject };

export function makeAuthority(name: string, nowMs: number): Issued {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const subject = nameOf(name);
  const certificate = signCertificate({
    subject,
    issuer: subject,
    publicKey,
    signer: privateKey,
    days: AUTHORITY_DAYS,
    nowMs,
    extensions: [
      extension(OID.basicConstraints, sequence(boolean(true), integer(Uint8Array.of(0))), true),
      // keyCertSign and cRLSign are bits 5 and 6.
      extension(OID.keyUsage, bitString(Uint8Array.of(0x06), 1), true),
      extension(OID.subjectKeyId, octetString(keyId(publicKey))),
    ],
  });
  return { certificate, key: pemOf(privateKey) };
}

/** @param names host names and addresses by which clients reach the gateway; at least one */
export function issueServer(authority: Authority, names: readonly string[], nowMs: number): Issued {
  const alternatives = names.map((name) => {
    const address = addressBytes(name);
    return address === undefined
      ? tagged(2, Buffer.from(name, "latin1"), "in place")
      : tagged(7, address, "in place");
  });
  return issue(authority, names[0] ?? "", SERVER_DAYS, nowMs, [
    extension(OID.extendedKeyUsage, sequence(oid(OID.serverAuth))),
    extension(OID.subjectAltName, sequence(...alternatives)),
  ]);
}

export function issueClient(authority: Authority, node: string, nowMs: number): Issued {
  return issue(authority, node, CLIENT_DAYS, nowMs, [
    extension(OID.extendedKeyUsage, sequence(oid(OID.clientAuth))),
  ]);
}

/** As the broker compares it: SHA-256 of the whole certificate, lower case hex. */
export function fingerprintOf(certificate: X509Certificate): string {
  return certificate.fingerprint256.replaceAll(":", "").toLowerCase();
}

/** Host names and addresses that a server's certificate names. */
export function namesOf(certificate: X509Certificate): readonly string[] {
  return (certificate.subjectAltName ?? "")
    .split(", ")
    .map((entry) => /^(?:DNS|IP Address):(.+)$/.exec(entry)?.[1])
    .filter((name) => name !== undefined);
}

function issue(
  authority: Authority,
  name: string,
  days: number,
  nowMs: number,
  extensions: readonly Buffer[],
): Issued {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const authorityKey = authority.certificate.publicKey;
  const certificate = signCertificate({
    subject: nameOf(name),
    issuer: nameOf(commonNameOf(authority.certificate)),
    publicKey,
    signer: authority.key,
    days,
    nowMs,
    extensions: [
      extension(OID.basicConstraints, sequence(), true),
      // digitalSignature is bit 0: all that ECDHE needs.
      extension(OID.keyUsage, bitString(Uint8Array.of(0x80), 7), true),
      ...extensions,
      extension(OID.subjectKeyId, octetString(keyId(publicKey))),
      extension(OID.authorityKeyId, sequence(tagged(0, keyId(authorityKey), "in place"))),
    ],
  });
  return { certificate, key: pemOf(privateKey) };
}

/** Empty where there is none, or more than one: then nobody is named. */
export function commonNameOf(certificate: X509Certificate): string {
  const names = certificate.subject.split("\n").filter((line) => line.startsWith("CN="));
  return names.length === 1 ? (names[0] ?? "").slice(3) : "";
}

type ToSign = {
  readonly subject: Buffer;
  readonly issuer: Buffer;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly days: number;
  readonly nowMs: number;
  readonly extensions: readonly Buffer[];
};

/** RFC 5280, 4.1. */
function signCertificate(parts: ToSign): string {
  const { subject, issuer, publicKey, signer, days, nowMs, extensions } = parts;
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const serial = randomBytes(16);
  // Positive, and never shorter than the rest.
  serial[0] = ((serial[0] as number) & 0x7f) | 0x40;
  const body = sequence(
    tagged(0, integer(Uint8Array.of(2)), "around"),
    integer(serial),
    algorithm,
    issuer,
    sequence(time(nowMs - BACKDATED_MS), time(nowMs + days * DAY_MS)),
    subject,
    publicKey.export({ format: "der", type: "spki" }),
    tagged(3, sequence(...extensions), "around"),
  );
  const signature = sign("sha256", body, signer);
  const der = sequence(body, algorithm, bitString(signature));
  return new X509Certificate(der).toString();
}

function extension(id: string, content: Buffer, critical = false): Buffer {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), octetString(content));
}

function nameOf(commonName: string): Buffer {
  const part = (id: string, text: string): Buffer => set(sequence(oid(id), utf8(text)));
  return sequence(part(OID.organisation, "Bellwether"), part(OID.commonName, commonName));
}

/** RFC 5280, 4.2.1.2, method 1: SHA-1 of the public key's bits. It names a key and secures nothing. */
function keyId(publicKey: KeyObject): Buffer {
  const key = createPublicKey(publicKey.export({ format: "pem", type: "spki" }));
  const { x = "", y = "" } = key.export({ format: "jwk" });
  const point = Buffer.concat([
    Uint8Array.of(4),
    Buffer.from(x, "base64url"),
    Buffer.from(y, "base64url"),
  ]);
  return createHash("sha1").update(point).digest();
}

function pemOf(key: KeyObject): string {
  return key.export({ format: "pem", type: "pkcs8" }).toString();
}
