/**
 * Days of one animal in a store, as a gateway would have written them: bouts, judged days, reports,
 * offloaded windows of the cattle emulator and what a teacher said of them. Made of a seed.
 */

import { readFileSync } from "node:fs";
import { LabelLog } from "../gateway/store/label-log.ts";
import type { StoreRow } from "../gateway/store/label-rows.ts";
import { budgetOf, DAY_MS, dayStart, HOUR_MS } from "../src/behaviour/budget.ts";
import type { Bout } from "../src/behaviour/track.ts";
import { below, chance, type Prng, prng, uniform } from "../src/prng.ts";
import { createEmulator } from "../src/signal/emulator.ts";
import { parseEmulatorParameters } from "../src/signal/emulator-parameters.ts";
import type { WindowOffload } from "../src/wire/messages.ts";
import { nodeId } from "../src/wire/topics.ts";
import { cattle, helloOf, MODEL, offloadOf, reportOf } from "./gateway-kit.ts";

const MINUTE_MS = 60_000;
const REPORT_MS = 10 * MINUTE_MS;
const EPOCH = 77;
const TEACHER = "fedcba9876543210";

type OffloadRow = Extract<StoreRow, { kind: "offload" }> & { readonly offload: WindowOffload };

export type FilledAnimal = {
  /** Of the day that is whole, and of the one that goes on. */
  readonly wholeDayMs: number;
  readonly todayMs: number;
  readonly bouts: readonly Bout[];
  readonly offloads: readonly OffloadRow[];
};

/**
 * A node with eight judged days, of which the last is in bouts, and a day that goes on until `nowMs`.
 * A tenth of its windows are offloaded, a twelfth of these are not trusted, the last ones wait.
 */
export function fillAnimal(directory: string, name: string, nowMs: number): FilledAnimal {
  const node = nodeId(name);
  const random = prng(7, name);
  const windowsOf = windowsByClass(name);
  const todayMs = dayStart(nowMs, 0);
  const wholeDayMs = todayMs - DAY_MS;
  const bouts = boutsOf(random, wholeDayMs, nowMs);
  const log = new LabelLog({ directory, nowMs });
  const rows: StoreRow[] = [{ kind: "hello", node, nowMs, hello: helloOf({ epoch: EPOCH }) }];
  rows.push({
    kind: "bouts",
    node,
    put: bouts.map((bout) => ({ ...bout, stands: bout.over })),
    drop: [],
  });
  for (let ago = 8; ago >= 1; ago--)
    rows.push(judgedDay(node, bouts, todayMs - ago * DAY_MS, random));
  let windowIndex = 0;
  let seq = 0;
  const offloads: OffloadRow[] = [];
  for (let fromMs = wholeDayMs; fromMs < nowMs; fromMs += REPORT_MS) {
    const entries = [];
    for (
      let timeMs = fromMs + MINUTE_MS;
      timeMs <= Math.min(nowMs, fromMs + REPORT_MS);
      timeMs += MINUTE_MS
    ) {
      const bout = bouts.find((one) => one.startMs < timeMs && timeMs <= one.endMs);
      if (bout === undefined) continue;
      const entry = entryOf(random, bout, windowIndex++, timeMs);
      entries.push(entry);
      if (!entry.offloaded) continue;
      const windows = windowsOf[bout.classIndex] as Int8Array[];
      const reason =
        (["unsure", "audit", "unsure", "novel"] as const)[below(random, 4)] ?? "unsure";
      const offload = offloadOf(seq++, {
        ...entry,
        epoch: EPOCH,
        reason,
        chanceQ16: reason === "audit" ? 3_277 : 65_535,
        window: windows[below(random, windows.length)] as Int8Array,
      });
      offloads.push({ kind: "offload", node, nowMs: timeMs, offload, teachable: true });
    }
    if (entries.length > 0) {
      const batteryPercent = Math.max(5, 90 - Math.round((fromMs - wholeDayMs) / HOUR_MS));
      const report = { ...reportOf(seq++, [], { epoch: EPOCH, batteryPercent }), entries };
      rows.push({ kind: "report", node, nowMs: fromMs + REPORT_MS, report });
    }
  }
  commit(log, [...rows, ...offloads]);
  commit(log, labelsOf(random, log, name, bouts));
  log.close();
  return { wholeDayMs, todayMs, bouts, offloads };
}

function commit(log: LabelLog, rows: readonly StoreRow[]): void {
  const result = log.commit(rows);
  if (!result.ok) throw new Error(result.message);
}

