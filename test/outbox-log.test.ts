import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { crc32 } from "../device-sim/crc32.ts";
import { encodeOpen, encodeOutboxRecord, readOutboxLog } from "../device-sim/outbox-log.ts";
import type { OutboxRecord } from "../device-sim/storage.ts";

const EPOCH = 0xabcd;
const START = { epoch: EPOCH, nextSeq: 3, nextWindow: 30, dropped: 1 };

/** Ten puts of 3..12, then 5 and 6 acknowledged. */
function sampleRecords(): readonly Uint8Array[] {
  const records: OutboxRecord[] = Array.from({ length: 10 }, (_, i) => ({
    kind: "put",
    entry: { seq: 3 + i, kind: "report", frame: new Uint8Array(20 + i).fill(i) },
    nextWindow: 31 + i,
  }));
  records.push({ kind: "remove", seqs: [5, 6] });
  return [encodeOpen(START), ...records.map((record) => encodeOutboxRecord(EPOCH, record))];
}

function join(pieces: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(pieces.flatMap((piece) => [...piece]));
}

const BYTES = join(sampleRecords());

describe("crc32", () => {
  it("is the published one", () => {
    expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
    expect(crc32(new Uint8Array(0))).toBe(0);
  });
});

describe("readOutboxLog", () => {
  it("reads back what was written", () => {
    const image = readOutboxLog(BYTES);
    expect(image).toMatchObject({ epoch: EPOCH, nextSeq: 13, nextWindow: 40, dropped: 1 });
    expect(image?.entries.map(({ seq }) => seq)).toEqual([3, 4, 7, 8, 9, 10, 11, 12]);
    expect(image?.damagedBytes).toBe(0);
  });

  it("says that there is nothing where there is nothing", () => {
    expect(readOutboxLog(new Uint8Array(0))).toBeUndefined();
    expect(readOutboxLog(Uint8Array.from({ length: 300 }, (_, i) => i))).toBeUndefined();
  });

  it("keeps every whole record before a torn end, and skips the numbers behind it", () => {
    const ends: number[] = [];
    for (const piece of sampleRecords()) ends.push((ends.at(-1) ?? 0) + piece.length);
    for (let length = ends[0] ?? 0; length <= BYTES.length; length++) {
      const image = readOutboxLog(BYTES.subarray(0, length));
      const whole = ends.filter((end) => end <= length).length - 1;
      const puts = Math.min(10, whole);
      expect(image?.entries.length).toBe(whole === 11 ? 8 : puts);
      // A number that may have been in the torn record is not given again.
      const torn = ends.includes(length) ? 0 : 1;
      expect(image?.nextSeq).toBeGreaterThanOrEqual(Math.min(13, 3 + puts + torn));
    }
  });

  it("loses one record, not those behind it, to a byte gone bad; and never reuses a number", () => {
    fc.assert(
      fc.property(
        fc.nat({ max: BYTES.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        (at, flip) => {
          const bytes = BYTES.slice();
          bytes[at] = (bytes[at] ?? 0) ^ flip;
          const image = readOutboxLog(bytes);
          expect(image?.damagedBytes).toBeGreaterThan(0);
          // One put fewer, or the two that were acknowledged back, which does no harm.
          expect(image?.entries.length).toBeGreaterThanOrEqual(7);
          expect(image?.nextSeq).toBeGreaterThanOrEqual(13);
          for (const { seq, frame } of image?.entries ?? []) {
            expect(frame).toEqual(new Uint8Array(17 + seq).fill(seq - 3));
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it("reads anything without throwing", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat({ max: BYTES.length }), (junk, at) => {
        const bytes = join([BYTES.subarray(0, at), junk, BYTES.subarray(at)]);
        const image = readOutboxLog(bytes);
        expect(image?.nextSeq ?? 13).toBeGreaterThanOrEqual(13);
      }),
      { numRuns: 500 },
    );
  });
});
