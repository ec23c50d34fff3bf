/** The shared memory: blocks never overlap, hold zeros, come back, and the memory grows no more than
 * it must. */

import fc from "fast-check";
import { expect, it } from "vitest";
import { type Block, WasmArena } from "../src/engine/wasm-arena.ts";

const PAGE_BYTES = 65_536;

function growing() {
  let buffer = new ArrayBuffer(PAGE_BYTES);
  return {
    get buffer() {
      return buffer;
    },
    grow(pages: number): number {
      const larger = new ArrayBuffer(buffer.byteLength + pages * PAGE_BYTES);
      new Uint8Array(larger).set(new Uint8Array(buffer));
      buffer = larger;
      return 0;
    },
  };
}

it("gives blocks of zeros that never overlap, whatever is taken and given back", () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ take: fc.integer({ min: 1, max: 90_000 }) }),
      fc.record({ give: fc.nat({ max: 100 }) }),
    ),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(steps, (all) => {
      const arena = new WasmArena(growing());
      const held: Block[] = [];
      for (const step of all) {
        if ("take" in step) {
          const block = arena.take(step.take);
          expect(block.bytes).toBeGreaterThanOrEqual(step.take);
          expect(block.address % 16).toBe(0);
          for (const other of held) {
            const apart =
              block.address + block.bytes <= other.address ||
              other.address + other.bytes <= block.address;
            expect(apart).toBe(true);
          }
          const bytes = new Uint8Array(arena.buffer, block.address, block.bytes);
          expect(bytes.every((byte) => byte === 0)).toBe(true);
          bytes.fill(255);
          held.push(block);
        } else if (held.length > 0) {
          const [block] = held.splice(step.give % held.length, 1);
          arena.give(block as Block);
        }
      }
      // All given back, the whole memory is one block again.
      for (const block of held) arena.give(block);
      const bytes = arena.buffer.byteLength;
      const { version } = arena;
      expect(arena.take(bytes)).toEqual({ address: 0, bytes });
      expect(arena.version).toBe(version);
    }),
    { numRuns: 200 },
  );
});

it("says by its version that the buffer is another", () => {
  const arena = new WasmArena(growing());
  arena.take(60_000);
  expect(arena.version).toBe(0);
  const before = arena.buffer;
  arena.take(60_000);
  expect(arena.version).toBe(1);
  expect(arena.buffer).not.toBe(before);
});
