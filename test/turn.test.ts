import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Recordings } from "../src/signal/recordings.ts";
import {
  inverse,
  multiply,
  NO_TURN,
  parseTurn,
  turnAbout,
  turnRecordings,
  turnSamples,
} from "../src/signal/turn.ts";

const axis = fc
  .tuple(fc.double({ min: -1, max: 1 }), fc.double({ min: -1, max: 1 }), fc.constant(0.5))
  .filter((parts) => parts.every(Number.isFinite));
const degrees = fc.integer({ min: -720, max: 720 });

describe("parseTurn", () => {
  it("reads named axes by the right hand", () => {
    expect([...turnSamples(Int16Array.of(0, 1000, 0), parseTurn("x90"))]).toEqual([0, 0, 1000]);
    expect([...turnSamples(Int16Array.of(1000, 0, 0), parseTurn("z90"))]).toEqual([0, 1000, 0]);
    expect([...turnSamples(Int16Array.of(0, 0, 1000), parseTurn("y90"))]).toEqual([1000, 0, 0]);
    expect([...turnSamples(Int16Array.of(1, 2, 3), parseTurn("Z180"))]).toEqual([-1, -2, 3]);
  });

  it("does the parts from left to right", () => {
    // y to z about x, then z to x about y.
    expect([...turnSamples(Int16Array.of(0, 1000, 0), parseTurn("x90+y90"))]).toEqual([1000, 0, 0]);
  });

  it("takes an axis of one's own", () => {
    const named = parseTurn("z-30.5");
    parseTurn("0,0,2:-30.5").forEach((value, i) => {
      expect(value).toBeCloseTo(named[i] ?? Number.NaN, 12);
    });
  });

  it.each(["", "90", "w90", "x", "xx90", "0,0,0:90", "1,2:3", "x90+", "1.2.3,0,0:9"])(
    "refuses %j with a hint",
    (text) => {
      expect(() => parseTurn(text)).toThrow(/bad-turn.*x90/s);
    },
  );
});

describe("turns", () => {
  it("keep lengths and are undone by their inverse", () => {
    fc.assert(
      fc.property(axis, degrees, (parts, angle) => {
        const rotation = turnAbout(parts, angle);
        const there = turnSamples(Int16Array.of(300, -500, 800), rotation);
        expect(Math.abs(Math.hypot(...there) - Math.hypot(300, 500, 800))).toBeLessThan(2);
        const back = turnSamples(there, inverse(rotation));
        [300, -500, 800].forEach((value, i) => {
          expect(Math.abs((back[i] ?? 0) - value)).toBeLessThanOrEqual(2);
        });
        multiply(inverse(rotation), rotation).forEach((value, i) => {
          expect(value).toBeCloseTo(NO_TURN[i] ?? Number.NaN, 9);
        });
      }),
    );
  });

  it("saturate instead of wrapping round", () => {
    const turned = turnSamples(Int16Array.of(32767, 32767, 0), parseTurn("z45"));
    expect([...turned]).toEqual([0, 32767, 0]);
  });

  it("turn the chosen subjects of recordings and leave the others alone", () => {
    const recordings: Recordings = {
      name: "two",
      rateHz: 10,
      labels: ["still"],
      subjects: ["a", "b"],
      segments: [
        { subject: "a", label: "still", start: 0, length: 1, source: "" },
        { subject: "b", label: "still", start: 1, length: 1, source: "" },
      ],
      samples: Int16Array.of(1, 2, 3, 1, 2, 3),
      about: {},
    };
    const turned = turnRecordings(recordings, parseTurn("z180"), ["b"]);
    expect([...turned.samples]).toEqual([1, 2, 3, -1, -2, 3]);
    expect([...recordings.samples]).toEqual([1, 2, 3, 1, 2, 3]);
  });
});
