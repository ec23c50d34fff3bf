/**
 * Little-endian reading and writing with every bound checked.
 *
 * A reader never trusts a length: reading past the end is bad input (`truncated`), and `done()`
 * refuses bytes that are left over (`trailing-bytes`), so that a frame has one meaning only.
 */

import { assert, EdgeError } from "./assert.ts";

export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #what: string;
  #offset = 0;

  constructor(bytes: Uint8Array, what: string) {
    // A plain view, also of Node's Buffer, whose `slice` would share memory where ours copies.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
  }

  get offset(): number {
    return this.#offset;
  }

  get left(): number {
    return this.#bytes.length - this.#offset;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }
  i8(): number {
    return this.#view.getInt8(this.#take(1));
  }
  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }
  i16(): number {
    return this.#view.getInt16(this.#take(2), true);
  }
  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }
  i32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }
  /** An unsigned 48-bit number: enough for milliseconds since 1970 until the year 10889. */
  u48(): number {
    const low = this.u32();
    return this.u16() * 0x1_0000_0000 + low;
  }
  /** A view of the next bytes, not a copy. */
  bytes(length: number): Uint8Array {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }
  /** UTF-8 behind one length byte; printable ASCII only, since these become topic parts and logs. */
  ascii(maxLength: number): string {
    const length = this.u8();
    if (length > maxLength) this.fail("too-long", `text of ${length} bytes, at most ${maxLength}`);
    let text = "";
    for (const code of this.bytes(length)) {
      if (code < 0x20 || code > 0x7e) this.fail("not-ascii", `byte ${code} in a text`);
      text += String.fromCharCode(code);
    }
    return text;
  }
  /** Every byte must have been read. */
  done(): void {
    if (this.left > 0) this.fail("trailing-bytes", `${this.left} bytes after the end`);
  }
  /** Refuses the input at the present offset. */
  fail(code: string, message: string): never {
    throw new EdgeError({
      code,
      message,
      where: `${this.#what}, byte ${this.#offset}`,
      hint: "The sender and docs/FORMATS.md disagree, or bytes were lost.",
    });
  }

  #take(length: number): number {
    const start = this.#offset;
    if (length < 0 || start + length > this.#bytes.length) {
      this.fail("truncated", `needs ${length} more bytes, has ${this.left}`);
    }
    this.#offset = start + length;
    return start;
  }
}

export class ByteWriter {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    assertRange(value, 0, 0xff);
    const start = this.#grow(1);
    this.#view.setUint8(start, value);
    return this;
  }
  i8(value: number): this {
    assertRange(value, -0x80, 0x7f);
    const start = this.#grow(1);
    this.#view.setInt8(start, value);
    return this;
  }
  u16(value: number): this {
    assertRange(value, 0, 0xffff);
    const start = this.#grow(2);
    this.#view.setUint16(start, value, true);
    return this;
  }
  i16(value: number): this {
    assertRange(value, -0x8000, 0x7fff);
    const start = this.#grow(2);
    this.#view.setInt16(start, value, true);
    return this;
  }
  u32(value: number): this {
    assertRange(value, 0, 0xffff_ffff);
    const start = this.#grow(4);
    this.#view.setUint32(start, value, true);
    return this;
  }
  i32(value: number): this {
    assertRange(value, -0x8000_0000, 0x7fff_ffff);
    const start = this.#grow(4);
    this.#view.setInt32(start, value, true);
    return this;
  }
  u48(value: number): this {
    assertRange(value, 0, 0xffff_ffff_ffff);
    return this.u32(value % 0x1_0000_0000).u16(Math.floor(value / 0x1_0000_0000));
  }
  bytes(value: Uint8Array | Int8Array): this {
    const start = this.#grow(value.length);
    this.#bytes.set(new Uint8Array(value.buffer, value.byteOffset, value.length), start);
    return this;
  }
  ascii(text: string): this {
    this.u8(text.length);
    for (let i = 0; i < text.length; i++) {
      assertRange(text.charCodeAt(i), 0x20, 0x7e);
      this.u8(text.charCodeAt(i));
    }
    return this;
  }
  /** Zeros up to the next multiple. */
  align(multiple: number): this {
    while (this.#length % multiple !== 0) this.u8(0);
    return this;
  }
  /** Overwrites four bytes written earlier, for a length known only at the end. */
  patchU32(offset: number, value: number): this {
    assert(offset + 4 <= this.#length, "patch inside what was written");
    assertRange(value, 0, 0xffff_ffff);
    this.#view.setUint32(offset, value, true);
    return this;
  }
  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  /** Makes room and gives where it starts. Growing replaces the view: call this before using it. */
  #grow(length: number): number {
    const start = this.#length;
    if (start + length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#bytes.length * 2, start + length));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#length = start + length;
    return start;
  }
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Two lower case hex digits a byte. */
export function hexOf(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** @param text whole pairs of hex digits */
export function bytesOfHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function assertRange(value: number, low: number, high: number): void {
  assert(
    Number.isInteger(value) && value >= low && value <= high,
    `${value} is a whole number in ${low}..${high}`,
  );
}
