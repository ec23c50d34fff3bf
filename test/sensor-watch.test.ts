/** What a broken accelerometer looks like, in single windows and in several. */

import { describe, expect, it } from "vitest";
import { normal, prng } from "../src/prng.ts";
import {
  NEW_SENSOR_WATCH,
  type SensorWatch,
  watchSensor,
  windowFault,
} from "../src/signal/sensor-watch.ts";

const HOP_MS = 2_500;
const TIMES = 50;
const random = prng(1, "sensor-watch");

type Say = (time: number, axis: number) => number;

function measured(say: Say) {
  const window = new Int8Array(3 * TIMES);
  for (let i = 0; i < window.length; i++) window[i] = say(Math.floor(i / 3), i % 3);
  return { window, channels: 3, inputMilligPerStep: 16 };
}

/** Gravity on z, and so much movement. */
const moving =
  (steps: number): Say =>
  (_, axis) =>
    Math.round((axis === 2 ? 60 : 4) + steps * normal(random));
const still: Say = (_, axis) => (axis === 2 ? 62 : 4);
const stuck =
  (say: Say): Say =>
  (time, axis) =>
    axis === 1 ? 9 : say(time, axis);

function watched(watch: SensorWatch, windows: readonly Say[], hopMs = HOP_MS): SensorWatch {
  return windows.reduce((so, say, i) => watchSensor(so, measured(say), (i + 1) * hopMs), watch);
}
const times = (count: number, say: Say): Say[] => Array.from({ length: count }, () => say);

describe("one window", () => {
  it.each<[string, Say, string | undefined]>([
    ["an animal that moves", moving(6), undefined],
    ["one that lies still", still, undefined],
    ["an axis that holds still while others move", stuck(moving(6)), "axis-stuck"],
    ["an axis that holds still beside others that nearly do", stuck(moving(1)), undefined],
    ["zero on every axis", () => 0, "flat"],
    ["full scale on every axis", () => 127, "flat"],
    [
      "an axis at its end",
      (time, axis) => (axis === 0 && time % 3 > 0 ? -127 : time % 9),
      "clipped",
    ],
    [
      "a knock at the end of the range",
      (time, axis) => (time < 3 ? 127 : time % (axis + 7)),
      undefined,
    ],
  ])("of %s", (_, say, fault) => {
    expect(windowFault(measured(say))).toBe(fault);
  });
});

describe("several windows", () => {
  it("make a fault, three in a row, and sound ones end it", () => {
    const broken = stuck(moving(6));
    expect(watched(NEW_SENSOR_WATCH, times(2, broken)).fault).toBeNull();
    const found = watched(NEW_SENSOR_WATCH, times(3, broken));
    expect(found.fault).toBe("axis-stuck");
    expect(watched(found, times(2, moving(6))).fault).toBe("axis-stuck");
    expect(watched(found, [...times(2, moving(6)), broken, ...times(2, moving(6))]).fault).toBe(
      "axis-stuck",
    );
    expect(watched(found, times(3, moving(6))).fault).toBeNull();
  });

  it("find an axis that sticks on an animal which only turns over now and then", () => {
    const left: Say = (_, axis) => [40, 9, 45][axis] as number;
    const right: Say = (_, axis) => [-40, 9, 45][axis] as number;
    expect(watched(NEW_SENSOR_WATCH, times(20, left)).fault).toBeNull();
    expect(watched(NEW_SENSOR_WATCH, [...times(20, left), right]).fault).toBe("axis-stuck");
    // While it lies still again that axis has not moved, which is all that there is to see.
    expect(watched(NEW_SENSOR_WATCH, [...times(20, left), ...times(20, right)]).fault).toBe(
      "axis-stuck",
    );
  });

  it("of nothing are flat: at once where it is not gravity, else after half an hour", () => {
    expect(
      watched(
        NEW_SENSOR_WATCH,
        times(3, () => 0),
      ).fault,
    ).toBe("flat");
    const halfAnHour = (30 * 60_000) / HOP_MS;
    expect(watched(NEW_SENSOR_WATCH, times(halfAnHour, still)).fault).toBeNull();
    const flat = watched(NEW_SENSOR_WATCH, times(halfAnHour + 1, still));
    expect(flat.fault).toBe("flat");
    expect(watched(flat, times(3, moving(1))).fault).toBeNull();
    // Few windows over a long time are no proof.
    expect(watched(NEW_SENSOR_WATCH, times(7, still), 3_600_000).fault).toBeNull();
  });

  it("of an axis at its end are clipped, and one knock is not", () => {
    const clipped: Say = (time, axis) => (axis === 2 ? 127 : time % 9);
    expect(watched(NEW_SENSOR_WATCH, [moving(6), clipped, clipped, moving(6)]).fault).toBeNull();
    expect(watched(NEW_SENSOR_WATCH, times(3, clipped)).fault).toBe("clipped");
  });
});
