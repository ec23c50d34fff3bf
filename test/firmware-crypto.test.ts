/**
 * The firmware's hashes and signatures against published vectors and against `node:crypto`.
 *
 * One host process, compiled with the address and undefined-behaviour sanitizers, answers all jobs of
 * a test. Where a signature is odd rather than wrong (points of small order, numbers that are not in
 * their only form) there is no vector: what OpenSSL decides is what the firmware must decide.
 */

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ed25519Table } from "../deploy/firmware/tools/ed25519-table.ts";
import { compile, FIRMWARE_FOLDER, findProgram } from "../deploy/firmware/tools/toolchain.ts";
import { crc32 } from "../device-sim/crc32.ts";
import { below, prng } from "../src/prng.ts";
import { firmwareSources, SANITIZERS } from "./firmware-kit.ts";
import {
  flipBit,
  isStrictNode,
  largeNumbers,
  nodeVerify,
  randomBytes,
  randomKeys,
  type Signed,
  signMixed,
  smallOrders,
  tamperedSignatures,
} from "./signature-cases.ts";

const there = findProgram("gcc") !== undefined;
if (!there) console.log("the firmware's cryptography is skipped: it needs gcc");

const folder = mkdtempSync(join(tmpdir(), "bellwether-crypto-"));
const program = join(folder, "crypto");
/** The same with the Cortex-M0's multiplication, put together from four. */
const narrowProgram = join(folder, "crypto-narrow");
afterAll(() => rmSync(folder, { recursive: true }));

function job(what: string, ...parts: readonly Uint8Array[]): Buffer {
  const head = Buffer.alloc(5, what);
  head.writeUInt32LE(
    parts.reduce((sum, part) => sum + part.length, 0),
    1,
  );
  return Buffer.concat([head, ...parts]);
}

function u32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function answers(jobs: readonly Buffer[], bytesEach: number, by = program): Buffer[] {
  const output = execFileSync(by, { input: Buffer.concat(jobs), maxBuffer: 1 << 28 });
  expect(output).toHaveLength(jobs.length * bytesEach);
  return jobs.map((_, i) => output.subarray(i * bytesEach, (i + 1) * bytesEach));
}

/** The message in two parts of any lengths: a release's prefix and its manifest. */
function verify(cases: readonly Signed[]): boolean[] {
  const jobs = cases.map(({ key, message, signature }, i) =>
    job("v", signature, key, u32(i % (message.length + 1)), message),
  );
  const decided = answers(jobs, 1);
  const some = (_: unknown, i: number): boolean => i % 4 === 0;
  expect(answers(jobs.filter(some), 1, narrowProgram)).toEqual(decided.filter(some));
  return decided.map(([answer]) => answer === 1);
}

