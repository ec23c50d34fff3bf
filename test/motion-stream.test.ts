import { describe, expect, it } from "vitest";
import { createMotionStream, type MotionRun, signOf } from "../device-sim/browser/motion-stream.ts";
import { prng, uniform } from "../src/prng.ts";
import { resample } from "../src/signal/resample.ts";

const GRAVITY = 9.80665;

/** Readings of a sine about gravity on z, at times that `timesMs` gives; and what came of them. */
function runsOf(
  timesMs: readonly number[],
  options: { readonly rateHz: number; readonly sign?: 1 | -1; readonly sineHz?: number },
): MotionRun[] {
  const { rateHz, sign = 1, sineHz = 2 } = options;
  const stream = createMotionStream(rateHz, sign);
  return timesMs.flatMap((timeMs) => {
    const x = GRAVITY * 0.5 * Math.sin((2 * Math.PI * sineHz * timeMs) / 1000);
    return stream.take({ timeMs, acceleration: [x, 0, GRAVITY] }) ?? [];
  });
}

/** Some 60 a second, each a little early or late, as timers are. */
function unevenTimes(count: number): number[] {
  const random = prng(4, "times");
  return Array.from({ length: count }, (_, i) => 1_000 + (i + uniform(random, -0.25, 0.25)) * 16.7);
}

function rootMeanSquare(values: readonly number[]): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
}

describe("readings of a phone", () => {
  it.each([25, 10, 20])("become %d samples a second, at the moments that they say", (rateHz) => {
    const times = unevenTimes(1_200);
    const runs = runsOf(times, { rateHz });
    const samples = runs.flatMap(({ millig }) => [...millig]);
    const seconds = samples.length / 3 / rateHz;
    expect(seconds).toBeGreaterThan(18.5);
    let next = 0;
    for (const { startSample, millig, endMs } of runs) {
      expect(startSample).toBe(next);
      next += millig.length / 3;
      expect(endMs).toBeCloseTo((times[0] ?? 0) + ((next - 1) * 1000) / rateHz, 6);
    }
    const [first] = runs as [MotionRun];
    const startMs = first.endMs - ((first.millig.length / 3 - 1) * 1000) / rateHz;
    let worst = 0;
    for (let i = rateHz; i < samples.length / 3; i++) {
      const timeMs = startMs + (i * 1000) / rateHz;
      const expected = 500 * Math.sin((2 * Math.PI * 2 * timeMs) / 1000);
      worst = Math.max(worst, Math.abs((samples[3 * i] ?? 0) - expected));
      expect(samples[3 * i + 2]).toBe(1000);
    }
    // Half a g at two hertz, to within a step of the student's input.
    expect(worst).toBeLessThan(16);
  });

  it("lose little of what swings ten times a second beside even ones, as students are trained on", () => {
    const sine = Float32Array.from(
      { length: 1_500 },
      (_, i) => 500 * Math.sin((2 * Math.PI * 10 * i) / 75),
    );
    const even = [...resample(sine, 1, 75, 25)].slice(25);
    const runs = runsOf(unevenTimes(1_200), { rateHz: 25, sineHz: 10 });
    const x = runs.flatMap(({ millig }) => [...millig].filter((_, i) => i % 3 === 0)).slice(25);
    const share = rootMeanSquare(x) / rootMeanSquare(even);
    console.log(`${(100 * (1 - share)).toFixed(1)} % of 10 Hz are lost by uneven readings`);
    expect(share).toBeGreaterThan(0.95);
    expect(share).toBeLessThan(1.02);
  });

  it("are turned to an iPhone's signs, where the axis that points up reads -1 g", () => {
    const times = unevenTimes(200);
    const standard = runsOf(times, { rateHz: 25, sign: signOf("other") });
    expect(standard[0]?.millig[2]).toBe(-1000);
    const apple = runsOf(times, { rateHz: 25, sign: signOf("apple-mobile") });
    expect(apple[0]?.millig[2]).toBe(1000);
  });

  it("begin afresh after a silence, with a jump in the count as long as it was", () => {
    const before = unevenTimes(300);
    const after = unevenTimes(300).map((timeMs) => timeMs + 15_000);
    const runs = runsOf([...before, ...after], { rateHz: 10 });
    const jumps = runs.filter(({ startSample }, i) => {
      const last = runs[i - 1];
      return last !== undefined && startSample !== last.startSample + last.millig.length / 3;
    });
    expect(jumps).toHaveLength(1);
    const [jump] = jumps as [MotionRun];
    const last = runs[runs.indexOf(jump) - 1] as MotionRun;
    const missing = jump.startSample - (last.startSample + last.millig.length / 3);
    expect(missing).toBeGreaterThan(80);
    expect(missing).toBeLessThan(120);
    expect(jump.endMs).toBeGreaterThan(15_000);
  });

  it("that say nothing new, or nothing, change nothing", () => {
    const stream = createMotionStream(10, 1);
    const still = { acceleration: [0, 0, GRAVITY] as const };
    let rows = 0;
    for (const timeMs of unevenTimes(300)) {
      rows += (stream.take({ timeMs, ...still })?.millig.length ?? 0) / 3;
      expect(stream.take({ timeMs, ...still })).toBeUndefined();
      expect(stream.take({ timeMs: timeMs - 5, ...still })).toBeUndefined();
      expect(stream.take({ timeMs, acceleration: [Number.NaN, 0, 0] })).toBeUndefined();
    }
    expect(rows).toBeGreaterThan(40);
  });
});
