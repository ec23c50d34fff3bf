/** Windows in 4 and 2 bits a value: how far they are off, what comes out whole, the bytes written down. */

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EdgeError } from "../src/assert.ts";
import { below, prng } from "../src/prng.ts";
import { compandedBytes, decodeCompanded, encodeCompanded } from "../src/wire/companded.ts";
import { decodeUp, encodeUp } from "../src/wire/frames.ts";
import { LIMITS } from "../src/wire/limits.ts";
import { toLoraPayloads } from "../src/wire/lora.ts";
import { offloadBytes } from "../src/wire/offload-frame.ts";
import { codeOf } from "./edge-code.ts";
import { offloadOf } from "./gateway-kit.ts";
import { asWindow, GOLDEN_UP } from "./wire-samples.ts";

type GoldenWindow = {
  readonly name: string;
  readonly channels: number;
  readonly window: readonly number[];
  /** In 4 bits, and in 2. */
  readonly bytes: string;
  readonly coarse: string;
};
type Golden = { readonly windows: readonly GoldenWindow[] };
const GOLDEN: Golden & { frame: string } = JSON.parse(
  readFileSync(new URL("golden/companded.json", import.meta.url), "utf8"),
);

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const unhex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));

/** Any window: anything at all, or something quiet about a level that may be at the end. */
const anyWindow = fc
  .record({
    samples: fc.integer({ min: 1, max: 120 }),
    channels: fc.integer({ min: 1, max: LIMITS.channels }),
    level: fc.integer({ min: -128, max: 127 }),
    spread: fc.constantFrom(0, 1, 7, 60, 255),
  })
  .chain(({ samples, channels, level, spread }) =>
    fc
      .array(fc.integer({ min: level - spread, max: level + spread }), {
        minLength: samples * channels,
        maxLength: samples * channels,
      })
      .map((values) => ({
        samples,
        channels,
        window: Int8Array.from(values, (value) => Math.max(-128, Math.min(127, value))),
      })),
  );

const channelOf = (window: Int8Array, channel: number, channels: number): number[] =>
  [...window].filter((_, i) => i % channels === channel);

