import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { pageCrypto } from "../device-sim/browser/page-crypto.ts";
import { sha512 } from "../device-sim/browser/sha2.ts";
import { below, prng } from "../src/prng.ts";
import {
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

const verify = ({ key, message, signature }: Signed): boolean =>
  pageCrypto.verify(key, message, signature);

describe("hashes of the page", () => {
  // Every length about the ends of blocks, and some of many blocks.
  const lengths = [...Array.from({ length: 260 }, (_, i) => i), 1_000, 4_096, 65_537];

  it.each([
    ["sha256", pageCrypto.sha256],
    ["sha512", sha512],
  ] as const)("%s are Node's", (name, hash) => {
    const random = prng(1, name);
    for (const length of lengths) {
      const message = randomBytes(random, length);
      const expected = createHash(name).update(message).digest("hex");
      expect(Buffer.from(hash(message)).toString("hex"), `${length} bytes`).toBe(expected);
    }
  });

  it("leave alone what stands before and behind the bytes", () => {
    const large = randomBytes(prng(2, "view"), 300);
    const part = large.subarray(7, 7 + below(prng(3, "view"), 200));
    expect(pageCrypto.sha256(part)).toEqual(pageCrypto.sha256(part.slice()));
  });
});

describe("signatures on the page", { timeout: 120_000 }, () => {
  it("are decided on as by Node, good and tampered", () => {
    const cases = tamperedSignatures(400);
    const beganMs = performance.now();
    const decided = cases.map(verify);
    const eachMs = (performance.now() - beganMs) / cases.length;
    console.log(`${eachMs.toFixed(1)} ms a signature, three in four of them spoilt`);
    expect(decided).toEqual(cases.map(nodeVerify));
    expect(decided.filter((good) => good)).toHaveLength(100);
  });

  it("are refused where S is the order or more, though the equation holds", () => {
    const { cases, edges } = largeNumbers();
    const decided = [...cases, ...edges].map(verify);
    expect(decided).toEqual([...cases, ...edges].map(nodeVerify));
    expect(decided.filter((good) => good)).toHaveLength(64);
  });

  it("are refused with points of small order in any form, as Node from 24.21 on does", () => {
    const cases = smallOrders();
    if (isStrictNode()) expect(cases.map(nodeVerify)).toEqual(cases.map(() => false));
    expect(cases.map(verify)).toEqual(cases.map(() => false));
  });

  it("are checked without the cofactor, as Node does", () => {
    const cases = signMixed(80);
    const decided = cases.map(verify);
    expect(decided).toEqual(cases.map(nodeVerify));
    expect(decided).toContain(true);
    expect(decided).toContain(false);
  });

  it("by keys that name no point, and by others, are refused as by OpenSSL", () => {
    const cases = randomKeys(100);
    expect(cases.map(verify)).toEqual(cases.map(nodeVerify));
  });

  it("of another length are none", () => {
    const [one] = tamperedSignatures(1) as [Signed];
    expect(verify(one)).toBe(true);
    expect(verify({ ...one, signature: one.signature.subarray(0, 63) })).toBe(false);
    expect(verify({ ...one, key: one.key.subarray(0, 31) })).toBe(false);
  });
});
