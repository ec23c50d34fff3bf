import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readShippedEmulator } from "../recordings/shipped-emulator.ts";
import { emulateRecordings } from "../src/signal/emulate-recordings.ts";
import { createEmulator } from "../src/signal/emulator.ts";
import {
  type EmulatorParameters,
  type EmulatorState,
  parseEmulatorParameters,
} from "../src/signal/emulator-parameters.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import { resample } from "../src/signal/resample.ts";

const quiet: EmulatorState = {
  mean: [0, 0, -1000],
  meanSpread: [0, 0, 0, 0, 0, 0],
  lags: [],
  innovation: [10, 0, 10, 0, 0, 10],
  tailDegrees: 0,
  strengthSpread: 0,
};
const lively: EmulatorState = {
  ...quiet,
  mean: [800, 0, 0],
  lags: [[0.5, 0, 0, 0, 0.5, 0, 0, 0, 0.5]],
  tailDegrees: 5,
};

/** Two behaviours, told apart by gravity; the second individual never walks. */
const parameters: EmulatorParameters = {
  format: "bellwether-emulator-1",
  profile: "test",
  rateHz: 10,
  pieceSamples: 20,
  classes: ["still", "walking"],
  bouts: [
    { logSeconds: Math.log(30), logSecondsSpread: 0.5, share: 3 },
    { logSeconds: Math.log(10), logSecondsSpread: 0, share: 1 },
  ],
  individuals: [
    {
      behaviours: [
        { states: [quiet], start: [1], next: [[1]] },
        {
          states: [lively, quiet],
          start: [1, 0],
          next: [
            [1, 0],
            [0, 1],
          ],
        },
      ],
    },
    { behaviours: [{ states: [quiet], start: [1], next: [[1]] }, null] },
  ],
  madeFrom: {},
};

function axis(samples: Int16Array, which: number): number[] {
  return Array.from(samples.filter((_, i) => i % 3 === which));
}
const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
function deviation(values: readonly number[]): number {
  const centre = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - centre) ** 2)));
}

describe("createEmulator", () => {
  it("gives the same stream however it is cut, and another for another name", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(90), { minLength: 1, maxLength: 8 }),
        fc.nat(50),
        (cuts, seed) => {
          const total = cuts.reduce((sum, cut) => sum + cut, 0);
          const whole = createEmulator(parameters, { seed, name: "a" }).next(total);
          const emulator = createEmulator(parameters, { seed, name: "a" });
          const pieces = cuts.map((cut) => emulator.next(cut));
          expect(pieces.flatMap((piece) => [...piece.samples])).toEqual([...whole.samples]);
          expect(pieces.flatMap((piece) => [...piece.classes])).toEqual([...whole.classes]);
        },
      ),
    );
    const of = (name: string) => createEmulator(parameters, { seed: 1, name }).next(50).samples;
    expect(of("a")).not.toEqual(of("b"));
  });

  it("has the mean, the strength and the memory that its parameters say", () => {
    const emulator = createEmulator(parameters, { seed: 2, individual: 0, variation: 0 });
    emulator.startBout(1, 1e6);
    const { samples, classes } = emulator.next(20_000);
    expect(new Set(classes)).toEqual(new Set([1]));
    const x = axis(samples, 0);
    expect(mean(x)).toBeCloseTo(800, -0.5);
    // An autoregression of one half has a variance of 4/3 of its innovations'.
    expect(deviation(x)).toBeGreaterThan(10.5);
    expect(deviation(x)).toBeLessThan(12.6);
    const product = mean(x.slice(1).map((value, i) => (value - 800) * ((x[i] ?? 0) - 800)));
    expect(product / deviation(x) ** 2).toBeCloseTo(0.5, 1);
  });

  it("follows one behaviour with another, in the recorded lengths and shares", () => {
    const { classes } = createEmulator(parameters, { seed: 3, individual: 0 }).next(200_000);
    const walking = [...classes].filter((index) => index === 1).length / classes.length;
    // Bouts alternate here: 10 s of walking, 30 s times the log-normal's mean of being still.
    expect(walking).toBeGreaterThan(0.18);
    expect(walking).toBeLessThan(0.28);
  });

  it("never shows what its individual was never seen at", () => {
    const emulator = createEmulator(parameters, { seed: 4, individual: 1 });
    expect(emulator.startBout(1, 10)).toBe(false);
    expect(new Set(emulator.next(5000).classes)).toEqual(new Set([0]));
  });

  it("makes every animal a little different, and the fitted one at variation 0", () => {
    const gravity = (seed: number, variation: number): number => {
      const emulator = createEmulator(parameters, { seed, individual: 1, variation });
      return mean(axis(emulator.next(500).samples, 0));
    };
    expect(Math.abs(gravity(1, 0) - gravity(2, 0))).toBeLessThan(5);
    const tilts = Array.from({ length: 60 }, (_, seed) => gravity(seed, 1));
    // Six degrees of tilt move about 105 milli-g of gravity onto an axis.
    expect(deviation(tilts)).toBeGreaterThan(70);
    expect(deviation(tilts)).toBeLessThan(150);
  });
});