describe.skipIf(!there)("the firmware's cryptography", () => {
  beforeAll(() => {
    const sources = firmwareSources("host/crypto_host.c", "crypto");
    const flags = [...SANITIZERS, "-O2"];
    compile({ target: "host", sources, output: program, flags });
    const narrow = [...flags, "-DBW_NARROW_MULTIPLY"];
    compile({ target: "host", sources, output: narrowProgram, flags: narrow });
  });

  it("hashes as FIPS 180-4 and RFC 6234 say", () => {
    // RFC 6234, section 8.5, TEST1, TEST2_1 (256) or TEST2_2 (512), TEST3 and the empty text.
    const million = new Uint8Array(1_000_000).fill("a".charCodeAt(0));
    const text = (value: string): Uint8Array => Buffer.from(value, "latin1");
    const two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    const three =
      "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn" +
      "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";
    const known256: readonly [Uint8Array, string][] = [
      [text("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
      [text(two), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"],
      [million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"],
      [text(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    ];
    const known512: readonly [Uint8Array, string][] = [
      [
        text("abc"),
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" +
          "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
      ],
      [
        text(three),
        "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018" +
          "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909",
      ],
      [
        million,
        "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973eb" +
          "de0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b",
      ],
    ];
    const hex = (what: string, known: readonly [Uint8Array, string][], bytes: number): string[] =>
      answers(
        known.map(([message]) => job(what, u32(4096), message)),
        bytes,
      ).map((digest) => digest.toString("hex"));
    expect(hex("h", known256, 32)).toEqual(known256.map(([, digest]) => digest));
    expect(hex("H", known512, 64)).toEqual(known512.map(([, digest]) => digest));
  });

  it("hashes every length about a block's, in pieces of any length", () => {
    const random = prng(2, "hashes");
    const messages = Array.from({ length: 400 }, (_, length) => randomBytes(random, length));
    const jobs = (what: string): Buffer[] =>
      messages.map((message) => job(what, u32(1 + below(random, 200)), message));
    const known = (name: string): Buffer[] =>
      messages.map((message) => createHash(name).update(message).digest());
    expect(answers(jobs("h"), 32)).toEqual(known("sha256"));
    expect(answers(jobs("H"), 64)).toEqual(known("sha512"));
    const sums = answers(
      messages.map((message) => job("c", message)),
      4,
    );
    expect(sums.map((sum) => sum.readUInt32LE())).toEqual(messages.map(crc32));
  });

  it("verifies the vectors of RFC 8032, section 7.1", () => {
    const path = join(import.meta.dirname, "golden/ed25519-rfc8032.json");
    const vectors: readonly Record<keyof Signed, string>[] = JSON.parse(
      readFileSync(path, "utf8"),
    ).cases;
    const cases = vectors.map(({ key, message, signature }) => ({
      key: Buffer.from(key, "hex"),
      message: Buffer.from(message, "hex"),
      signature: Buffer.from(signature, "hex"),
    }));
    expect(cases.map(({ message }) => message.length)).toEqual([0, 1, 2, 1023, 64]);
    expect(verify(cases)).toEqual(cases.map(() => true));
    const spoilt = cases.flatMap((one) => [
      { ...one, signature: flipBit(one.signature, 100) },
      { ...one, key: flipBit(one.key, 100) },
      { ...one, message: Buffer.concat([one.message, Buffer.of(0)]) },
    ]);
    expect(verify(spoilt)).toEqual(spoilt.map(() => false));
  });

  it("decides on 3,000 good and tampered signatures as Node does", () => {
    const cases = tamperedSignatures(3000);
    const decided = verify(cases);
    expect(decided).toEqual(cases.map(nodeVerify));
    expect(decided.filter((good) => good)).toHaveLength(750);
  });

  it("refuses an S that is L or more, though the equation holds", () => {
    const { cases, edges } = largeNumbers();
    const decided = verify([...cases, ...edges]);
    expect(decided).toEqual([...cases, ...edges].map(nodeVerify));
    expect(decided.filter((good) => good)).toHaveLength(64);
  });

  it("refuses keys and R of small order in any form, as Node from 24.21 on does", () => {
    const cases = smallOrders();
    const byNode = cases.map(nodeVerify);
    if (isStrictNode()) expect(byNode).toEqual(cases.map(() => false));
    else expect(byNode.filter((good) => good).length).toBeGreaterThan(20);
    expect(verify(cases)).toEqual(cases.map(() => false));
  });

  it("takes a key that a point of small order was added to for as many messages as Node", () => {
    const cases = signMixed(160);
    const decided = verify(cases);
    expect(decided).toEqual(cases.map(nodeVerify));
    // With the cofactor all would hold; without it, those whose hash is a multiple of the order.
    const good = decided.filter((one) => one).length;
    expect(good).toBeGreaterThan(8);
    expect(good).toBeLessThan(80);
  });

  it("takes keys that name no point, and every other, as OpenSSL does", () => {
    const cases = randomKeys(500);
    expect(verify(cases)).toEqual(cases.map(nodeVerify));
  });

  it("has the curve's constants as its tool makes them", () => {
    const path = join(FIRMWARE_FOLDER, "crypto/bw_ed25519_table.h");
    expect(readFileSync(path, "utf8")).toBe(ed25519Table());
  });
});
