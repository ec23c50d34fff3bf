/** What a gate is to achieve, as people state it, and what offloads cost in a day. */

import { describe, expect, it } from "vitest";
import { readGateTarget } from "../cli/gate-target.ts";
import { EdgeError } from "../src/assert.ts";
import { linkProfile } from "../src/link/link-profile.ts";
import { offloadCost, windowsPerDay } from "../src/link/offload-day.ts";
import { cattle } from "./gateway-kit.ts";

const ble = linkProfile("ble", 5);
const target = (goal: string, link = ble) => readGateTarget(goal, cattle, link);

describe("--target", () => {
  it("takes a share, points below the teacher, bytes and energy of a day", () => {
    expect(target("5%")).toEqual({ kind: "offload-share", share: 0.05 });
    expect(target("2.5 %")).toEqual({ kind: "offload-share", share: 0.025 });
    expect(target("0.5 points")).toEqual({ kind: "points-below-teacher", points: 0.5 });
    // 46 bytes before a window of 50 x 3.
    expect(target("200 kB")).toEqual({
      ...{ kind: "bytes-per-day", bytes: 200_000, bytesPerOffload: 196 },
    });
    const energy = target("0.3 J");
    if (energy.kind !== "millijoules-per-day") throw new Error(energy.kind);
    expect(energy.millijoules).toBe(300);
    const lora = target("300 mJ", linkProfile("lorawan", 5));
    if (lora.kind !== "millijoules-per-day") throw new Error(lora.kind);
    expect(lora.millijoulesPerOffload).toBeGreaterThan(50 * energy.millijoulesPerOffload);
  });

  it.each(["", "5", "101%", "-1%", "5 % a day", "half", "200 kJ"])("refuses %j", (goal) => {
    expect(() => target(goal)).toThrow(EdgeError);
  });

  it("refuses a link that takes no window", () => {
    const people = { ...cattle, windowSamples: 256 };
    const slow = linkProfile("lorawan", 0);
    expect(() => readGateTarget("200 kB", people, slow)).toThrow(/data-rate/);
    expect(offloadCost(slow, { windowSamples: 256, channels: 3, classes: 3 })).toBeUndefined();
  });
});

describe("a day", () => {
  it("has so many windows, hops apart", () => {
    expect(windowsPerDay({ hopSamples: 25, rateCentihertz: 1000 })).toBe(34_560);
  });
});