describe("parseEmulatorParameters", () => {
  it("reads back what was fitted", () => {
    expect(parseEmulatorParameters(JSON.stringify(parameters), "x")).toEqual(parameters);
  });

  it.each([
    ["{", /not JSON/],
    [JSON.stringify({ ...parameters, format: "other" }), /format/],
    [JSON.stringify({ ...parameters, rateHz: 0 }), /rateHz/],
    [JSON.stringify({ ...parameters, bouts: [] }), /bouts: 2 entries/],
    [
      JSON.stringify({ ...parameters, individuals: [{ behaviours: [null, null] }] }),
      /no behaviour/,
    ],
    [
      JSON.stringify({
        ...parameters,
        individuals: [{ behaviours: [{ states: [quiet], start: [1], next: [] }, null] }],
      }),
      /chain does not fit 1 states/,
    ],
  ])("refuses %s", (text, message) => {
    expect(() => parseEmulatorParameters(text, "file")).toThrow(message);
  });
});

describe.each(["cattle", "people"])("the shipped emulator of %s", (name) => {
  const profile = shippedProfile(name);

  it("has the profile's rate and classes, and every individual stands on earth", async () => {
    const shipped = await readShippedEmulator(name);
    expect(shipped).toMatchObject({ rateHz: profile.rateHz, classes: profile.classes });
    for (const index of shipped.individuals.keys()) {
      const { samples } = createEmulator(shipped, { seed: 5, individual: index }).next(3000);
      const magnitudes = Array.from({ length: 3000 }, (_, i) =>
        Math.hypot(...samples.subarray(i * 3, i * 3 + 3)),
      ).sort((a, b) => a - b);
      expect(magnitudes[1500]).toBeGreaterThan(700);
      expect(magnitudes[1500]).toBeLessThan(1400);
      expect(magnitudes.at(-1)).toBeLessThan(16_000);
    }
  });

  it("moves more where the animal does", async () => {
    const recordings = emulateRecordings(await readShippedEmulator(name), profile, {
      seed: 1,
      secondsPerClass: 60,
    });
    const set = makeWindows(recordings, profile);
    expect(new Set(set.labels).size).toBe(profile.classes.length);
    const size = set.windowSamples * set.channels;
    const strength = (className: string): number => {
      const index = profile.classes.indexOf(className);
      const windows = [...set.labels.keys()].filter((i) => set.labels[i] === index);
      return mean(
        windows.map((w) => {
          const samples = set.samples.subarray(w * size, (w + 1) * size);
          return mean([0, 1, 2].map((a) => deviation([...samples].filter((_, i) => i % 3 === a))));
        }),
      );
    };
    const [calm, active] = name === "cattle" ? ["still", "walking"] : ["sitting", "jogging"];
    expect(strength(active ?? "")).toBeGreaterThan(2 * strength(calm ?? ""));
  });
});

describe("emulateRecordings", () => {
  const profile = {
    ...shippedProfile("cattle"),
    classes: ["still", "walking"],
    labelClass: { Resting: "still", Walking: "walking" },
  };

  it("reads as recordings do: contiguous segments, asked amounts, labels of the profile", () => {
    const recordings = emulateRecordings(parameters, profile, {
      seed: 1,
      animalsPerIndividual: 2,
      secondsPerClass: 100,
      boutSeconds: 20,
    });
    expect(recordings.subjects).toEqual(["e1", "e2", "e3", "e4"]);
    expect(new Set(recordings.segments.map((s) => s.label))).toEqual(new Set(recordings.labels));
    let at = 0;
    for (const { start, length } of recordings.segments) {
      expect(start).toBe(at);
      at += length;
    }
    expect(recordings.samples.length).toBe(at * 3);
    const walked = recordings.segments.filter((s) => s.subject === "e1" && s.label === "Walking");
    expect(walked.reduce((sum, s) => sum + s.length, 0)).toBe(1000);
    expect(recordings.segments.some((s) => s.subject === "e2" && s.label === "Walking")).toBe(
      false,
    );
    expect(resample(recordings.samples, 3, 10, 10).length).toBe(recordings.samples.length);
  });
});