describe("a companded window", () => {
  it("is as long as it says, and off by at most half of the widest gap between two levels", () => {
    fc.assert(
      fc.property(anyWindow, ({ samples, channels, window }) => {
        const bytes = encodeCompanded(window, channels);
        expect(bytes).toHaveLength(compandedBytes(samples, channels));
        const back = decodeCompanded(bytes, samples, channels);
        for (let channel = 0; channel < channels; channel++) {
          const was = channelOf(window, channel, channels);
          const is = channelOf(back, channel, channels);
          const mean = was.reduce((sum, value) => sum + value, 0) / samples;
          const peak = Math.max(...was.map((value) => Math.abs(value - mean))) + 0.5;
          // Levels are 62/256 of the peak apart at the most, each rounded to a step.
          const bound = (31 * peak) / 256 + 1;
          for (const [t, value] of was.entries()) {
            expect(Math.abs(value - Number(is[t]))).toBeLessThan(bound);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it("takes for each sample the level that is nearest", () => {
    fc.assert(
      fc.property(anyWindow, ({ samples, channels, window }) => {
        const bytes = encodeCompanded(window, channels);
        const levels = Array.from({ length: channels }, (_, channel) =>
          Array.from({ length: 16 }, (_, code) => {
            const one = bytes.slice(2 * channel, 2 * channel + 2);
            return Number(decodeCompanded(Uint8Array.of(...one, code), 1, 1)[0]);
          }),
        );
        const back = decodeCompanded(bytes, samples, channels);
        window.forEach((value, i) => {
          const distances = (levels[i % channels] ?? []).map((level) => Math.abs(level - value));
          expect(Math.abs(Number(back[i]) - value)).toBe(Math.min(...distances));
        });
      }),
      { numRuns: 200 },
    );
  });

  it.each([-128, -1, 0, 5, 127])("that is %i throughout comes back whole", (level) => {
    const window = new Int8Array(33).fill(level);
    const back = decodeCompanded(encodeCompanded(window, 3), 11, 3);
    expect(back).toEqual(window);
  });

  it("keeps both ends of the range, and never passes them", () => {
    const window = Int8Array.of(-128, 127, -128, 127, 127, -128, 127);
    const back = decodeCompanded(encodeCompanded(window, 1), 7, 1);
    for (const [i, value] of window.entries()) {
      expect(Math.abs(Number(back[i]) - value)).toBeLessThan(32);
    }
    // The mean is 18, so the lower end is the peak and exact; what lies beyond the upper saturates.
    expect(Math.min(...back)).toBe(-128);
    const loudest = Uint8Array.of(127, 255, 0xf0);
    expect(decodeCompanded(loudest, 2, 1)).toEqual(Int8Array.of(-128, 127));
  });

  it.each(GOLDEN.windows)("has the bytes that are written down: $name", (golden) => {
    const window = Int8Array.from(golden.window);
    expect(hex(encodeCompanded(window, golden.channels))).toBe(golden.bytes);
    expect(hex(encodeCompanded(window, golden.channels, 2))).toBe(golden.coarse);
  });

  it("is refused at every cut, with a byte too many, and with a code behind the last sample", () => {
    const code = (bytes: Uint8Array): string => codeOf(() => decodeCompanded(bytes, 5, 3));
    const bytes = encodeCompanded(
      Int8Array.from({ length: 15 }, (_, i) => 9 * i),
      3,
    );
    expect(code(bytes)).toBe("accepted");
    for (let length = 0; length < bytes.length; length++) {
      expect(code(bytes.subarray(0, length))).toBe("truncated");
    }
    expect(code(Uint8Array.of(...bytes, 0))).toBe("trailing-bytes");
    expect(code(bytes.with(-1, Number(bytes.at(-1)) | 0x10))).toBe("out-of-range");
  });
});

describe("a window in 2 bits a value", () => {
  it("takes half of what 4 bits take, and comes back within a wide step of itself", () => {
    const windows = fc.tuple(
      fc.integer({ min: 1, max: 90 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 1_000_000 }),
    );
    fc.assert(
      fc.property(windows, ([samples, channels, seed]) => {
        const random = prng(seed, "two bits");
        const window = Int8Array.from(
          { length: samples * channels },
          () => below(random, 256) - 128,
        );
        const packed = encodeCompanded(window, channels, 2);
        expect(packed).toHaveLength(2 * channels + Math.ceil((samples * channels) / 4));
        expect(packed).toHaveLength(compandedBytes(samples, channels, 2));
        const left = decodeCompanded(packed, samples, channels, 2);
        for (let c = 0; c < channels; c++) {
          // Levels lie 211 of 256 parts of the peak apart at most: half of that, and the rounding.
          const peak = packed[2 * c + 1] as number;
          for (let i = c; i < window.length; i += channels) {
            const off = Math.abs((window[i] as number) - (left[i] as number));
            expect(off).toBeLessThanOrEqual((peak * 106) / 256 + 1);
          }
        }
        expect(encodeCompanded(left, channels, 2)).toHaveLength(packed.length);
      }),
    );
  });

  it("has the bytes that are written down", () => {
    // Mean 10, peak 100; 110, -90, 28, -8, 12 are nearest to the levels 3, 0, 2, 1, 2.
    const window = Int8Array.of(110, -90, 28, -8, 12);
    expect(hex(encodeCompanded(window, 1, 2))).toBe("0a646302");
    expect([...decodeCompanded(encodeCompanded(window, 1, 2), 5, 1, 2)]).toEqual([
      110, -90, 28, -8, 28,
    ]);
    const spare = Uint8Array.from(Buffer.from("0a646306", "hex"));
    expect(() => decodeCompanded(spare, 5, 1, 2)).toThrow(/behind the last sample/);
  });

  it("goes as encoding 3, in two payloads of LoRaWAN's slowest rate", () => {
    const message = { ...offloadOf(1), encoding: "companded2" as const };
    const frame = encodeUp(message);
    expect(frame[37]).toBe(3);
    expect(frame).toHaveLength(offloadBytes("companded2", message));
    const window = decodeCompanded(encodeCompanded(message.window, 3, 2), 50, 3, 2);
    expect(decodeUp("offload", frame)).toEqual({ ...message, window });
    expect(toLoraPayloads("offload", frame, 51)).toHaveLength(2);
  });
});

describe("an offload with a companded window", () => {
  const int8 = asWindow(GOLDEN_UP.find((message) => message.kind === "offload"));
  const companded = { ...int8, encoding: "companded4" as const };

  it("has the bytes that are written down, and is read as what they leave of the window", () => {
    const frame = encodeUp(companded);
    expect(hex(frame)).toBe(GOLDEN.frame);
    expect(frame).toHaveLength(offloadBytes("companded4", companded));
    expect(encodeUp(int8)).toHaveLength(offloadBytes("int8", int8));
    const { windowSamples, channels } = companded;
    const left = encodeCompanded(companded.window, channels);
    const window = decodeCompanded(left, windowSamples, channels);
    expect(decodeUp("offload", frame)).toEqual({ ...companded, window });
    expect(window).not.toEqual(companded.window);
  });

  it("is refused at every cut, with a byte too many, and in an encoding that nobody knows", () => {
    const frame = unhex(GOLDEN.frame);
    for (let length = 0; length < frame.length; length++) {
      expect(() => decodeUp("offload", frame.subarray(0, length))).toThrow(EdgeError);
    }
    expect(() => decodeUp("offload", Uint8Array.of(...frame, 0))).toThrow(EdgeError);
    expect(() => decodeUp("offload", frame.with(37, 4))).toThrow(/encoding is 4/);
  });
});
