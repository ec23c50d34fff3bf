/**
 * What the shipped students and their gates do with windows, with verdicts of the shipped teachers:
 * the exits that answer and the reports that come of it, from recordings where there are some, else
 * from the emulator.
 *
 * The shipped students have seen these recordings in training. For accuracy that would forbid them;
 * the mix of exits differs from that on new animals and people too, and `docs/RESULTS.md` says what
 * that is worth.
 */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { datasetFolder, findRecordings } from "../recordings/find.ts";
import { readRecordings } from "../recordings/read.ts";
import { readShippedEmulator } from "../recordings/shipped-emulator.ts";
import { createWasmEngine } from "../src/engine/wasm.ts";
import { recordExits } from "../src/gate/exit-records.ts";
import { gateOf } from "../src/gate/gate-bytes.ts";
import { softmaxRows } from "../src/learn/metrics.ts";
import { predictRows } from "../src/learn/predict.ts";
import { type Container, decodeContainer } from "../src/model/container.ts";
import { emulateRecordings } from "../src/signal/emulate-recordings.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import type { Profile } from "../src/signal/profile.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import { pickWindows, type WindowSet } from "../src/signal/window-set.ts";
import { encodeUp } from "../src/wire/frames.ts";
import type { ModelId, ReportEntry } from "../src/wire/messages.ts";
import { replayGate } from "./gate-replay.ts";

export type ExitMix = {
  readonly profile: Profile;
  readonly container: Container;
  readonly containerBytes: number;
  readonly source: string;
  readonly windows: number;
  /** Share of windows that each exit answered. */
  readonly shares: readonly number[];
  /** Share that the gate offloads by itself. */
  readonly offloadShare: number;
  /** Frames of reports over so many windows each, in the order of time, without offloads' marks. */
  readonly reports: (windowsEach: number) => readonly Uint8Array[];
};

const DATASETS: Readonly<Record<string, string>> = { cattle: "cows", people: "people" };
const MODEL = "0123456789abcdef" as ModelId;
/** Sizes of a report's numbers as they are in the middle of a node's life. */
const LATER = { epoch: 0x8000_0000, seq: 5000, windowIndex: 50_000, timeMs: 1_767_225_600_000 };

export async function measureExits(
  name: string,
  options: { readonly data: string | undefined; readonly windowsMax: number },
): Promise<ExitMix> {
  const profile = shippedProfile(name);
  const path = fileURLToPath(new URL(`../profiles/${name}/student.bwm`, import.meta.url));
  const bytes = new Uint8Array(readFileSync(path));
  const container = decodeContainer(bytes);
  const folder = datasetFolder(findRecordings(options.data), DATASETS[name] ?? name);
  const recordings =
    folder === null
      ? emulateRecordings(await readShippedEmulator(name), profile, {
          seed: 1,
          secondsPerClass: 600,
        })
      : await readRecordings(folder);
  const all = makeWindows(recordings, profile);
  const count = Math.min(all.count, options.windowsMax);
  const windows = pickWindows(
    all,
    Array.from({ length: count }, (_, i) => i),
  );
  const records = recordExits(createWasmEngine().load(container), windows);
  const replay = replayGate(gateOf(container), records, windows, await taught(name, windows), 1);
  const exits = container.student.stages.map(
    (_, exit) => replay.exits.filter((answered) => answered === exit).length / count,
  );
  const entries = Array.from({ length: count }, (_, i): ReportEntry => {
    const hopMs = (1000 * profile.hopSamples) / profile.rateHz;
    return {
      windowIndex: LATER.windowIndex + i,
      timeMs: LATER.timeMs + Math.round(i * hopMs),
      classIndex: replay.answers[i] ?? 0,
      confidenceQ8: replay.confidencesQ8[i] ?? 0,
      exit: replay.exits[i] ?? 0,
      offloaded: false,
    };
  });
  return {
    profile,
    container,
    containerBytes: bytes.length,
    source: folder === null ? "emulator" : `recordings "${DATASETS[name] ?? name}"`,
    windows: count,
    shares: exits,
    offloadShare: replay.offloaded.filter((one) => one === 1).length / count,
    reports: (each) => reportsOf(entries, each),
  };
}

/** Class probabilities `[window][class]` by the teacher that ships. */
async function taught(name: string, windows: WindowSet): Promise<Float32Array> {
  const profile = shippedProfile(name);
  const file = fileURLToPath(new URL(`../profiles/${name}/teacher.onnx`, import.meta.url));
  const program = await onnxRuntime().compile(new Uint8Array(readFileSync(file)));
  const rows = await predictRows(program, windows, profile.inputMilligPerStep, ["logits"]);
  await program.release();
  return softmaxRows(rows.get("logits")?.data ?? new Float32Array(0), profile.classes.length);
}

function reportsOf(entries: readonly ReportEntry[], each: number): readonly Uint8Array[] {
  const head = { kind: "report", epoch: LATER.epoch, seq: LATER.seq, modelId: MODEL } as const;
  const rest = { driftQ8: 100, alarm: false, operatingPoint: 0, batteryPercent: 80, dropped: 0 };
  return Array.from({ length: Math.max(1, Math.floor(entries.length / each)) }, (_, i) =>
    encodeUp({ ...head, ...rest, entries: entries.slice(i * each, (i + 1) * each) }),
  );
}
