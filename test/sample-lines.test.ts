/** A device's lines, as they come, to samples at the rate of a student. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createLineSensor } from "../device-sim/line-sensor.ts";
import { createSampleLines, type LineSample } from "../device-sim/sample-lines.ts";
import { normal, prng } from "../src/prng.ts";
import type { SampleRun } from "../src/signal/faults.ts";
import { AXES } from "../src/signal/recordings.ts";
import { resample } from "../src/signal/resample.ts";
import { toInt16 } from "../src/signal/turn.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

function readAll(text: string): { samples: LineSample[]; unread: number } {
  const lines = createSampleLines({ where: "port", milligPerUnit: 1 });
  const samples = [...lines.take(bytesOf(text)), ...lines.finish()];
  return { samples, unread: lines.unread };
}

const value = fc.integer({ min: -4000, max: 4000 });
const sample = fc.tuple(fc.integer({ min: 0, max: 1e9 }), value, value, value);

describe("lines", () => {
  it("mean the same as fields and as objects, wherever they are cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(sample, fc.constantFrom(",", ";", "\t", " ", ", ", "json")), {
          maxLength: 30,
        }),
        fc.constantFrom("\n", "\r\n"),
        fc.infiniteStream(fc.integer({ min: 1, max: 60 })),
        (rows, ending, cuts) => {
          const text = rows
            .map(([[t, x, y, z], form]) =>
              form === "json" ? JSON.stringify({ t, x, y, z, id: "é" }) : [t, x, y, z].join(form),
            )
            .join(ending);
          const lines = createSampleLines({ where: "port", milligPerUnit: 1 });
          const bytes = bytesOf(text);
          const found: LineSample[] = [];
          for (let at = 0; at < bytes.length; ) {
            const size = cuts.next().value as number;
            found.push(...lines.take(bytes.subarray(at, at + size)));
            at += size;
          }
          found.push(...lines.finish());
          expect(found).toEqual(
            rows.map(([[timeMs, ...acceleration]]) => ({ timeMs, acceleration })),
          );
          expect(lines.unread).toBe(0);
        },
      ),
    );
  });

  it("that are no samples are counted, but for names, remarks and empty ones", () => {
    const text = 't,x,y,z\n# a collar\n\n0,1,2,3\n100,1,2\nx{]\n200,1,,3\n{"t":1}\n300,4,5,6';
    const { samples, unread } = readAll(text);
    expect(samples.map(({ timeMs }) => timeMs)).toEqual([0, 300]);
    expect(unread).toBe(4);
  });

  it.each([
    ["0,1,2,NaN", 'z is no number: "NaN"'],
    ["0,1,,3", 'y is no number: ""'],
    ["0,1,2", '3 values in place of t,x,y,z: "0,1,2"'],
    ["0,Infinity,2,3", "x is no number: Infinity"],
    ["0,1e300,2,3", "x is 1e+300, more than the 200 g that an accelerometer measures"],
    ["1e300,1,2,3", "t is 1e+300, no time in milliseconds"],
    ["0,1,2,3,101", "battery is 101, no percentage"],
    ['{"t":0,"x":1,"y":2}', "z is missing"],
    ['{"t":0,"x":"1","y":2,"z":3}', 'x is no number: "1"'],
    ['{"t":0,"x":1', "no whole JSON object"],
  ])("%s is told to be none, and why", (text, problem) => {
    const heard: string[] = [];
    const lines = createSampleLines({
      ...{ where: "port", milligPerUnit: 1 },
      onUnread: (told) => heard.push(told),
    });
    const samples = lines.take(bytesOf(`0,1,2,3\n${text}\nx\n`));
    expect(samples).toHaveLength(1);
    expect(lines.unread).toBe(2);
    expect(lines.firstUnread).toContain(`line 2: ${problem}`);
    expect(heard).toEqual([lines.firstUnread]);
  });

  it("end where accelerometers do, in whatever unit they come", () => {
    for (const [milligPerUnit, most] of [
      [1, 200_000],
      [1000, 200],
    ] as const) {
      const lines = createSampleLines({ where: "port", milligPerUnit });
      const text = `# units\n0,${most},0,0\n1,${-most},0,0\n2,${most * 1.001},0,0\n`;
      expect(lines.take(bytesOf(text))).toHaveLength(2);
      expect(lines.unread).toBe(1);
    }
  });

  it("say what the battery holds, in either form and where it is known", () => {
    const text =
      '0,1,2,3,87\n1,1,2,3\n{"t":2,"x":1,"y":2,"z":3,"battery":41.6}\n{"t":3,"x":1,"y":2,"z":3,"battery":null}';
    const { samples, unread } = readAll(text);
    expect(samples.map(({ batteryPercent }) => batteryPercent)).toEqual([
      ...[87, undefined, 42, undefined],
    ]);
    expect(unread).toBe(0);
  });

  it("without an end, or of nothing else, are refused and not kept", () => {
    const lines = createSampleLines({ where: "port", milligPerUnit: 1 });
    const noise = new Uint8Array(5000).fill(0xff);
    const read = (): void => {
      for (let i = 0; i < 100; i++) lines.take(noise);
    };
    expect(read).toThrow(/port:5\d.*no samples.*stty/s);
    expect(() => readAll("what is this\n".repeat(60))).toThrow(/sample-lines/);
  });
});

/** `count` samples of noise about gravity at a rate, from a time on. */
function noise(count: number, hertz: number, fromMs = 0): LineSample[] {
  const random = prng(3, "noise");
  return Array.from({ length: count }, (_, i) => ({
    timeMs: fromMs + (i * 1000) / hertz,
    acceleration: [0, 0, 1].map((axis) => axis + 0.3 * normal(random)),
  }));
}

