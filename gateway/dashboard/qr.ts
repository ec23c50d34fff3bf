/**
 * A QR code of a short text: the modules of its square, dark or not. Pure.
 *
 * ISO/IEC 18004:2015, byte mode, error correction level L, versions 1 to 5: up to 106 bytes, which
 * these versions hold in a single block, so that nothing is interleaved. That is a link with a join
 * code; for more this is not made. The mask is always the first: the standard would choose among
 * eight for looks, and readers take any.
 */

/** Data codewords and correction codewords of each version at level L (table 9). */
const VERSIONS = [
  { data: 19, correction: 7 },
  { data: 34, correction: 10 },
  { data: 55, correction: 15 },
  { data: 80, correction: 20 },
  { data: 108, correction: 26 },
] as const;

const BYTE_MODE = 0b0100;
const PADDING = [0xec, 0x11] as const;
/** x^8 + x^4 + x^3 + x^2 + 1, over which codewords are multiplied (7.5.2). */
const FIELD = 0x11d;
/** Level L and mask 0 with their own correction, masked (7.9.1): 0b01 and 0b000. */
const FORMAT = 0b111011111000100;

/** `[row][column]`, true for dark; undefined for a text that is too long. Without the quiet zone of
 * four modules that whoever draws it must leave. */
export function qrModules(text: string): readonly (readonly boolean[])[] | undefined {
  const bytes = new TextEncoder().encode(text);
  const index = VERSIONS.findIndex(({ data }) => bytes.length <= data - 2);
  const version = VERSIONS[index];
  if (version === undefined) return undefined;
  const data = dataCodewords(bytes, version.data);
  const codewords = [...data, ...remainder(data, version.correction)];
  const square = new Square(4 * (index + 1) + 17);
  square.drawPatterns();
  square.drawCodewords(codewords);
  return square.rows();
}

/** Mode, count, bytes, end, padding (7.4). */
function dataCodewords(bytes: Uint8Array, length: number): number[] {
  const bits: number[] = [];
  const put = (value: number, count: number): void => {
    for (let i = count - 1; i >= 0; i--) bits.push((value >> i) & 1);
  };
  put(BYTE_MODE, 4);
  put(bytes.length, 8);
  for (const byte of bytes) put(byte, 8);
  put(0, Math.min(4, 8 * length - bits.length));
  while (bits.length % 8 !== 0) bits.push(0);
  const codewords: number[] = [];
  for (let i = 0; i < bits.length; i += 8) {
    codewords.push(bits.slice(i, i + 8).reduce((sum, bit) => 2 * sum + bit, 0));
  }
  for (let i = 0; codewords.length < length; i++) codewords.push(PADDING[i % 2] as number);
  return codewords;
}

/** The Reed-Solomon correction of data: what is left of it over the generator polynomial. */
function remainder(data: readonly number[], degree: number): number[] {
  let generator = [1];
  let root = 1;
  for (let i = 0; i < degree; i++) {
    const next = [...generator, 0];
    generator.forEach((coefficient, at) => {
      next[at + 1] = (next[at + 1] as number) ^ multiply(coefficient, root);
    });
    generator = next;
    root = multiply(root, 2);
  }
  const rest = Array<number>(degree).fill(0);
  for (const codeword of data) {
    const factor = codeword ^ (rest.shift() as number);
    rest.push(0);
    for (let i = 0; i < degree; i++) {
      rest[i] = (rest[i] as number) ^ multiply(generator[i + 1] as number, factor);
    }
  }
  return rest;
}

function multiply(a: number, b: number): number {
  let product = 0;
  for (let bit = 7; bit >= 0; bit--) {
    product = (product << 1) ^ ((product >> 7) * FIELD);
    if (((b >> bit) & 1) === 1) product ^= a;
  }
  return product;
}

class Square {
  readonly #size: number;
  /** Undefined where data goes. */
  readonly #patterns: (boolean | undefined)[][];
  readonly #modules: boolean[][];

  constructor(size: number) {
    this.#size = size;
    this.#patterns = Array.from({ length: size }, () => Array<boolean | undefined>(size));
    this.#modules = Array.from({ length: size }, () => Array<boolean>(size).fill(false));
  }

  rows(): readonly (readonly boolean[])[] {
    return this.#modules.map((row, y) => row.map((dark, x) => this.#patterns[y]?.[x] ?? dark));
  }

  /** Finders with their separators, timing, alignment, format (6.3, 7.9). */
  drawPatterns(): void {
    const last = this.#size - 1;
    for (let i = 0; i <= last; i++) {
      this.#set(6, i, i % 2 === 0);
      this.#set(i, 6, i % 2 === 0);
    }
    for (const [x, y] of [
      [3, 3],
      [last - 3, 3],
      [3, last - 3],
    ] as const)
      this.#ring(x, y, 4);
    // One alignment pattern, from version 2 on.
    if (this.#size > 21) this.#ring(last - 6, last - 6, 2);
    for (let i = 0; i < 15; i++) {
      const dark = ((FORMAT >> i) & 1) === 1;
      const along = i < 6 ? i : i < 8 ? i + 1 : last - 14 + i;
      this.#set(8, along, dark);
      const across = i < 8 ? last - i : i < 9 ? 7 : 14 - i;
      this.#set(across, 8, dark);
    }
    this.#set(8, last - 7, true);
  }

  /** Upwards and downwards in columns of two, from the right, around the timing column (7.7.3). */
  drawCodewords(codewords: readonly number[]): void {
    let bit = 0;
    for (let right = this.#size - 1; right >= 1; right -= 2) {
      if (right === 6) right = 5;
      const isUp = ((right + 1) & 2) === 0;
      for (let step = 0; step < this.#size; step++) {
        const y = isUp ? this.#size - 1 - step : step;
        for (const x of [right, right - 1]) {
          if (this.#patterns[y]?.[x] !== undefined) continue;
          const codeword = codewords[bit >> 3] ?? 0;
          const dark = ((codeword >> (7 - (bit & 7))) & 1) === 1;
          bit += 1;
          // Mask 0.
          (this.#modules[y] as boolean[])[x] = dark !== ((x + y) % 2 === 0);
        }
      }
    }
  }

  /** Rings about a middle: dark within one, light at two, dark at three, light at four. */
  #ring(middleX: number, middleY: number, reach: number): void {
    for (let dy = -reach; dy <= reach; dy++) {
      for (let dx = -reach; dx <= reach; dx++) {
        const away = Math.max(Math.abs(dx), Math.abs(dy));
        const isDark = reach === 4 ? away !== 2 && away !== 4 : away !== 1;
        this.#set(middleX + dx, middleY + dy, isDark);
      }
    }
  }

  #set(x: number, y: number, dark: boolean): void {
    const row = this.#patterns[y];
    if (row !== undefined && x >= 0 && x < this.#size) row[x] = dark;
  }
}
