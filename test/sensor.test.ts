import { describe, expect, it } from "vitest";
import { emulatorSource } from "../device-sim/emulator-sensor.ts";
import { createHerd, parseTurnPlan } from "../device-sim/herd.ts";
import { replaySource } from "../device-sim/replay-sensor.ts";
import { type SensorSource, sensorOver, UNKNOWN_CLASS } from "../device-sim/sensor.ts";
import type { Emulator } from "../src/signal/emulator.ts";
import type { SampleRun } from "../src/signal/faults.ts";
import type { Profile } from "../src/signal/profile.ts";
import type { Recordings, Segment } from "../src/signal/recordings.ts";

const PROFILE: Profile = {
  name: "tiny",
  rateHz: 10,
  windowSamples: 20,
  hopSamples: 10,
  channels: 3,
  classes: ["left", "right"],
  labelClass: { L: "left", R: "right" },
  inputMilligPerStep: 16,
};

/** Each segment holds its own number on x, so that one sees where a sample came from. */
function recordings(lengths: readonly (readonly [string, string, number])[]): Recordings {
  const segments: Segment[] = [];
  let start = 0;
  for (const [subject, label, length] of lengths) {
    segments.push({ subject, label, start, length, source: "" });
    start += length;
  }
  const samples = new Int16Array(start * 3);
  segments.forEach((segment, index) => {
    for (let i = segment.start; i < segment.start + segment.length; i++) samples[i * 3] = index;
  });
  const labels = ["L", "R", "other"];
  const subjects = [...new Set(segments.map((segment) => segment.subject))];
  return { name: "tiny", rateHz: 10, labels, subjects, segments, samples, about: {} };
}

const firstOf = (run: SampleRun | undefined): number => run?.samples[0] ?? Number.NaN;

describe("replaySource", () => {
  const data = recordings([
    ["a", "L", 50],
    ["a", "other", 50],
    ["a", "R", 30],
    ["a", "L", 19],
    ["b", "R", 40],
  ]);

  it("plays whole segments that have a class and a window, for ever, with a seam between them", () => {
    const source = replaySource(data, PROFILE, { subjects: ["a"], order: "recorded", seed: 1 });
    const pieces = Array.from({ length: 16 }, () => source.next(10)).flat();
    expect(pieces.reduce((sum, piece) => sum + piece.samples.length / 3, 0)).toBe(160);
    const seen = pieces.filter((piece) => piece.seam).map((piece) => piece.samples[0]);
    expect(seen).toHaveLength(4);
    expect(new Set(seen)).toEqual(new Set([0, 2]));
    for (const piece of pieces) {
      const label = piece.samples[0] === 0 ? 0 : 1;
      expect(piece.classes.every((class_) => class_ === label)).toBe(true);
    }
  });

  it("gives the same samples however it is cut", () => {
    const flat = (sizes: readonly number[]): number[] => {
      const source = replaySource(data, PROFILE, { order: "shuffled", seed: 4 });
      return sizes.flatMap((size) => source.next(size).flatMap((piece) => [...piece.samples]));
    };
    expect(flat([7, 93, 1, 199])).toEqual(flat([300]));
  });

  it("cuts long bouts where asked, and never below a window", () => {
    const options = { subjects: ["a"], order: "recorded", seed: 0, boutSecondsMax: 0.5 } as const;
    const source = replaySource(data, PROFILE, options);
    expect(source.next(40).map((piece) => piece.samples.length / 3)).toEqual([20, 20]);
  });

  it("refuses subjects that have nothing to replay", () => {
    expect(() =>
      replaySource(data, PROFILE, { subjects: ["c"], order: "recorded", seed: 1 }),
    ).toThrow(/replay-empty/);
  });
});