const valuesOf = (runs: readonly SampleRun[]): number[] =>
  runs.flatMap(({ samples }) => [...samples]);
const G = { milligPerUnit: 1000, where: "port" };

describe("a sensor of lines", () => {
  it.each([10, 12.5, 25, 50])("at %d Hz is resampled as recordings are", (fromHz) => {
    const samples = noise(400, fromHz);
    const sensor = createLineSensor({ fromHz, rateHz: 10, ...G });
    const runs = [0, 7, 30, 222].flatMap((from, i, cuts) =>
      sensor.take(samples.slice(from, cuts[i + 1])),
    );
    const raw = Float32Array.from(
      samples.flatMap(({ acceleration }) => acceleration),
      (g) => g * 1000,
    );
    const whole = Int16Array.from(resample(raw, AXES, fromHz, 10), toInt16);
    const found = valuesOf(runs);
    expect(found).toEqual([...whole.subarray(0, found.length)]);
    expect(found.length).toBeGreaterThan(whole.length - 20 * AXES);
    let next = 0;
    for (const run of runs) {
      expect(run.startSample).toBe(next);
      next += run.samples.length / AXES;
    }
    expect(sensor.gaps).toBe(0);
  });

  it("begins afresh where samples are missing, and where the device was started again", () => {
    const sensor = createLineSensor({ fromHz: 10, rateHz: 10, ...G });
    const runs = [
      ...sensor.take(noise(50, 10)),
      ...sensor.take(noise(50, 10, 20_000)),
      ...sensor.take(noise(50, 10, 0)),
    ];
    expect(runs.map(({ startSample }) => startSample)).toEqual([0, 201, 252]);
    expect(runs.map(({ samples }) => samples.length / AXES)).toEqual([50, 50, 50]);
    expect(sensor.gaps).toBe(2);
  });

  it("counts its samples exactly after a gap of ages", () => {
    const sensor = createLineSensor({ fromHz: 10, rateHz: 10, ...G });
    const runs = [...sensor.take(noise(50, 10)), ...sensor.take(noise(50, 10, 8e15))];
    expect(runs.map(({ startSample }) => startSample)).toEqual([0, 50 + 864_000]);
  });

  it("takes stamps that jitter by half a period for what they are", () => {
    const random = prng(5, "jitter");
    const jittered = noise(500, 25).map(({ timeMs, acceleration }) => ({
      timeMs: timeMs + 20 * (random.uint32() / 2 ** 32),
      acceleration,
    }));
    const sensor = createLineSensor({ fromHz: 25, rateHz: 25, ...G });
    sensor.take(jittered);
    expect(sensor.gaps).toBe(0);
  });

  it("refuses times of another rate", () => {
    const sensor = createLineSensor({ fromHz: 10, rateHz: 10, ...G });
    expect(() => sensor.take(noise(300, 25))).toThrow(/25\.00 Hz.*recording-rate.*--rate/s);
  });

  it.each([1, 1000 / 9.80665, 9806.65])(
    "refuses g taken for another unit (%d)",
    (milligPerUnit) => {
      const sensor = createLineSensor({ fromHz: 10, rateHz: 10, milligPerUnit, where: "port" });
      expect(() => sensor.take(noise(300, 10))).toThrow(/about 1 g.*recording-unit.*--units/s);
    },
  );

  it("leaves a sensor that says nothing but zeros to the gateway", () => {
    const sensor = createLineSensor({ fromHz: 10, rateHz: 10, ...G });
    const dead = noise(300, 10).map(({ timeMs }) => ({ timeMs, acceleration: [0, 0, 0] }));
    expect(valuesOf(sensor.take(dead)).every((value) => value === 0)).toBe(true);
  });
});
