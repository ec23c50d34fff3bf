import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatRecordings, parseRecordings } from "../src/signal/recording-bytes.ts";
import { type Recordings, segmentSamples } from "../src/signal/recordings.ts";

const header = {
  name: "two",
  rateHz: 10,
  unit: "mg",
  labels: ["still", "walking"],
  subjects: ["a"],
  samples: 4,
  segments: [
    { subject: "a", label: "still", start: 0, length: 2, source: "one.csv" },
    { subject: "a", label: "walking", start: 2, length: 2, source: "" },
  ],
};
const bytes = new Uint8Array(24);

function parse(change: object, content = bytes): Recordings {
  return parseRecordings(JSON.stringify({ ...header, ...change }), content, "folder");
}

describe("parseRecordings", () => {
  it("reads little-endian milli-g", () => {
    const content = Uint8Array.from(bytes);
    content.set([0xff, 0xff, 0x00, 0x80, 0xe8, 0x03], 6);
    const recordings = parse({}, content);
    expect([...recordings.samples.subarray(3, 6)]).toEqual([-1, -32768, 1000]);
    const [, second] = recordings.segments;
    expect(second && segmentSamples(recordings, second).length).toBe(6);
  });

  it("reads back what it writes", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 10 }),
        fc.array(fc.integer({ min: -32768, max: 32767 }), { minLength: 6, maxLength: 6 }),
        (lengths, pattern) => {
          const total = lengths.reduce((sum, length) => sum + length, 0);
          let start = 0;
          const recordings: Recordings = {
            name: 'with "quotes" and ünïcode',
            rateHz: 12.5,
            labels: ["x"],
            subjects: ["1"],
            segments: lengths.map((length, i) => {
              start += length;
              return {
                subject: "1",
                label: "x",
                start: start - length,
                length,
                source: `${i}`,
              };
            }),
            samples: Int16Array.from({ length: total * 3 }, (_, i) => pattern[i % 6] ?? 0),
            about: { licence: "none", origin: "here" },
          };
          const { headerText, sampleBytes } = formatRecordings(recordings);
          expect(parseRecordings(headerText, sampleBytes, "x")).toEqual(recordings);
        },
      ),
    );
  });

  it.each([
    [{ unit: "g" }, /unit.*milli-g/s],
    [{ rateHz: 0 }, /rateHz/],
    [{ rateHz: null }, /rateHz/],
    [{ samples: 5 }, /24 bytes, but 5 samples take 30/],
    [{ segments: [] }, /segments/],
    [{ segments: [{ ...header.segments[0], length: 0 }] }, /segments\.0\.length/],
    [{ segments: [{ ...header.segments[0], length: 5 }] }, /ends at 5 of 4 samples/],
    [{ segments: [{ ...header.segments[0], start: -1 }] }, /segments\.0\.start/],
    [{ segments: [{ ...header.segments[0], label: "x" }] }, /label "x" is not in labels/],
    [{ segments: [{ ...header.segments[0], subject: "x" }] }, /subject "x" is not in subjects/],
    [
      { segments: [header.segments[1], { ...header.segments[0], length: 3 }] },
      /segments\[0\].*overlaps segments\[1\]/s,
    ],
  ])("refuses %j", (change, message) => {
    expect(() => parse(change)).toThrow(message);
  });

  it("refuses text that is not JSON and names the file", () => {
    expect(() => parseRecordings("{", bytes, "data/x")).toThrow(/data\/x\/segments\.json.*JSON/s);
  });
});
