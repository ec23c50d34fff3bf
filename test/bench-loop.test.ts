/** The loop's benchmark runs, tiny, on a herd of emulated animals: no recordings are needed. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../bench/loop.ts";
import { splitSegments } from "../bench/loop-bouts.ts";
import { readShippedEmulator } from "../recordings/shipped-emulator.ts";
import { writeRecordings } from "../recordings/read.ts";
import { emulateRecordings } from "../src/signal/emulate-recordings.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import type { Recordings } from "../src/signal/recordings.ts";
import { quickOptions } from "./benchmark-options.ts";

const profile = shippedProfile("cattle");
const folder = mkdtempSync(path.join(tmpdir(), "bench-loop-"));
let herd: Recordings;

beforeAll(async () => {
  const parameters = await readShippedEmulator("cattle");
  herd = {
    ...emulateRecordings(parameters, profile, { seed: 3, secondsPerClass: 120, boutSeconds: 20 }),
    name: "cows-emulated",
  };
  await writeRecordings(path.join(folder, "cows-emulated"), herd);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("splitSegments", () => {
  it("puts every class into every part and no sample into two", () => {
    const parts = splitSegments(herd, profile, herd.subjects, [0.6, 0.4], 1);
    const spans = parts.flatMap(({ segments }) => segments);
    expect(spans.length).toBeGreaterThan(20);
    for (const subject of herd.subjects) {
      const labels = new Set(
        herd.segments.filter((s) => s.subject === subject).map((s) => s.label),
      );
      for (const part of parts) {
        const own = part.segments.filter((s) => s.subject === subject).map((s) => s.label);
        expect(new Set(own)).toEqual(labels);
      }
    }
    const ordered = [...spans].sort((a, b) => a.start - b.start);
    ordered.slice(1).forEach((span, i) => {
      const before = ordered[i] as (typeof ordered)[0];
      expect(span.start).toBeGreaterThanOrEqual(before.start + before.length);
    });
  });

  it("cuts the only bout of a class, a window's length left out", () => {
    const [longest] = [...herd.segments].sort((a, b) => b.length - a.length);
    const single = { ...herd, segments: [longest as (typeof herd.segments)[0]] };
    const [a, b] = splitSegments(single, profile, herd.subjects, [0.5, 0.5], 1);
    const before = a?.segments[0];
    const after = b?.segments[0];
    expect(before).toBeDefined();
    expect(after).toBeDefined();
    const gap = Math.abs((before?.start ?? 0) - (after?.start ?? 0)) - (before?.length ?? 0);
    expect(gap).toBeGreaterThanOrEqual(profile.windowSamples - 1);
  });
});

it("lives through the loop with the real broker, gateway and releases", async () => {
  const result = await run(
    quickOptions({
      data: folder,
      dataset: "cows-emulated",
      train: ["e1", "e3"],
      shift: ["e2", "e4"],
      seeds: 1,
      student: "plain",
      rotate: "z180",
      extra: { speed: "120" },
    }),
  );
  expect(result.ok).toBe(true);
  const figures = result.figures as {
    before: { accuracy: { mean: number; worst: number } };
    after: { accuracy: { mean: number } };
    offloadRatio: number;
    humanLabels: number;
    windowsToAlarm: { nodes: number };
    perSeed: readonly { readonly windows: number; readonly labelsLogged: number }[];
  };
  expect(figures.before.accuracy.mean).toBeGreaterThan(0);
  expect(figures.after.accuracy.mean).toBeLessThanOrEqual(1);
  expect(figures.offloadRatio).toBeGreaterThan(0);
  expect(figures.offloadRatio).toBeLessThan(0.3);
  expect(figures.humanLabels).toBe(0);
  expect(figures.windowsToAlarm.nodes).toBe(2);
  // The teacher answered over the wire.
  expect(figures.perSeed[0]?.labelsLogged).toBeGreaterThan(0);
  expect(figures.perSeed[0]?.windows).toBeGreaterThan(50);
}, 120_000);
