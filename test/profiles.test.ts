import { describe, expect, it } from "vitest";
import { profileFor, SHIPPED_PROFILES, shippedProfile } from "../src/signal/profiles.ts";
import type { Recordings, Segment } from "../src/signal/recordings.ts";

/** Four subjects, each label in bouts of a minute, at the given rate. */
function recordingsOf(
  name: string,
  rateHz: number,
  labels: readonly string[],
  millig = 1000,
): Recordings {
  const length = Math.round(60 * rateHz);
  const segments: Segment[] = [];
  for (const subject of ["1", "2", "3", "4"]) {
    for (const label of labels) {
      segments.push({ subject, label, start: segments.length * length, length, source: "" });
    }
  }
  return {
    name,
    rateHz,
    labels,
    subjects: ["1", "2", "3", "4"],
    segments,
    samples: new Int16Array(segments.length * length * 3).fill(millig),
    about: {},
  };
}

describe("profileFor", () => {
  it("knows the data sets that it ships profiles for, by name and kin", () => {
    const labels = ["Grazing", "Resting", "Walking", "Drinking"];
    expect(profileFor(recordingsOf("cows", 10, labels)).name).toBe("cattle");
    expect(profileFor(recordingsOf("cows-2025", 10, labels)).name).toBe("cattle");
    expect(profileFor(recordingsOf("cows", 10, ["eating", "lying"])).name).toBe("cows");
    expect(profileFor(recordingsOf("goats", 10, labels)).name).toBe("goats");
  });

  it("derives a profile for recordings that nobody has seen", () => {
    const profile = profileFor(recordingsOf("My Goats", 100, ["LyingDown", "chewing cud"]));
    expect(profile).toEqual({
      name: "my-goats",
      rateHz: 25,
      windowSamples: 124,
      hopSamples: 62,
      channels: 3,
      classes: ["chewing-cud", "lying-down"],
      labelClass: { LyingDown: "lying-down", "chewing cud": "chewing-cud" },
      inputMilligPerStep: 8,
    });
  });

  it("leaves out labels of one subject only, and of too few windows", () => {
    const recordings = recordingsOf("x", 20, ["a", "b", "c"]);
    const lonely = recordings.segments.filter((s) => s.label !== "c" || s.subject === "1");
    expect(profileFor({ ...recordings, segments: lonely }).classes).toEqual(["a", "b"]);
  });

  it("shortens the window where bouts are short, and widens the step where signals are strong", () => {
    const recordings = recordingsOf("x", 20, ["a", "b"], 5000);
    const short = recordings.segments.flatMap((s) =>
      Array.from({ length: 20 }, (_, i) => ({ ...s, start: s.start + i * 60, length: 60 })),
    );
    const profile = profileFor({ ...recordings, segments: short });
    expect(profile.windowSamples).toBe(60);
    expect(profile.inputMilligPerStep).toBe(64);
  });

  it("does not shorten the window for flickers of an observer's key", () => {
    const recordings = recordingsOf("x", 20, ["a", "b"]);
    const flickers = recordings.segments.flatMap((s) => [
      { ...s, length: 1100 },
      ...Array.from({ length: 9 }, (_, i) => ({
        ...s,
        start: s.start + 1100 + i * 10,
        length: 10,
      })),
    ]);
    expect(profileFor({ ...recordings, segments: flickers }).windowSamples).toBe(100);
    const allShort = recordings.segments.flatMap((s) =>
      Array.from({ length: 120 }, (_, i) => ({ ...s, start: s.start + i * 10, length: 10 })),
    );
    expect(() => profileFor({ ...recordings, segments: allShort })).toThrow(/0 behaviours/);
  });

  it("merges classes by a mapping from configuration", () => {
    const recordings = recordingsOf("cows", 10, ["Grazing", "Resting", "Walking", "Drinking"]);
    const labelClass = { Grazing: "head-down", Drinking: "head-down", Resting: "still" };
    const profile = profileFor(recordings, { labelClass });
    expect(profile.classes).toEqual(["head-down", "still"]);
    expect(profile.labelClass).toEqual(labelClass);
  });

  it("refuses what leaves fewer than two classes, and classes without a label", () => {
    expect(() => profileFor(recordingsOf("x", 10, ["only"]))).toThrow(
      /1 behaviours can be learned/,
    );
    const recordings = recordingsOf("x", 10, ["a", "b"]);
    expect(() => profileFor(recordings, { classes: ["a", "nap"] })).toThrow(/"nap"/);
  });
});

describe("shipped profiles", () => {
  it("map labels to classes that they have, and classes have labels", () => {
    for (const profile of SHIPPED_PROFILES) {
      expect(new Set(Object.values(profile.labelClass))).toEqual(new Set(profile.classes));
      expect(shippedProfile(profile.name)).toBe(profile);
    }
    expect(() => shippedProfile("cat")).toThrow(/unknown-profile.*cattle/s);
  });
});
