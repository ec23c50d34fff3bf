import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { clippedShare, makeWindows, quantizeMillig } from "../src/signal/make-windows.ts";
import type { Profile } from "../src/signal/profile.ts";
import type { Recordings } from "../src/signal/recordings.ts";
import { windowAt } from "../src/signal/window-set.ts";

const profile: Profile = {
  name: "test",
  rateHz: 10,
  windowSamples: 4,
  hopSamples: 2,
  channels: 3,
  classes: ["still", "walking"],
  labelClass: { Resting: "still", Standing: "still", Walking: "walking" },
  inputMilligPerStep: 10,
};

/** Every sample of a segment holds the segment's number times 10 milli-g. */
function recordingsOf(segments: readonly (readonly [string, string, number])[]): Recordings {
  let start = 0;
  return {
    name: "made",
    rateHz: 10,
    labels: ["Resting", "Standing", "Walking", "Rare"],
    subjects: [...new Set(segments.map(([subject]) => subject))],
    segments: segments.map(([subject, label, length]) => {
      start += length;
      return { subject, label, start: start - length, length, source: "" };
    }),
    samples: Int16Array.from(
      segments.flatMap(([, , length], i) => Array<number>(length * 3).fill(i * 10)),
    ),
    about: {},
  };
}

describe("makeWindows", () => {
  it("never spans two segments, counts as the hop says, and drops unmapped labels", () => {
    const segment = fc.tuple(
      fc.constantFrom("a", "b"),
      fc.constantFrom("Resting", "Standing", "Walking", "Rare"),
      fc.integer({ min: 1, max: 15 }),
    );
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 12 }), (segments) => {
        const usable = segments.map(([, label, length]) =>
          label === "Rare" || length < 4 ? 0 : Math.floor((length - 4) / 2) + 1,
        );
        const total = usable.reduce((sum, count) => sum + count, 0);
        const recordings = recordingsOf(segments);
        if (total === 0) {
          expect(() => makeWindows(recordings, profile)).toThrow(/recording-windows/);
          return;
        }
        const set = makeWindows(recordings, profile);
        expect(set.count).toBe(total);
        const boutSegment = new Map<number, number>();
        for (let i = 0; i < set.count; i++) {
          const values = new Set(windowAt(set, i));
          expect(values.size).toBe(1);
          const [from = -1] = values;
          expect(boutSegment.get(set.bouts[i] ?? -1) ?? from).toBe(from);
          boutSegment.set(set.bouts[i] ?? -1, from);
          const [subject, label] = segments[from] ?? [];
          expect(set.subjects[i]).toBe(subject);
          expect(profile.classes[set.labels[i] ?? -1]).toBe(profile.labelClass[label ?? ""]);
        }
        expect(boutSegment.size).toBe(usable.filter((count) => count > 0).length);
      }),
    );
  });

  it("takes the subjects that are asked for and refuses unknown ones", () => {
    const recordings = recordingsOf([
      ["a", "Resting", 8],
      ["b", "Walking", 8],
    ]);
    expect(new Set(makeWindows(recordings, profile, ["b"]).subjects)).toEqual(new Set(["b"]));
    expect(() => makeWindows(recordings, profile, ["c"])).toThrow(/no subject "c".*a, b/s);
  });

  it("refuses a rate that cannot carry the profile's classes", () => {
    const slow = { ...recordingsOf([["a", "Resting", 99]]), rateHz: 4 };
    expect(() => makeWindows(slow, profile)).toThrow(/recorded at 4 Hz.*needs 10 Hz/s);
  });

  it("resamples to the profile's rate", () => {
    const fast = { ...recordingsOf([["a", "Resting", 41]]), rateHz: 50 };
    expect(makeWindows(fast, profile).count).toBe(3);
  });
});

describe("quantizeMillig", () => {
  it("rounds to steps and saturates symmetrically", () => {
    expect([0, 15, 16, 24, -24, 99999, -99999].map((v) => quantizeMillig(v, 16) + 0)).toEqual([
      0, 1, 1, 2, -1, 127, -127,
    ]);
  });

  it("counts what saturates", () => {
    const set = makeWindows(recordingsOf([["a", "Resting", 4]]), profile);
    expect(clippedShare(set)).toBe(0);
    expect(clippedShare({ ...set, samples: Int8Array.of(127, -127, 1, 2) })).toBe(0.5);
  });
});
