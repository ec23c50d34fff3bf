import { generateKeyPairSync } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { gatewayCrypto, openReleaseKeys } from "../gateway/release/release-keys.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), "keys-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const message = new TextEncoder().encode("a release");

describe("the release key", () => {
  test("is made once, for its owner's eyes only, and signs so that nodes can verify", () => {
    const first = openReleaseKeys(directory);
    const again = openReleaseKeys(directory);
    expect(again.publicKey).toEqual(first.publicKey);
    expect(first.publicKey).toHaveLength(32);
    const file = path.join(directory, "release-key.pem");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const published = readFileSync(path.join(directory, "release-key.pub"), "utf8");
    expect(published).toBe(`${Buffer.from(first.publicKey).toString("hex")}\n`);
    const signature = again.sign(message);
    expect(signature).toHaveLength(64);
    expect(gatewayCrypto.verify(first.publicKey, message, signature)).toBe(true);
    expect(gatewayCrypto.verify(first.publicKey, message.subarray(1), signature)).toBe(false);
    expect(gatewayCrypto.verify(new Uint8Array(32), message, signature)).toBe(false);
    expect(gatewayCrypto.verify(first.publicKey.subarray(1), message, signature)).toBe(false);
  });

  test("is refused when others may read it", () => {
    openReleaseKeys(directory);
    const file = path.join(directory, "release-key.pem");
    for (const mode of [0o644, 0o640, 0o604]) {
      chmodSync(file, mode);
      expect(() => openReleaseKeys(directory)).toThrow(/key-readable-by-others/);
    }
    chmodSync(file, 0o600);
    openReleaseKeys(directory);
  });

  test("is refused when it is none, or of another kind", () => {
    const file = path.join(directory, "release-key.pem");
    const rsa = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey;
    for (const text of ["", "hello", rsa.export({ format: "pem", type: "pkcs8" })]) {
      writeFileSync(file, text, { mode: 0o600 });
      expect(() => openReleaseKeys(directory)).toThrow(/key-unreadable/);
    }
  });
});
