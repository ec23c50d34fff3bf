/** The loop's and the recovery benchmark run, tiny, on a herd of emulated animals: no recordings are
 * needed. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../bench/loop.ts";
import { splitSegments } from "../bench/loop-bouts.ts";
import { run as runRecovery } from "../bench/recovery.ts";
import { CHOICES, chooseWindows, type LivedWindows } from "../bench/recovery-choices.ts";
import { writeRecordings } from "../recordings/read.ts";
import { readShippedEmulator } from "../recordings/shipped-emulator.ts";
import { uncalibratedGate } from "../src/gate/gate-parameters.ts";
import { emulateRecordings } from "../src/signal/emulate-recordings.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
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

describe("what the teacher is asked about", () => {
  const livedOf = (): LivedWindows => {
    const windows = makeWindows(herd, profile);
    const indices = Array.from({ length: windows.count }, (_, i) => i);
    const streams = [...Map.groupBy(indices, (i) => windows.subjects[i]).values()];
    const gate = uncalibratedGate({ exits: 2, classes: 3 });
    const burst = { ...gate.burst, expiryWindows: 65_535, perBout: 4, boutChange: 40 };
    return { windows, streams, margins: indices, gate: { ...gate, burst }, seed: 1 };
  };

  it("is as many windows as were asked for, none twice, evenly from every node", () => {
    const lived = livedOf();
    const nodes = lived.streams.length;
    for (const choice of CHOICES) {
      const chosen = chooseWindows(choice, lived, 5 * nodes);
      expect(new Set(chosen).size).toBe(5 * nodes);
      for (const stream of lived.streams) {
        expect(chosen.filter((index) => stream.includes(index))).toHaveLength(5);
      }
    }
  });

  it("differs by choice: the first, the least sure, and what is far apart", () => {
    const lived = livedOf();
    const [stream = []] = lived.streams;
    const one = { ...lived, streams: [stream], margins: stream.map((index) => -index) };
    expect(chooseWindows("first-come", one, 3)).toEqual(stream.slice(0, 3));
    expect(chooseWindows("unsure", one, 3)).toEqual(stream.slice(-3).toReversed());
    const bouts = (chosen: readonly number[]): number =>
      new Set(chosen.map((index) => lived.windows.bouts[index])).size;
    const first = bouts(chooseWindows("first-come", one, 12));
    expect(bouts(chooseWindows("diverse", one, 12))).toBeGreaterThan(first);
    expect(bouts(chooseWindows("capped", one, 12))).toBeGreaterThan(first);
  });
});

it("recovers from few answers, by the gateway's own distillation, and draws it", async () => {
  const svg = path.join(folder, "recovery.svg");
  const chosen = {
    data: folder,
    dataset: "cows-emulated",
    train: ["e1", "e3"],
    shift: ["e2", "e4"],
  };
  const { ok, figures, lines } = await runRecovery(
    quickOptions({ ...chosen, extra: { counts: "8,24", choices: "capped,views", svg } }),
  );
  expect(ok).toBe(true);
  const { cells, perSeed } = figures as {
    cells: { choice: string; count: number; softLabels: { mean: number } }[];
    perSeed: { turned: { turn: string; trusted: boolean; unknownShare: number }[] }[];
  };
  expect(cells.map(({ choice, count }) => `${choice} ${count}`)).toEqual([
    "capped 8",
    "capped 24",
    "views 8",
    "views 24",
  ]);
  // Views are labels of their own.
  expect(cells[3]?.softLabels.mean).toBeGreaterThan(2 * (cells[1]?.softLabels.mean ?? 99));
  const [asTheySit, turned] = perSeed[0]?.turned ?? [];
  expect(turned?.turn).toBe("x90");
  expect(turned?.unknownShare).toBeGreaterThan(asTheySit?.unknownShare ?? 1);
  expect(lines.join("\n")).toContain("capped, 4 views");
  expect(readFileSync(svg, "utf8")).not.toMatch(/NaN|undefined/);
}, 120_000);

it.each([
  [{ extra: { choices: "best" } }, "usage"],
  [{ extra: { counts: "5,few" } }, "usage"],
  [{ shift: ["e99"] }, "unknown-subject"],
])("refuses %j with a hint", async (changes, code) => {
  const asked = quickOptions({ data: folder, dataset: "cows-emulated", ...changes });
  await expect(runRecovery(asked)).rejects.toMatchObject({ code });
});
