import { describe, expect, it } from "vitest";
import { prng } from "../src/prng.ts";
import { type Augmentation, augmentWindow, NO_AUGMENTATION } from "../src/signal/augment.ts";

const SHAPE = { channels: 3, milliGPerStep: 20 };
const WINDOW = Int8Array.from({ length: 60 }, (_, i) => ((i * 37) % 91) - 45);

function view(augmentation: Partial<Augmentation>, seed = 1, window = WINDOW): Float32Array {
  const out = new Float32Array(window.length + 2).fill(Number.NaN);
  augmentWindow(window, SHAPE, { ...NO_AUGMENTATION, ...augmentation }, prng(seed), out, 1);
  // Nothing outside of its place.
  expect(out[0]).toBeNaN();
  expect(out[out.length - 1]).toBeNaN();
  return out.slice(1, -1);
}

/** In int8 steps again. */
const steps = (g: Float32Array): number[] => Array.from(g, (value) => Math.round(value / 0.02) + 0);

describe("augmentation", () => {
  it("leaves the window alone when asked for nothing, in g", () => {
    const plain = view({});
    WINDOW.forEach((step, i) => {
      expect(plain[i]).toBeCloseTo(step * 0.02, 6);
    });
  });

  it("flips x and y independently and never z", () => {
    const signs = new Set<string>();
    for (let seed = 0; seed < 40; seed++) {
      const flipped = steps(view({ turn: "flips" }, seed));
      const x = flipped[0] === WINDOW[0] ? "+" : "-";
      const y = flipped[1] === WINDOW[1] ? "+" : "-";
      for (let i = 0; i < WINDOW.length; i += 3) {
        expect(flipped[i]).toBe((x === "+" ? 1 : -1) * (WINDOW[i] as number) + 0);
        expect(flipped[i + 1]).toBe((y === "+" ? 1 : -1) * (WINDOW[i + 1] as number) + 0);
        expect(flipped[i + 2]).toBe(WINDOW[i + 2]);
      }
      signs.add(x + y);
    }
    expect(signs.size).toBe(4);
  });

  it.each(["vertical", "any"] as const)("keeps every sample's length when turned: %s", (turn) => {
    for (let seed = 0; seed < 20; seed++) {
      const turned = view({ turn, tiltDegrees: 15 }, seed);
      for (let i = 0; i < WINDOW.length; i += 3) {
        const before = Math.hypot(...WINDOW.subarray(i, i + 3)) * 0.02;
        const after = Math.hypot(...turned.subarray(i, i + 3));
        // Rounding to steps moves each axis by half a step at most.
        expect(Math.abs(after - before)).toBeLessThan(0.02);
      }
    }
  });

  it("turns about the vertical without touching z", () => {
    for (let seed = 0; seed < 20; seed++) {
      const turned = steps(view({ turn: "vertical" }, seed));
      for (let i = 2; i < WINDOW.length; i += 3) expect(turned[i]).toBe(WINDOW[i]);
    }
  });

  it("reaches every direction with any rotation", () => {
    const up = Int8Array.of(0, 0, 50);
    const octants = new Set<string>();
    for (let seed = 0; seed < 200; seed++) {
      octants.add(
        steps(view({ turn: "any" }, seed, up))
          .map((v) => (v < 0 ? "-" : "+"))
          .join(""),
      );
    }
    expect(octants.size).toBe(8);
  });

  it("shifts by whole samples and mirrors at the end", () => {
    const shifts = new Set<number>();
    for (let seed = 0; seed < 60; seed++) {
      const shifted = steps(view({ shiftSamples: 2 }, seed));
      const first = shifted.slice(0, 3).join();
      const found = [0, 1, 2].find((t) => WINDOW.slice(3 * t, 3 * t + 3).join() === first);
      expect(found).toBeDefined();
      shifts.add(found as number);
    }
    expect(shifts).toEqual(new Set([0, 1, 2]));
  });

  it("stretches about the middle and stays within the window's range", () => {
    const ramp = Int8Array.from({ length: 63 }, (_, i) => Math.floor(i / 3) - 10);
    let faster = 0;
    for (let seed = 0; seed < 20; seed++) {
      const stretched = steps(view({ stretch: 0.2 }, seed, ramp));
      expect(Math.abs(stretched[30] as number)).toBeLessThanOrEqual(1);
      expect(Math.min(...stretched)).toBeGreaterThanOrEqual(-10);
      expect(Math.max(...stretched)).toBeLessThanOrEqual(10);
      if ((stretched[33] as number) + (stretched[36] as number) > 3) faster++;
    }
    expect(faster).toBeGreaterThan(0);
    expect(faster).toBeLessThan(20);
  });

  it("adds noise of the deviation that is asked for, on every axis alike", () => {
    const quiet = new Int8Array(3 * 4000);
    const noisy = view({ noiseMilliG: 100 }, 9, quiet);
    for (const axis of [0, 1, 2]) {
      const values = noisy.filter((_, i) => i % 3 === axis);
      const mean = values.reduce((a, b) => a + b, 0) / values.length;
      const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length;
      expect(Math.abs(mean)).toBeLessThan(0.01);
      expect(Math.sqrt(variance)).toBeCloseTo(0.1, 2);
    }
  });

  it("saturates where a node would", () => {
    const loud = new Int8Array(30).fill(127);
    for (const value of steps(view({ scale: 0.5, noiseMilliG: 200 }, 3, loud))) {
      expect(value).toBeLessThanOrEqual(127);
    }
  });

  it("holds a run on one axis", () => {
    const longest = Array.from({ length: 20 }, (_, seed) => {
      const held = steps(view({ removal: 1 }, seed));
      const changed = held.flatMap((value, i) => (value === WINDOW[i] ? [] : [i]));
      expect(new Set(changed.map((i) => i % 3)).size).toBeLessThanOrEqual(1);
      return changed.length;
    });
    expect(Math.max(...longest)).toBeGreaterThan(2);
  });

  it("is the same for the same seed and other for another", () => {
    const all: Augmentation = {
      turn: "vertical",
      tiltDegrees: 10,
      scale: 0.1,
      noiseMilliG: 20,
      shiftSamples: 4,
      stretch: 0.1,
      removal: 0.5,
    };
    expect(view(all, 4)).toEqual(view(all, 4));
    expect(view(all, 4)).not.toEqual(view(all, 5));
  });
});
