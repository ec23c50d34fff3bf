/**
 * Makes `crypto/bw_ed25519_table.h`: the constants of the curve that verification looks up.
 *
 * Everything follows from RFC 8032, section 5.1: p, d, and the base point by its y = 4/5 and an even
 * x. Nothing is copied from another implementation; a test compares the file with what this makes.
 */

const P = 2n ** 255n - 19n;
/** The odd multiples of the base point that a signed window of five bits can ask for. */
const MULTIPLES = [1, 3, 5, 7, 9, 11, 13, 15] as const;
const WORDS = 8;

/** Affine, both below p. */
export type Point = { readonly x: bigint; readonly y: bigint };

const D = mod(-121665n * invert(121666n));

/** The header's text, as it stands in the repository. */
export function ed25519Table(): string {
  const base = basePoint();
  const twice = addPoints(base, base);
  const points: Point[] = [];
  for (let point = base; points.length < MULTIPLES.length; point = addPoints(point, twice)) {
    points.push(point);
  }
  const rows = points.map(
    ({ x, y }, i) =>
      `    /* ${MULTIPLES[i]} */\n` +
      `    {{${words(y - x)}},\n     {${words(y + x)}},\n     {${words(2n * D * x * y)}}},\n`,
  );
  return [
    "/*",
    " * Constants of edwards25519 (RFC 8032, section 5.1), each lowest word first.",
    " *",
    " * Made by tools/ed25519-table.ts; not to be edited.",
    " */",
    "#ifndef BW_ED25519_TABLE_H",
    "#define BW_ED25519_TABLE_H",
    "",
    '#include "bw_field25519.h"',
    "",
    "/* d of the curve, twice d, and a square root of -1. */",
    `static const bw_field CURVE_D = {${words(D)}};`,
    `static const bw_field CURVE_2D = {${words(2n * D)}};`,
    `static const bw_field ROOT_OF_MINUS_ONE = {${words(power(2n, (P - 1n) / 4n))}};`,
    "",
    "/* The order of the base point, L = 2^252 + 27742317777372353535851937790883648493. */",
    `static const uint32_t ORDER[8] = {${words(2n ** 252n + 27742317777372353535851937790883648493n)}};`,
    "",
    "/* Odd multiples of the base point: y - x, y + x, 2 d x y. */",
    `static const bw_field BASE_MULTIPLES[${MULTIPLES.length}][3] = {`,
    `${rows.join("")}};`,
    "",
    "#endif",
    "",
  ].join("\n");
}

export function basePoint(): Point {
  const y = mod(4n * invert(5n));
  const square = mod((y * y - 1n) * invert(D * y * y + 1n));
  let x = power(square, (P + 3n) / 8n);
  if (mod(x * x) !== square) x = mod(x * power(2n, (P - 1n) / 4n));
  return { x: x % 2n === 0n ? x : P - x, y };
}

/** The addition law of the curve, complete as it stands. */
export function addPoints(a: Point, b: Point): Point {
  const product = D * a.x * b.x * a.y * b.y;
  return {
    x: mod((a.x * b.y + b.x * a.y) * invert(1n + product)),
    y: mod((a.y * b.y + a.x * b.x) * invert(1n - product)),
  };
}

function words(value: bigint): string {
  const reduced = mod(value);
  return Array.from({ length: WORDS }, (_, i) => {
    const word = (reduced >> BigInt(32 * i)) & 0xffff_ffffn;
    return `0x${word.toString(16).padStart(8, "0")}u`;
  })
    .join(", ")
    .replace(/((?:\w+, ){3}\w+,) /, "$1\n      ");
}

function mod(value: bigint): bigint {
  return ((value % P) + P) % P;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = mod(base);
  for (let left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = mod(result * square);
    square = mod(square * square);
  }
  return result;
}

function invert(value: bigint): bigint {
  return power(mod(value), P - 2n);
}
