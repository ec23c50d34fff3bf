/**
 * The one memory of a WebAssembly instance, shared out among students.
 *
 * Blocks are given and taken back first fit, free neighbours joined; the memory grows only where no
 * free block is large enough, and that replaces its buffer. So whoever holds views compares
 * `version` before using them. It knows nothing of what lies in a block.
 */

import { assert } from "../assert.ts";

/** The part of `WebAssembly.Memory` that is needed. */
export type WasmMemory = { readonly buffer: object; grow(pages: number): number };

export type Block = { readonly address: number; readonly bytes: number };

const PAGE_BYTES = 65_536;
/** Of every address: vectors are loaded whole. */
const ALIGNMENT = 16;

export class WasmArena {
  readonly #memory: WasmMemory;
  /** By address, no two of them neighbours. */
  #free: Block[] = [];
  #buffer: ArrayBuffer;
  #version = 0;

  constructor(memory: WasmMemory) {
    this.#memory = memory;
    this.#buffer = memory.buffer as ArrayBuffer;
    if (this.#buffer.byteLength > 0) this.#free = [{ address: 0, bytes: this.#buffer.byteLength }];
  }

  get buffer(): ArrayBuffer {
    return this.#buffer;
  }

  /** Another number whenever the buffer is another. */
  get version(): number {
    return this.#version;
  }

  /** A block of zeros of at least so many bytes. Throws the global's RangeError at 4 GB. */
  take(bytes: number): Block {
    const size = Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    let at = this.#free.findIndex((block) => block.bytes >= size);
    if (at < 0) {
      this.#grow(size);
      at = this.#free.length - 1;
    }
    const found = this.#free[at];
    assert(found !== undefined && found.bytes >= size, "the memory grew by what was missing");
    const rest = { address: found.address + size, bytes: found.bytes - size };
    this.#free.splice(at, 1, ...(rest.bytes > 0 ? [rest] : []));
    new Uint8Array(this.#buffer, found.address, size).fill(0);
    return { address: found.address, bytes: size };
  }

  /** A block that `take` gave, once. */
  give(block: Block): void {
    const after = this.#free.findIndex((free) => free.address > block.address);
    const at = after < 0 ? this.#free.length : after;
    const [before, behind] = [this.#free[at - 1], this.#free[at]];
    const joinsBefore = before !== undefined && before.address + before.bytes === block.address;
    const joinsBehind = behind !== undefined && block.address + block.bytes === behind.address;
    const address = joinsBefore ? before.address : block.address;
    const end = block.address + block.bytes + (joinsBehind ? behind.bytes : 0);
    const from = joinsBefore ? at - 1 : at;
    const count = (joinsBefore ? 1 : 0) + (joinsBehind ? 1 : 0);
    this.#free.splice(from, count, { address, bytes: end - address });
  }

  #grow(bytes: number): void {
    const end = this.#buffer.byteLength;
    const pages = Math.ceil(bytes / PAGE_BYTES);
    this.#memory.grow(pages);
    this.#buffer = this.#memory.buffer as ArrayBuffer;
    this.#version += 1;
    this.give({ address: end, bytes: pages * PAGE_BYTES });
  }
}
