import { describe, expect, it } from "vitest";
import { below, normal, prng } from "../src/prng.ts";
import { resample, resampleReach } from "../src/signal/resample.ts";
import { createResampleStream } from "../src/signal/resample-stream.ts";

const CHANNELS = 3;

describe("a signal that goes on", () => {
  it.each([
    [75, 25],
    [60, 10],
    [60, 20],
    [50, 25],
    [59.7, 10],
    [20, 25],
    [10, 10],
  ])("from %d to %d Hz is what the whole would be, however it is cut", (fromHz, toHz) => {
    const random = prng(7, `${fromHz} ${toHz}`);
    const whole = Float32Array.from({ length: 900 * CHANNELS }, () => 300 * normal(random));
    const expected = resample(whole, CHANNELS, fromHz, toHz);
    const stream = createResampleStream(CHANNELS, fromHz, toHz);
    const found: number[] = [];
    for (let at = 0; at < whole.length; ) {
      const rows = below(random, 40);
      found.push(...stream.take(whole.subarray(at, at + rows * CHANNELS)));
      at += rows * CHANNELS;
    }
    expect(found).toEqual([...expected.subarray(0, found.length)]);
    // Only the end waits, for what its last samples depend on.
    const missingMs = ((expected.length - found.length) / CHANNELS / toHz) * 1000;
    const reachMs = (resampleReach(fromHz, toHz) / fromHz) * 1000;
    expect(missingMs).toBeLessThanOrEqual(reachMs + 1000 / toHz);
  });
});
