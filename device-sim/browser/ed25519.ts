/**
 * Ed25519 verification (RFC 8032, section 5.1.7), at once and not by a promise.
 *
 * Browsers have Ed25519 only of late, and only behind a promise, for which the node program does not
 * wait. What is verified is public, so that nothing here needs to take the same time for all inputs.
 *
 * Decisions are those of Node's own, on odd signatures too: `s` must be below the group's order; the
 * equation is checked without the cofactor, by encoding `s B - h A` and comparing bytes with `R`; a
 * key is taken modulo the prime; and points of small order are nobody's.
 */

import { sameBytes } from "../../src/bytes.ts";
import { sha512 } from "./sha2.ts";

const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;

/** The field's prime, the group's order, and the curve's constant. */
const P = 2n ** 255n - 19n;
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const D = mod(-121665n * inverse(121666n));
/** A square root of -1. */
const ROOT_OF_MINUS_ONE = power(2n, (P - 1n) / 4n);

/** Extended coordinates: x = X/Z, y = Y/Z, xy = T/Z (Hisil, Wong, Carter and Dawson, 2008). */
type Point = readonly [X: bigint, Y: bigint, Z: bigint, T: bigint];

const IDENTITY: Point = [0n, 1n, 1n, 0n];
const BASE = basePoint();

/** False for anything but a good signature; nothing is thrown. */
export function verifyEd25519(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (publicKey.length !== KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false;
  const key = decode(publicKey);
  const s = numberOf(signature.subarray(32));
  const R = decode(signature.subarray(0, 32));
  if (key === undefined || R === undefined || s >= ORDER) return false;
  if (hasSmallOrder(key) || hasSmallOrder(R)) return false;
  const hashed = new Uint8Array(2 * 32 + message.length);
  hashed.set(signature.subarray(0, 32));
  hashed.set(publicKey, 32);
  hashed.set(message, 64);
  const h = numberOf(sha512(hashed)) % ORDER;
  const found = twoProducts(s, BASE, h, negative(key));
  return sameBytes(encode(found), signature.subarray(0, 32));
}

/** `a A + b B`, both at once (Straus). */
function twoProducts(a: bigint, A: Point, b: bigint, B: Point): Point {
  const both = add(A, B);
  let sum = IDENTITY;
  for (let bit = 255n; bit >= 0n; bit--) {
    sum = add(sum, sum);
    const inA = ((a >> bit) & 1n) === 1n;
    const inB = ((b >> bit) & 1n) === 1n;
    if (inA && inB) sum = add(sum, both);
    else if (inA) sum = add(sum, A);
    else if (inB) sum = add(sum, B);
  }
  return sum;
}

/** Eight times such a point is nothing. */
function hasSmallOrder(point: Point): boolean {
  let times = point;
  for (let i = 0; i < 3; i++) times = add(times, times);
  const [X, Y, Z] = times;
  return X === 0n && Y === Z;
}

/** Complete: it doubles as well. */
function add([X1, Y1, Z1, T1]: Point, [X2, Y2, Z2, T2]: Point): Point {
  const a = mod((Y1 - X1) * (Y2 - X2));
  const b = mod((Y1 + X1) * (Y2 + X2));
  const c = mod(2n * D * T1 * T2);
  const d = mod(2n * Z1 * Z2);
  const e = b - a;
  const f = d - c;
  const g = d + c;
  const h = b + a;
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
}

function negative([X, Y, Z, T]: Point): Point {
  return [mod(-X), Y, Z, mod(-T)];
}

function encode([X, Y, Z]: Point): Uint8Array {
  const inverseOfZ = inverse(Z);
  const x = mod(X * inverseOfZ);
  let rest = mod(Y * inverseOfZ) | ((x & 1n) << 255n);
  const bytes = new Uint8Array(KEY_BYTES);
  for (let i = 0; i < KEY_BYTES; i++) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

/** Undefined for bytes that are no point: section 5.1.3. */
function decode(bytes: Uint8Array): Point | undefined {
  const whole = numberOf(bytes);
  const y = mod(whole & (2n ** 255n - 1n));
  const isOdd = whole >> 255n;
  const u = mod(y * y - 1n);
  const v = mod(D * y * y + 1n);
  let x = mod(u * v ** 3n * power(mod(u * v ** 7n), (P - 5n) / 8n));
  const square = mod(v * x * x);
  if (square === mod(-u)) x = mod(x * ROOT_OF_MINUS_ONE);
  else if (square !== u) return undefined;
  if ((x & 1n) !== isOdd) x = mod(-x);
  return [x, y, 1n, mod(x * y)];
}

/** y is 4/5, x is even. */
function basePoint(): Point {
  const y = mod(4n * inverse(5n));
  const point = decode(encode([0n, y, 1n, 0n]));
  return point ?? IDENTITY;
}

function numberOf(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] as number);
  return value;
}

function mod(value: bigint): bigint {
  const rest = value % P;
  return rest < 0n ? rest + P : rest;
}

function inverse(value: bigint): bigint {
  return power(mod(value), P - 2n);
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = base;
  for (let left = exponent; left > 0n; left >>= 1n) {
    if ((left & 1n) === 1n) result = (result * square) % P;
    square = (square * square) % P;
  }
  return result;
}
