/**
 * Signatures of Ed25519 to decide on, good, tampered and odd: whoever verifies by code of his own must
 * decide as Node does.
 */

import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { addPoints, basePoint, type Point } from "../deploy/firmware/tools/ed25519-table.ts";
import { nodeCrypto } from "../device-sim/node-crypto.ts";
import { below, type Prng, prng } from "../src/prng.ts";

const P = 2n ** 255n - 19n;
/** Where x^2 = -y^2, that is d y^4 + 2 y^2 = 1: eight times it is the neutral element. */
const ORDER_8: Point = {
  x: 0x1fd5b9a006394a28e933993238de4abb5c193c7013e5e238dea14646c545d14an,
  y: 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
};
const L = 2n ** 252n + 27742317777372353535851937790883648493n;

export type Signed = {
  readonly key: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
};

export const nodeVerify = ({ key, message, signature }: Signed): boolean =>
  nodeCrypto.verify(key, message, signature);

export function randomBytes(random: Prng, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => below(random, 256));
}

function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}

function fromLittleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

export function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
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

/** Three in four are spoilt: a bit of the signature, of the key, of the message, or all of it. */
export function tamperedSignatures(count: number): Signed[] {
  const random = prng(3, "tampering");
  return signedMessages(count, "messages").map((one, i): Signed => {
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
}

/** S plus multiples of the order, for which the equation holds as well, 64 of them as they should be;
 * and S at the edges. */
export function largeNumbers(): { readonly cases: Signed[]; readonly edges: Signed[] } {
  const signed = signedMessages(64, "malleable");
  const cases = signed.flatMap((one) => {
    const s = fromLittleEndian(one.signature.subarray(32));
    const multiples = [0n, 1n, 2n, 7n, 14n, 15n].filter((k) => s + k * L < 2n ** 256n);
    return multiples.map((k) => ({
      ...one,
      signature: Buffer.concat([one.signature.subarray(0, 32), littleEndian(s + k * L)]),
    }));
  });
  const [first] = signed as [Signed];
  const edges = [0n, L - 1n, L, L + 1n, 2n ** 252n, 2n ** 255n, 2n ** 256n - 1n].map((s) => ({
    ...first,
    signature: Buffer.concat([first.signature.subarray(0, 32), littleEndian(s)]),
  }));
  return { cases, edges };
}

/** The equation holds for S = 0 and R of small order, or S = 1 and R = B, with some messages. */
export function smallOrders(): Signed[] {
  const odd = oddPoints();
  return odd.flatMap((key) =>
    [...odd, bytesOf(basePoint())].flatMap((r) =>
      [0, 1, 2].map((i) => ({
        key,
        message: Buffer.of(i),
        signature: Buffer.concat([r, littleEndian(r[0] === 0x58 ? 1n : 0n)]),
      })),
    ),
  );
}

/** Half of them name no point. */
export function randomKeys(count: number): Signed[] {
  const random = prng(5, "keys");
  const [one] = signedMessages(1, "keys") as [Signed];
  return Array.from({ length: count }, () => ({ ...one, key: randomBytes(random, 32) }));
}

/** The eight points of small order in all their forms, and keys near the edges: y of 0, 1 and -1,
 * the two of order 8, and these plus p where that is below 2^255, each with both signs. */
function oddPoints(): Uint8Array[] {
  const small = [0n, 1n, P - 1n, ORDER_8.y, P - ORDER_8.y];
  const again = [P, P + 1n];
  return [...small, ...again].flatMap((y) => [littleEndian(y), littleEndian(y | (1n << 255n))]);
}

/** Signs with a key to which a point of order 8 was added; section 5.1.6 with a nonce of 1. */
export function signMixed(count: number): Signed[] {
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
export function isStrictNode(): boolean {
  const one = littleEndian(1n);
  const signature = Buffer.concat([one, littleEndian(0n)]);
  return !nodeVerify({ key: one, message: Buffer.of(0), signature });
}