/** Grazes from five to eleven and from three to nine, walks between, rests at night. */
function boutsOf(random: Prng, fromMs: number, nowMs: number): Bout[] {
  const bouts: Bout[] = [];
  let startMs = fromMs;
  while (startMs < nowMs) {
    const hour = Math.floor((startMs % DAY_MS) / HOUR_MS);
    // For an hour nobody hears it.
    if (hour === 13 && startMs < fromMs + DAY_MS) {
      startMs += HOUR_MS;
      continue;
    }
    const grazes = (hour >= 5 && hour < 11) || (hour >= 15 && hour < 21);
    const before = bouts.at(-1)?.classIndex;
    const wish = chance(random, 0.12) ? 2 : grazes ? 0 : 1;
    const classIndex = wish === before ? (wish + 1) % 3 : wish;
    const likes = classIndex === (grazes ? 0 : 1);
    const minutes =
      classIndex === 2
        ? uniform(random, 1, 5)
        : likes
          ? uniform(random, 15, 70)
          : uniform(random, 2, 9);
    const endMs = Math.min(nowMs, Math.round(startMs + minutes * MINUTE_MS));
    const windows = Math.max(1, Math.round((endMs - startMs) / MINUTE_MS));
    const confidence = uniform(random, 0.7, 0.99);
    bouts.push({
      number: bouts.length + 1,
      classIndex,
      startMs,
      endMs,
      confidence,
      windows,
      taught: below(random, 1 + Math.ceil(windows / 10)),
      over: endMs < nowMs,
    });
    startMs = endMs;
  }
  return bouts;
}

function judgedDay(
  node: ReturnType<typeof nodeId>,
  bouts: readonly Bout[],
  startMs: number,
  random: Prng,
): StoreRow {
  const span = { startMs, endMs: startMs + DAY_MS };
  const found = budgetOf(bouts, 3, span);
  const grazing = uniform(random, 500, 560) * MINUTE_MS;
  const walking = uniform(random, 60, 90) * MINUTE_MS;
  const unknownMs = uniform(random, 10, 90) * MINUTE_MS;
  const made = {
    elapsedMs: DAY_MS,
    classMs: [grazing, DAY_MS - grazing - walking - unknownMs, walking],
    unknownMs,
  };
  return { kind: "day", node, startMs, budget: found.unknownMs < DAY_MS ? found : made };
}

function entryOf(random: Prng, bout: Bout, windowIndex: number, timeMs: number) {
  const isWrong = chance(random, 0.08);
  const classIndex = isWrong ? (bout.classIndex + 1) % 3 : bout.classIndex;
  const confidenceQ8 = Math.round(
    255 * (isWrong ? uniform(random, 0.4, 0.8) : uniform(random, 0.7, 0.99)),
  );
  const offloaded = chance(random, isWrong ? 0.5 : 0.08);
  return { windowIndex, timeMs, classIndex, confidenceQ8, exit: below(random, 2), offloaded };
}

/** All but the last few have been answered. */
function labelsOf(random: Prng, log: LabelLog, name: string, bouts: readonly Bout[]): StoreRow[] {
  const waiting = log.reader.waiting(name, 0, 100_000);
  return waiting.slice(0, -3).map(({ offloadId, node, offload }) => {
    const bout = bouts.find((one) => one.startMs < offload.timeMs && offload.timeMs <= one.endMs);
    const truth = bout?.classIndex ?? 0;
    const sure = uniform(random, 0.6, 0.97);
    const probabilities = new Float32Array(3).fill((1 - sure) / 2);
    probabilities[truth] = sure;
    return {
      kind: "label",
      node,
      nowMs: offload.timeMs + 1_500,
      offloadId,
      modelId: MODEL,
      chosen: { audit: offload.reason === "audit", chanceQ16: offload.chanceQ16 },
      teacherId: TEACHER,
      trusted: !chance(random, 1 / 12),
      agrees: truth === offload.classIndex,
      probabilities,
    };
  });
}

/** Windows of the emulator that show one behaviour from end to end. */
function windowsByClass(name: string): Int8Array[][] {
  const file = new URL("../profiles/cattle/emulator.json", import.meta.url);
  const parameters = parseEmulatorParameters(readFileSync(file, "utf8"), file.pathname);
  const { windowSamples, channels, inputMilligPerStep } = cattle;
  const emulator = createEmulator(parameters, { seed: 3, name });
  return cattle.classes.map((_, c) => {
    const windows: Int8Array[] = [];
    while (windows.length < 8) {
      emulator.startBout(c, 4 * windowSamples);
      const { samples } = emulator.next(windowSamples);
      windows.push(
        Int8Array.from(samples.subarray(0, windowSamples * channels), (value) =>
          Math.max(-127, Math.min(127, Math.round(value / inputMilligPerStep))),
        ),
      );
    }
    return windows;
  });
}
