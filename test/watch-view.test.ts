/** What people see: built from public messages alone, and drawn to fit. */

import { describe, expect, it } from "vitest";
import { clock, drawView, duration } from "../cli/watch-table.ts";
import { applyMessage, createView, type View } from "../cli/watch-view.ts";
import type { Behaviour, Device } from "../src/wire/public.ts";
import { DEFAULT_BASE } from "../src/wire/topics.ts";

const NOW_MS = 1_767_225_600_000;
const behaviour: Behaviour = {
  v: 1,
  node: "1217",
  behaviour: "Grazing",
  confidence: 0.973,
  source: "exit 1",
  trusted: true,
  model: "9f2c61d0a4b87e35",
  release: 3,
  since: NOW_MS - 42_000,
  time: NOW_MS,
  epoch: 7,
  sequence: 12,
};
const device: Device = {
  node: "1217",
  state: "online",
  cohort: "cattle",
  firmware: "sim",
  model: "9f2c61d0a4b87e35",
  release: 3,
  last_seen: NOW_MS,
  battery: 80,
  windows: 1000,
  offloads: 31,
  offload_ratio: 0.031,
  agreement: 0.5,
  dropped: 0,
  drift: 0,
  alarm: false,
  fault: null,
  audit: null,
  withheld: null,
};

function tell(view: View, topic: string, value: unknown) {
  const payload = Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
  return applyMessage(view, `${DEFAULT_BASE}/${topic}`, payload);
}
const draw = (view: View, columns = 120, rows = 30): string =>
  drawView(view, { columns, rows, color: false, nowMs: NOW_MS }).join("\n");

describe("a view", () => {
  it("shows a node's behaviour, since when, how sure, by whom, and how it fares", () => {
    const view = createView(DEFAULT_BASE);
    tell(view, "bridge/state", { state: "online" });
    tell(view, "1217/availability", { state: "online" });
    tell(view, "1217/behaviour", behaviour);
    tell(view, "bridge/devices", { v: 1, devices: [device] });
    const row = draw(view)
      .split("\n")
      .find((line) => line.startsWith("1217"));
    expect(row?.split(/\s{2,}/)).toEqual([
      "1217",
      "Grazing",
      "42 s",
      "0.97",
      "exit 1",
      "3.1 %",
      "50.0 %",
      "3",
      "9f2c61d0",
      "online",
    ]);
  });

  it("says so when there is nothing, when a node is gone, when the gateway is in trouble", () => {
    const view = createView(DEFAULT_BASE);
    expect(draw(view)).toContain("no node has said anything yet");
    tell(view, "1217/behaviour", behaviour);
    tell(view, "1217/availability", { state: "offline" });
    tell(view, "bridge/state", { state: "online", detail: "the disk is full" });
    expect(draw(view)).toMatch(/1217 .* offline/);
    expect(draw(view)).toContain("gateway online, the disk is full");
  });

  it("marks what the teacher does not know, and a drift alarm", () => {
    const view = createView(DEFAULT_BASE);
    tell(view, "1217/availability", { state: "online" });
    tell(view, "1217/behaviour", { ...behaviour, trusted: false });
    tell(view, "bridge/devices", { v: 1, devices: [{ ...device, alarm: true }] });
    expect(draw(view)).toMatch(/1217 +Grazing\? .* drift/);
  });

  it("makes a line of what changed, and none of what did not", () => {
    const view = createView(DEFAULT_BASE);
    expect(tell(view, "1217/behaviour", behaviour)?.line).toBe(
      "1217 Grazing 0.97 (exit 1, model 9f2c61d0, release 3)",
    );
    expect(tell(view, "1217/behaviour", { ...behaviour, sequence: 13 })).toBeUndefined();
    expect(tell(view, "1217/behaviour", { ...behaviour, behaviour: "Walking" })?.line).toContain(
      "Walking",
    );
    const after = { ...behaviour, source: "teacher" };
    const update = { v: 1, type: "update", id: "1217:7:12", before: behaviour, after };
    expect(
      tell(view, "1217/event", { ...update, after: { ...after, behaviour: "Still" } })?.line,
    ).toBe("1217 corrected: Grazing -> Still");
  });

  it("counts what is no payload of ours and shows nothing of it", () => {
    const view = createView(DEFAULT_BASE);
    for (const junk of ["", "{", "null", "[]", '{"v":2}', JSON.stringify({ ...behaviour, v: 2 })]) {
      expect(tell(view, "1217/behaviour", junk)).toBeUndefined();
    }
    expect(view.refused).toBe(5);
    expect(tell(view, "nobody/nothing", behaviour)).toBeUndefined();
    expect(draw(view)).not.toContain("Grazing");
  });
});

describe("a screen", () => {
  it("that is small gets fewer columns and rows, and is told how many are missing", () => {
    const view = createView(DEFAULT_BASE);
    for (let i = 0; i < 40; i++) {
      tell(view, `cow-${i}/behaviour`, { ...behaviour, node: `cow-${i}` });
    }
    const lines = draw(view, 40, 16).split("\n");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(40);
    expect(lines.length).toBeLessThanOrEqual(16);
    expect(lines.join("\n")).toMatch(/… and \d+ more nodes/);
  });

  it("in colour shows the same text", () => {
    const view = createView(DEFAULT_BASE);
    tell(view, "1217/behaviour", behaviour);
    const coloured = drawView(view, { columns: 120, rows: 30, color: true, nowMs: NOW_MS });
    const escapes = new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, "g");
    expect(coloured.join("\n")).toMatch(escapes);
    expect(coloured.join("\n").replace(escapes, "")).toBe(draw(view));
  });
});

describe("times", () => {
  it.each([
    [0, "0 s"],
    [99_000, "99 s"],
    [100_000, "2 min"],
    [5_940_000, "99 min"],
    [11_100_000, "3 h 05"],
    [-1, "?"],
    [Number.NaN, "?"],
  ])("%d ms is %s", (ms, text) => {
    expect(duration(ms)).toBe(text);
  });

  it("of day have hours, minutes and seconds", () => {
    expect(clock(NOW_MS)).toMatch(/^\d\d:\d\d:\d\d$/);
  });
});
