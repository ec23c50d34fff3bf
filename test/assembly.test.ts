/** Putting a release together from what a network delivers, and from what an attacker sends. */

import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Assembly,
  acceptChunk,
  chunkOf,
  chunksOfWant,
  createAssembly,
  finishAssembly,
  progressOf,
  resumeAssembly,
  wantedChunks,
} from "../src/wire/assembly.ts";
import { LIMITS } from "../src/wire/limits.ts";
import { chunkCount, manifestOf } from "../src/wire/release.ts";

const crypto = {
  sha256: (bytes: Uint8Array) => Uint8Array.from(createHash("sha256").update(bytes).digest()),
};

function release(length: number, salt = 31) {
  const container = Uint8Array.from({ length }, (_, i) => ((i * salt) ^ (i >> 8)) & 0xff);
  const manifest = manifestOf(
    container,
    {
      formatVersion: 1,
      sequence: 5,
      purpose: "release",
      cohort: "cattle",
      createdMs: 0,
      selfTest: { seed: 1, logitsHashes: [1] },
    },
    crypto,
  );
  return { container, manifest };
}

const LENGTH = 10 * 1024 + 300;
const { container, manifest } = release(LENGTH);
const chunk = (index: number, from = container) => ({
  releaseSequence: manifest.sequence,
  index,
  bytes: chunkOf(from, manifest, index) ?? new Uint8Array(0),
});
const fill = (assembly: Assembly, indices: readonly number[]): string[] =>
  indices.map((index) => acceptChunk(assembly, chunk(index), crypto));

describe("chunks", () => {
  it("U15 in any order, some twice, some lost, make the image, with nothing asked for in vain", () => {
    const deliveries = fc.array(fc.nat(chunkCount(manifest) - 1), { maxLength: 60 });
    fc.assert(
      fc.property(deliveries, (indices) => {
        const assembly = createAssembly(manifest);
        const outcomes = fill(assembly, indices);
        expect(outcomes.filter((o) => o === "stored")).toHaveLength(new Set(indices).size);
        const missing = wantedChunks(assembly, LIMITS.chunks);
        const asked = missing === undefined ? [] : chunksOfWant(missing);
        expect(asked).toEqual(
          Array.from({ length: 11 }, (_, i) => i).filter((i) => !indices.includes(i)),
        );
        expect(finishAssembly(assembly, crypto).ok).toBe(asked.length === 0);
        expect(new Set(fill(assembly, asked))).toEqual(new Set(asked.length > 0 ? ["stored"] : []));
        expect(finishAssembly(assembly, crypto)).toEqual({ ok: true, container });
      }),
    );
  });

  it("U1 with one bit flipped are refused, and the place stays open", () => {
    const assembly = createAssembly(manifest);
    for (let bit = 0; bit < 300 * 8; bit++) {
      const bytes = Uint8Array.from(chunk(10).bytes);
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(acceptChunk(assembly, { ...chunk(10), bytes }, crypto)).toBe("wrong-hash");
    }
    expect(progressOf(assembly)).toEqual({ done: 0, all: 11 });
    expect(assembly.bytes.every((byte) => byte === 0)).toBe(true);
    expect(acceptChunk(assembly, chunk(10), crypto)).toBe("stored");
  });

  it("U13 endless data: nothing past the end, nothing longer or shorter than announced", () => {
    const assembly = createAssembly(manifest);
    for (const index of [11, 2047, 65_535, -1, 0.5, Number.NaN]) {
      expect(acceptChunk(assembly, { ...chunk(0), index }, crypto)).toBe("out-of-range");
    }
    const tooLong = Uint8Array.of(...chunk(10).bytes, 0);
    expect(acceptChunk(assembly, { ...chunk(10), bytes: tooLong }, crypto)).toBe("wrong-length");
    const tooShort = chunk(3).bytes.subarray(1);
    expect(acceptChunk(assembly, { ...chunk(3), bytes: tooShort }, crypto)).toBe("wrong-length");
    expect(assembly.bytes.length).toBe(LENGTH);
  });

  it("U14 bytes after the image have no place: the last chunk is as long as the size says", () => {
    const assembly = createAssembly(manifest);
    fill(assembly, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const padded = new Uint8Array(1024);
    padded.set(chunk(10).bytes);
    expect(acceptChunk(assembly, { ...chunk(10), bytes: padded }, crypto)).toBe("wrong-length");
    expect(finishAssembly(assembly, crypto)).toEqual({ ok: false, outcome: "incomplete" });
  });

  it("U15 of two releases interleaved never mix", () => {
    const other = release(LENGTH, 37);
    const assembly = createAssembly(manifest);
    for (let index = 0; index < 11; index++) {
      const foreign = chunk(index, other.container);
      expect(acceptChunk(assembly, { ...foreign, releaseSequence: 6 }, crypto)).toBe(
        "other-release",
      );
      expect(acceptChunk(assembly, foreign, crypto)).toBe("wrong-hash");
      expect(acceptChunk(assembly, chunk(index), crypto)).toBe("stored");
      expect(acceptChunk(assembly, foreign, crypto)).toBe("duplicate");
    }
    expect(finishAssembly(assembly, crypto)).toEqual({ ok: true, container });
  });

  it("U15 that are right one by one but wrong together are refused by the hash of the whole", () => {
    const lying = { ...manifest, sha256: new Uint8Array(32) };
    const assembly = createAssembly(lying);
    fill(assembly, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(finishAssembly(assembly, crypto)).toEqual({ ok: false, outcome: "wrong-hash" });
  });
});

describe("after a restart", () => {
  it("what is right is kept, what a power cut or bad flash spoilt is asked for again", () => {
    const before = createAssembly(manifest);
    fill(before, [0, 2, 4, 10]);
    const saved = Uint8Array.from(before.bytes);
    saved[2 * 1024 + 17] = (saved[2 * 1024 + 17] ?? 0) ^ 1;
    const after = resumeAssembly(manifest, saved, crypto);
    expect(progressOf(after)).toEqual({ done: 3, all: 11 });
    expect(chunksOfWant(wantedChunks(after, LIMITS.chunks) ?? fail())).toEqual([
      1, 2, 3, 5, 6, 7, 8, 9,
    ]);
  });

  it("a saved file of another length is no danger", () => {
    expect(progressOf(resumeAssembly(manifest, new Uint8Array(0), crypto)).done).toBe(0);
    const longer = new Uint8Array(2 * LENGTH);
    longer.set(container);
    const assembly = resumeAssembly(manifest, longer, crypto);
    expect(finishAssembly(assembly, crypto)).toEqual({ ok: true, container });
    const torn = resumeAssembly(manifest, container.subarray(0, 5_000), crypto);
    expect(progressOf(torn).done).toBe(4);
  });
});

describe("a want", () => {
  it("asks for no more than it may, from the first that is missing", () => {
    const assembly = createAssembly(manifest);
    fill(assembly, [0, 1, 3]);
    const want = wantedChunks(assembly, 3) ?? fail();
    expect(want).toEqual({ firstChunk: 2, bitmap: Uint8Array.of(0b0000_1101) });
    expect(chunksOfWant(want)).toEqual([2, 4, 5]);
  });

  it("for the largest release fits its frame", () => {
    const { manifest: large } = release(LIMITS.releaseBytes);
    const want = wantedChunks(createAssembly(large), LIMITS.chunks) ?? fail();
    expect(want.bitmap.length).toBeLessThanOrEqual(LIMITS.bitmapBytes);
    expect(chunksOfWant(want)).toHaveLength(1024);
  });
});

function fail(): never {
  throw new Error("something is wanted");
}
