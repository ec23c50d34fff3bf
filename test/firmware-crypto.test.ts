/**
 * The firmware's hashes and signatures against published vectors and against `node:crypto`.
 *
 * One host process, compiled with the address and undefined-behaviour sanitizers, answers all jobs of
 * a test. Where a signature is odd rather than wrong (points of small order, numbers that are not in
 * their only form) there is no vector: what OpenSSL decides is what the firmware must decide.
 */

import { execFileSync } from "node:child_process";
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  addPoints,
  basePoint,
  ed25519Table,
  type Point,
} from "../deploy/firmware/tools/ed25519-table.ts";
import { compile, FIRMWARE_FOLDER, findProgram } from "../deploy/firmware/tools/toolchain.ts";
import { crc32 } from "../device-sim/crc32.ts";
import { nodeCrypto } from "../device-sim/node-crypto.ts";
import { below, type Prng, prng } from "../src/prng.ts";
import { firmwareSources, SANITIZERS } from "./firmware-kit.ts";

const there = findProgram("gcc") !== undefined;
if (!there) console.log("the firmware's cryptography is skipped: it needs gcc");

const folder = mkdtempSync(join(tmpdir(), "bellwether-crypto-"));
const program = join(folder, "crypto");
/** The same with the Cortex-M0's multiplication, put together from four. */
const narrowProgram = join(folder, "crypto-narrow");
afterAll(() => rmSync(folder, { recursive: true }));

const P = 2n ** 255n - 19n;
/** Where x^2 = -y^2, that is d y^4 + 2 y^2 = 1: eight times it is the neutral element. */
const ORDER_8: Point = {
  x: 0x1fd5b9a006394a28e933993238de4abb5c193c7013e5e238dea14646c545d14an,
  y: 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
};
const L = 2n ** 252n + 27742317777372353535851937790883648493n;

type Signed = {
  readonly key: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
};

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

const nodeVerify = ({ key, message, signature }: Signed): boolean =>
  nodeCrypto.verify(key, message, signature);

function randomBytes(random: Prng, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => below(random, 256));
}

function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}

function fromLittleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = bytes.slice();
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
}

/** As many signers as asked for, each with one message of up to 300 bytes. */
function signedMessages(count: number, name: string): Signed[] {
  const random = prng(1, name);
  const signers = Array.from({ length: 16 }, () => generateKeyPairSync("ed25519"));
  return Array.from({ length: count }, (_, i) => {
    const signer = signers[i % signers.length] as (typeof signers)[number];
    const message = randomBytes(random, below(random, 300));
    const key = signer.publicKey.export({ format: "der", type: "spki" }).subarray(-32);
    return { key, message, signature: sign(null, message, signer.privateKey) };
  });
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
    const random = prng(3, "tampering");
    const cases = signedMessages(3000, "messages").map((one, i): Signed => {
      switch (i % 4) {
        case 1:
          return { ...one, signature: flipBit(one.signature, below(random, 512)) };
        case 2:
          return { ...one, key: flipBit(one.key, below(random, 256)) };
        case 3:
          return i % 8 === 3 || one.message.length === 0
            ? { ...one, signature: randomBytes(random, 64) }
            : { ...one, message: flipBit(one.message, below(random, 8 * one.message.length)) };
        default:
          return one;
      }
    });
    const decided = verify(cases);
    expect(decided).toEqual(cases.map(nodeVerify));
    expect(decided.filter((good) => good)).toHaveLength(750);
  });

  it("refuses an S that is L or more, though the equation holds", () => {
    const cases = signedMessages(64, "malleable").flatMap((one) => {
      const s = fromLittleEndian(one.signature.subarray(32));
      const multiples = [0n, 1n, 2n, 7n, 14n, 15n].filter((k) => s + k * L < 2n ** 256n);
      return multiples.map((k) => ({
        ...one,
        signature: Buffer.concat([one.signature.subarray(0, 32), littleEndian(s + k * L)]),
      }));
    });
    const edges = [0n, L - 1n, L, L + 1n, 2n ** 252n, 2n ** 255n, 2n ** 256n - 1n].map((s) => ({
      ...(cases[0] as Signed),
      signature: Buffer.concat([(cases[0] as Signed).signature.subarray(0, 32), littleEndian(s)]),
    }));
    const decided = verify([...cases, ...edges]);
    expect(decided).toEqual([...cases, ...edges].map(nodeVerify));
    expect(decided.filter((good) => good)).toHaveLength(64);
  });

  it("refuses keys and R of small order in any form, as Node from 24.21 on does", () => {
    const odd = oddPoints();
    const cases = odd.flatMap((key) =>
      [...odd, bytesOf(basePoint())].flatMap((r) =>
        // The equation holds for S = 0 and R of small order, or S = 1 and R = B, with some messages.
        [0, 1, 2].map((i) => ({
          key,
          message: Buffer.of(i),
          signature: Buffer.concat([r, littleEndian(r[0] === 0x58 ? 1n : 0n)]),
        })),
      ),
    );
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
    const random = prng(5, "keys");
    const [one] = signedMessages(1, "keys") as [Signed];
    const cases = Array.from({ length: 500 }, () => ({ ...one, key: randomBytes(random, 32) }));
    expect(verify(cases)).toEqual(cases.map(nodeVerify));
  });

  it("has the curve's constants as its tool makes them", () => {
    const path = join(FIRMWARE_FOLDER, "crypto/bw_ed25519_table.h");
    expect(readFileSync(path, "utf8")).toBe(ed25519Table());
  });
});

/** The eight points of small order in all their forms, and keys near the edges: y of 0, 1 and -1,
 * the two of order 8, and these plus p where that is below 2^255, each with both signs. */
function oddPoints(): Uint8Array[] {
  const small = [0n, 1n, P - 1n, ORDER_8.y, P - ORDER_8.y];
  const again = [P, P + 1n];
  return [...small, ...again].flatMap((y) => [littleEndian(y), littleEndian(y | (1n << 255n))]);
}

/** Signs with a key to which a point of order 8 was added; section 5.1.6 with a nonce of 1. */
function signMixed(count: number): Signed[] {
  const secret = 0xbe11n;
  const key = bytesOf(addPoints(multiply(secret), ORDER_8));
  const r = bytesOf(basePoint());
  return Array.from({ length: count }, (_, number) => {
    const message = Buffer.of(number);
    const hash = createHash("sha512").update(r).update(key).update(message).digest();
    const s = (1n + fromLittleEndian(hash) * secret) % L;
    return { key, message, signature: Buffer.concat([r, littleEndian(s)]) };
  });
}

function multiply(scalar: bigint): Point {
  let sum: Point = { x: 0n, y: 1n };
  let power = basePoint();
  for (let left = scalar; left > 0n; left >>= 1n) {
    if (left & 1n) sum = addPoints(sum, power);
    power = addPoints(power, power);
  }
  return sum;
}

function bytesOf({ x, y }: Point): Uint8Array {
  return littleEndian(y | ((x & 1n) << 255n));
}

/** Node refuses points of small order from 24.21 on; before, it held to the equation alone. */
function isStrictNode(): boolean {
  const one = littleEndian(1n);
  const signature = Buffer.concat([one, littleEndian(0n)]);
  return !nodeVerify({ key: one, message: Buffer.of(0), signature });
}
