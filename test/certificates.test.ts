/** The authority of one's own, judged by OpenSSL: its program where it is there, and Node's always. */

import { X509Certificate } from "node:crypto";
import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { createSecureContext } from "node:tls";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  daysLeft,
  openAuthority,
  renewServer,
  type TlsFiles,
  tlsFiles,
  writeServer,
} from "../gateway/access/certificate-files.ts";
import {
  commonNameOf,
  fingerprintOf,
  issueClient,
  issueServer,
  namesOf,
} from "../gateway/access/certificates.ts";
import { addressBytes, integer, oid, sequence, time } from "../gateway/access/der.ts";
import { run } from "./access-kit.ts";
import { removeFolder, temporaryFolder } from "./gateway-kit.ts";

const NOW_MS = Date.now();
let folder: string;
let files: TlsFiles;

beforeEach(() => {
  folder = temporaryFolder();
  files = tlsFiles(folder);
});

afterEach(() => removeFolder(folder));

const hasOpenssl = (await run("openssl", ["version"])).code === 0;
if (!hasOpenssl)
  console.info("openssl is not installed: what it says of our certificates is skipped");

describe("what is written", () => {
  it("is as the standard has it", () => {
    // X.690, 8.19.5 and 8.3; RFC 5280, 4.1.2.5.
    expect(oid("2.100.3").toString("hex")).toBe("0603813403");
    expect(oid("1.2.840.10045.4.3.2").toString("hex")).toBe("06082a8648ce3d040302");
    expect(integer(Uint8Array.of(0, 0x80)).toString("hex")).toBe("02020080");
    expect(integer(Uint8Array.of(0, 0, 1)).toString("hex")).toBe("020101");
    expect(time(Date.UTC(2049, 11, 31, 23, 59, 59)).toString("latin1")).toBe(
      "\u0017\r491231235959Z",
    );
    expect(time(Date.UTC(2050, 0, 1)).toString("latin1")).toBe("\u0018\u000f20500101000000Z");
    expect(sequence(Buffer.alloc(300)).subarray(0, 4).toString("hex")).toBe("3082012c");
    expect(addressBytes("10.0.0.1")?.toString("hex")).toBe("0a000001");
    expect(addressBytes("2001:db8::1")?.toString("hex")).toBe("20010db8000000000000000000000001");
    for (const other of ["farm.local", "1.2.3", "fe80::1%eth0", "::ffff:1.2.3.4", ""]) {
      expect(addressBytes(other), other).toBeUndefined();
    }
  });

  it("is one authority however often it is asked for, with keys that nobody else reads", () => {
    const first = openAuthority(files, "farm", NOW_MS);
    const again = openAuthority(files, "farm", NOW_MS);
    expect(again.certificate.fingerprint256).toBe(first.certificate.fingerprint256);
    expect(first.certificate.ca).toBe(true);
    writeServer(files, issueServer(first, ["farm.local", "10.0.0.1"], NOW_MS));
    for (const file of [files.caKey, files.serverKey])
      expect(statSync(file).mode & 0o777).toBe(0o600);
    chmodSync(files.caKey, 0o644);
    expect(() => openAuthority(files, "farm", NOW_MS)).toThrow("key-readable-by-others");
    rmSync(files.caKey);
    expect(() => openAuthority(files, "farm", NOW_MS)).toThrow("ca-key.pem is missing");
  });

  it("fits its key, its issuer and its names", () => {
    const authority = openAuthority(files, "farm", NOW_MS);
    const issued = issueServer(authority, ["farm.local", "10.0.0.1", "2001:db8::1"], NOW_MS);
    const server = new X509Certificate(issued.certificate);
    expect(server.verify(authority.certificate.publicKey)).toBe(true);
    expect(server.checkIssued(authority.certificate)).toBe(true);
    expect(server.checkHost("farm.local")).toBe("farm.local");
    expect(server.checkIP("10.0.0.1")).toBe("10.0.0.1");
    expect(server.checkHost("other.local")).toBeUndefined();
    expect(namesOf(server)).toContain("10.0.0.1");
    expect(server.ca).toBe(false);
    expect(() => createSecureContext({ cert: issued.certificate, key: issued.key })).not.toThrow();
    const client = new X509Certificate(issueClient(authority, "collar-1", NOW_MS).certificate);
    expect(commonNameOf(client)).toBe("collar-1");
    expect(fingerprintOf(client)).toMatch(/^[0-9a-f]{64}$/);
  });

  it("is renewed near its end with the same names, and only where the key is at hand", () => {
    const authority = openAuthority(files, "farm", NOW_MS);
    writeServer(files, issueServer(authority, ["farm.local", "2001:db8::1"], NOW_MS));
    const first = new X509Certificate(readFileSync(files.server));
    expect(daysLeft(first, NOW_MS)).toBeCloseTo(397, 1);
    expect(renewServer(files, NOW_MS)).toBe(false);
    const laterMs = NOW_MS + 340 * 24 * 3600 * 1000;
    expect(renewServer(files, laterMs)).toBe(true);
    const second = new X509Certificate(readFileSync(files.server));
    expect(daysLeft(second, laterMs)).toBeCloseTo(397, 1);
    expect(namesOf(second)).toEqual(namesOf(first));
    rmSync(files.caKey);
    expect(renewServer(files, laterMs + 340 * 24 * 3600 * 1000)).toBe(false);
  });
});

describe.skipIf(!hasOpenssl)("openssl, which is not ours", () => {
  it("takes each of a hundred strictly, for what it is for and for nothing else", async () => {
    const authority = openAuthority(files, "farm", NOW_MS);
    const verify = (file: string, purpose: string) =>
      run("openssl", ["verify", "-x509_strict", "-CAfile", files.ca, "-purpose", purpose, file]);
    const names: string[] = [];
    // Serial numbers and signatures are random, and some begin with bits that need care.
    for (let i = 0; i < 100; i++) {
      const file = path.join(folder, `${i}.pem`);
      writeFileSync(file, issueServer(authority, ["farm.local"], NOW_MS).certificate);
      names.push(file);
    }
    const all = await run("openssl", [
      ...["verify", "-x509_strict", "-CAfile", files.ca, "-purpose", "sslserver"],
      ...names,
    ]);
    expect(all.out.match(/: OK$/gm)).toHaveLength(100);
    const client = path.join(folder, "client.pem");
    writeFileSync(client, issueClient(authority, "collar-1", NOW_MS).certificate);
    expect((await verify(client, "sslclient")).code).toBe(0);
    expect((await verify(client, "sslserver")).code).not.toBe(0);
    expect((await verify(names[0] as string, "sslclient")).code).not.toBe(0);
    const other = openAuthority(tlsFiles(path.join(folder, "other")), "other", NOW_MS);
    writeFileSync(client, issueClient(other, "collar-1", NOW_MS).certificate);
    expect((await verify(client, "sslclient")).code).not.toBe(0);
  });
});