describe("sensorOver", () => {
  /** Samples that count up on x; bouts of 25, with a seam before each. */
  function counting(): SensorSource {
    let at = 0;
    return {
      rateHz: 10,
      next(count) {
        const pieces = [];
        for (let left = count; left > 0; ) {
          const rows = Math.min(left, 25 - (at % 25));
          const samples = new Int16Array(rows * 3);
          for (let i = 0; i < rows; i++) samples[i * 3] = at + i;
          const classes = new Uint8Array(rows).fill(Math.floor(at / 25) % 2);
          pieces.push({ seam: at % 25 === 0, samples, classes });
          at += rows;
          left -= rows;
        }
        return pieces;
      },
    };
  }

  it("jumps by one sample at a seam and knows the truth on both sides", () => {
    const sensor = sensorOver(counting(), [], 1);
    const runs = [...sensor.next(30), ...sensor.next(45)];
    expect(runs.map((run) => run.startSample)).toEqual([0, 26, 31, 52]);
    expect(runs.map(firstOf)).toEqual([0, 25, 30, 50]);
    expect(sensor.truth(0, 25)).toBe(0);
    expect(sensor.truth(26, 51)).toBe(1);
    expect(sensor.truth(52, 77)).toBe(0);
    expect(sensor.truth(77, 90)).toBeUndefined();
  });

  it("keeps the truth beside samples of a chip that runs fast", () => {
    const sensor = sensorOver(counting(), [{ kind: "wrong-rate", factor: 2 }], 1);
    sensor.next(25);
    expect(sensor.truth(0, 48)).toBe(0);
  });

  it("loses samples, not the count of them", () => {
    const dropouts = { kind: "dropouts", perHour: 3600, meanSamples: 3, rateHz: 10 } as const;
    const sensor = sensorOver(counting(), [dropouts], 3);
    const runs = Array.from({ length: 40 }, () => sensor.next(20)).flat();
    const kept = runs.reduce((sum, run) => sum + run.samples.length / 3, 0);
    expect(kept).toBeLessThan(780);
    expect(kept).toBeGreaterThan(300);
    for (const run of runs)
      expect(run.startSample - Math.floor(firstOf(run) / 25)).toBe(firstOf(run));
  });
});

describe("emulatorSource", () => {
  it("tells the truth in the profile's classes", () => {
    const emulator: Emulator = {
      rateHz: 10,
      classes: ["right", "asleep", "left"],
      next: (count) => ({
        samples: new Int16Array(count * 3),
        classes: Uint8Array.from({ length: count }, (_, i) => i % 3),
      }),
      startBout: () => false,
    };
    const [piece] = emulatorSource(emulator, PROFILE.classes).next(3);
    expect([...(piece?.classes ?? [])]).toEqual([1, UNKNOWN_CLASS, 0]);
  });
});

describe("createHerd", () => {
  const data = recordings([
    ["a", "L", 50],
    ["a", "R", 50],
    ["b", "L", 50],
    ["c", "L", 50],
    ["c", "R", 50],
  ]);
  const herd = () =>
    createHerd({
      profile: PROFILE,
      nodes: 3,
      seed: 5,
      signal: { kind: "recordings", recordings: data },
      factory: () => new Uint8Array(0),
      turns: [parseTurnPlan("2@2s:x180")],
    });

  it("gives each node a subject with something to tell apart, and a name", () => {
    const nodes = herd();
    expect(nodes.map((node) => node.id)).toEqual(["collar-01", "collar-02", "collar-03"]);
    const seen = nodes.map((node) => {
      const values = node.sensor.next(100).flatMap((run) => [...run.samples]);
      return new Set(values.filter((_, i) => i % 3 === 0));
    });
    expect(seen).toEqual([new Set([0, 1]), new Set([3, 4]), new Set([0, 1])]);
  });

  it("is the same for the same seed", () => {
    const samples = () =>
      herd().map((node) => node.sensor.next(70).map((run) => [run.startSample, ...run.samples]));
    expect(samples()).toEqual(samples());
  });
});

describe("parseTurnPlan", () => {
  it("reads what people write", () => {
    expect(parseTurnPlan("6@300s")).toMatchObject({ nodes: 6, atSeconds: 300 });
    const turned = parseTurnPlan("2@10:x180").rotation.map((value) => Math.round(value) + 0);
    expect(turned).toEqual([1, 0, 0, 0, -1, 0, 0, 0, -1]);
  });

  it("refuses anything else with an example", () => {
    for (const text of ["", "6", "6@", "x@3s", "6@3s:", "6@3s:q9"]) {
      expect(() => parseTurnPlan(text)).toThrow(/bad-turn/);
    }
  });
});
