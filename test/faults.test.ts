import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  clockReading,
  type Fault,
  faultyRecordings,
  faultySensor,
  type SampleRun,
} from "../src/signal/faults.ts";
import { type Recordings, segmentSamples } from "../src/signal/recordings.ts";
import { parseTurn } from "../src/signal/turn.ts";

function ramp(count: number): Int16Array {
  return Int16Array.from({ length: count * 3 }, (_, i) => Math.floor(i / 3) * 10 + (i % 3));
}

function flat(runs: readonly SampleRun[]): number[][] {
  return runs.flatMap((run) =>
    Array.from({ length: run.samples.length / 3 }, (_, i) => [
      run.startSample + i,
      ...run.samples.subarray(i * 3, i * 3 + 3),
    ]),
  );
}

const ALL_FAULTS: readonly Fault[] = [
  { kind: "wrong-rate", factor: 1.07 },
  { kind: "turn", atSample: 40, rotation: parseTurn("x90") },
  { kind: "stuck-axis", axis: 1, fromSample: 20, toSample: 60 },
  { kind: "noise", milligDeviation: 5, fromSample: 10 },
  { kind: "dropouts", perHour: 400, meanSamples: 8, rateHz: 10 },
];

describe("faultySensor", () => {
  it("gives the same samples however the stream was cut into blocks", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(40), { minLength: 1, maxLength: 12 }),
        fc.nat(99),
        (cuts, seed) => {
          const total = cuts.reduce((sum, cut) => sum + cut, 0);
          const whole = faultySensor(ALL_FAULTS, seed).next(ramp(total));
          const sensor = faultySensor(ALL_FAULTS, seed);
          let at = 0;
          const pieces = cuts.flatMap((cut) => {
            const block = ramp(total).subarray(at * 3, (at + cut) * 3);
            at += cut;
            return sensor.next(block);
          });
          expect(flat(pieces)).toEqual(flat(whole));
        },
      ),
    );
  });

  it("turns at the given sample and not before", () => {
    const sensor = faultySensor([{ kind: "turn", atSample: 2, rotation: parseTurn("z180") }], 1);
    const [run] = sensor.next(ramp(4));
    expect([...(run?.samples ?? [])]).toEqual([0, 1, 2, 10, 11, 12, -20, -21, 22, -30, -31, 32]);
  });

  it("holds a stuck axis at its last value and lets it go", () => {
    const fault: Fault = { kind: "stuck-axis", axis: 0, fromSample: 1, toSample: 3 };
    const [run] = faultySensor([fault], 1).next(ramp(4));
    expect([0, 3, 6, 9].map((i) => run?.samples[i])).toEqual([0, 0, 0, 30]);
  });

  it("adds noise of the asked size", () => {
    const fault: Fault = { kind: "noise", milligDeviation: 20, fromSample: 0 };
    const [run] = faultySensor([fault], 7).next(new Int16Array(30_000));
    const squares = [...(run?.samples ?? [])].reduce((sum, value) => sum + value * value, 0);
    expect(Math.sqrt(squares / 30_000)).toBeCloseTo(20, 0);
  });

  it("loses about as many samples as asked, in gaps, and numbers the rest", () => {
    const fault: Fault = { kind: "dropouts", perHour: 60, meanSamples: 30, rateHz: 10 };
    const runs = faultySensor([fault], 3).next(new Int16Array(3 * 360_000));
    const kept = runs.reduce((sum, run) => sum + run.samples.length / 3, 0);
    // 60 gaps an hour of 3 s: about one sample in twenty.
    expect(1 - kept / 360_000).toBeGreaterThan(0.04);
    expect(1 - kept / 360_000).toBeLessThan(0.056);
    for (let i = 1; i < runs.length; i++) {
      const before = runs[i - 1] as SampleRun;
      const end = before.startSample + before.samples.length / 3;
      expect((runs[i] as SampleRun).startSample).toBeGreaterThan(end);
    }
  });

  it("never drops when the rate of gaps is zero", () => {
    const fault: Fault = { kind: "dropouts", perHour: 0, meanSamples: 30, rateHz: 10 };
    expect(faultySensor([fault], 3).next(ramp(1000))).toHaveLength(1);
  });

  it("takes more samples when the chip runs fast", () => {
    const [run] = faultySensor([{ kind: "wrong-rate", factor: 1.25 }], 1).next(ramp(101));
    expect((run?.samples.length ?? 0) / 3).toBe(126);
    expect(run?.samples[3]).toBe(8);
  });
});

describe("clockReading", () => {
  it("drifts and is off", () => {
    expect(clockReading(1_000_000, { offsetMs: -50, driftPartsPerMillion: 20 })).toBe(999_970);
  });
});

describe("faultyRecordings", () => {
  const segment = (subject: string, start: number, length: number) => ({
    ...{ subject, start, length },
    ...{ label: "walk", source: "" },
  });
  const recordings: Recordings = {
    name: "two",
    rateHz: 10,
    labels: ["walk"],
    subjects: ["a", "b"],
    segments: [segment("a", 0, 20), segment("b", 20, 30), segment("a", 50, 10)],
    samples: ramp(60),
    about: {},
  };
  const axis = (from: Recordings, index: number, which: number): number[] => {
    const own = from.segments[index] as Recordings["segments"][number];
    return [...segmentSamples(from, own)].filter((_, at) => at % 3 === which);
  };

  it("sticks at one value from an animal's first segment to its last, and moves nothing else", () => {
    const stuck: Fault = { kind: "stuck-axis", axis: 1, fromSample: 1, toSample: 1e9 };
    const broken = faultyRecordings(recordings, [stuck], 1);
    expect(broken.segments).toEqual(recordings.segments);
    expect(new Set([...axis(broken, 0, 1), ...axis(broken, 2, 1)])).toEqual(new Set([1]));
    expect(new Set(axis(broken, 1, 1))).toEqual(new Set([201]));
    expect(axis(broken, 2, 0)).toEqual(axis(recordings, 2, 0));
  });

  it("gives segments of another length at another rate, one behind the other", () => {
    const broken = faultyRecordings(recordings, [{ kind: "wrong-rate", factor: 2 }], 1);
    let start = 0;
    for (const [i, { start: at, length }] of broken.segments.entries()) {
      expect(at).toBe(start);
      expect(Math.abs(length - 2 * Number(recordings.segments[i]?.length))).toBeLessThanOrEqual(2);
      start += length;
    }
    expect(broken.samples).toHaveLength(3 * start);
  });
});
