/**
 * Nanoseconds per window of every engine, beside ONNX Runtime on the same shapes.
 *
 * Reference, WebAssembly, C for this machine (the runtime's interpreter, and what is generated for a
 * student), ONNX Runtime native and in WebAssembly, one thread each. They run by turns, many short
 * rounds; the figures are medians over the rounds, and ratios are medians of the ratios within one
 * round. Counted is processor time, which is the clock's time on a quiet machine and disturbed least
 * on a busy one. `--rounds N`. Before anything is timed, the engines' hashes are compared, and ONNX
 * Runtime's answers with ours. A peer that is not installed is named and left out.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import type { Engine, LoadedStudent } from "../src/engine/engine.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { createWasmEngine } from "../src/engine/wasm.ts";
import { largestIndex } from "../src/learn/metrics.ts";
import type { Program, Runtime, RuntimeTensor } from "../src/learn/runtime.ts";
import type { Container } from "../src/model/container.ts";
import { quantizeStudent } from "../src/model/quantize.ts";
import { hashLogits, selfTestHashes } from "../src/model/self-test.ts";
import { studentCost } from "../src/model/student-cost.ts";
import type { StudentSpec } from "../src/model/student-spec.ts";
import { type WindowSet, windowAt } from "../src/signal/window-set.ts";
import {
  CNN_SPEC,
  COLLAR_SPEC,
  containerAround,
  GRU_SPEC,
  noiseWindows,
  randomFloatStudent,
} from "../test/student-samples.ts";
import { type BenchmarkOptions, type BenchmarkResult, median, table } from "./benchmark.ts";
import {
  hasCompiler,
  NATIVE_FLAGS,
  type NativeEngine,
  type NativeKind,
  startNative,
} from "./engine-native.ts";
import { windowsPerSecond } from "./engine-nodes.ts";
import { peerOnnx } from "./engine-peer.ts";
import { onnxRuntimeWeb } from "./engine-web.ts";

const SHAPES: Readonly<Record<string, StudentSpec>> = {
  cnn: CNN_SPEC,
  gru: GRU_SPEC,
  collar: COLLAR_SPEC,
};
const NATIVE_KINDS: Readonly<Record<string, NativeKind>> = {
  c: "interpreter",
  "c, generated": "generated",
};
const WINDOWS = 64;
const BATCH_WINDOWS = 64;
const ROUND_MS = 10;
const NODES = 20_000;

type Timed = {
  readonly name: string;
  /** Runs at least so many windows, and says how many it were and how long they took. */
  readonly run: (windows: number) => Promise<{ readonly windows: number; readonly ns: number }>;
};

type ShapeFigures = {
  readonly macs: number;
  readonly nsPerWindow: Readonly<Record<string, number>>;
  readonly gmacPerSecond: Readonly<Record<string, number>>;
  /** How many times as long an engine takes as WASM does. */
  readonly wasmFaster: Readonly<Record<string, number>>;
  readonly agreementWithOnnxruntime: number;
};

type Peers = {
  readonly wasm: Engine;
  /** Where C is compiled; undefined without a compiler. */
  readonly folder: string | undefined;
  readonly web: Runtime | undefined;
};

export async function run(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const rounds = options.quick ? 3 : Number(options.extra.rounds ?? 41);
  const peers: Peers = {
    wasm: createWasmEngine(),
    folder: hasCompiler() ? mkdtempSync(join(tmpdir(), "bellwether-native-")) : undefined,
    web: await onnxRuntimeWeb(),
  };
  const shapes: Record<string, ShapeFigures> = {};
  const perSecond: Record<string, number> = {};
  let identical = true;
  try {
    for (const [shape, spec] of Object.entries(SHAPES)) {
      const progress = (share: number) => options.progress(shape, share);
      const measured = await measureShape(spec, peers, rounds, progress);
      identical &&= measured.identical;
      shapes[shape] = measured.figures;
      const nodes = options.quick ? 2_000 : NODES;
      const windows = noiseWindows(spec, WINDOWS, 3);
      perSecond[shape] = windowsPerSecond(peers.wasm, measured.container, windows, nodes);
    }
  } finally {
    if (peers.folder !== undefined) rmSync(peers.folder, { recursive: true });
  }
  const { nsPerWindow, wasmFaster } = shapes.cnn as ShapeFigures;
  return {
    ok: identical,
    lines: linesOf(shapes, perSecond, identical, peers),
    figures: {
      bitIdentical: identical,
      wasmNsPerWindow: nsPerWindow.wasm,
      ratio: {
        wasmOverOnnxruntimeNode: wasmFaster["onnxruntime-node"],
        wasmOverOnnxruntimeWeb: wasmFaster["onnxruntime-web"] ?? null,
        wasmOverReference: wasmFaster.reference,
        wasmOverC: wasmFaster.c ?? null,
        wasmOverGeneratedC: wasmFaster["c, generated"] ?? null,
      },
      windowsPerSecondOverNodes: perSecond,
      rounds,
      ...shapes,
    },
  };
}

function linesOf(
  shapes: Readonly<Record<string, ShapeFigures>>,
  perSecond: Readonly<Record<string, number>>,
  identical: boolean,
  { folder, web }: Peers,
): string[] {
  const rows = Object.entries(shapes).flatMap(([shape, { nsPerWindow, ...figures }]) =>
    Object.entries(nsPerWindow).map(([name, ns]) => {
      const gmacs = figures.gmacPerSecond[name]?.toFixed(2) ?? "-";
      return [shape, name, Math.round(ns), gmacs, figures.wasmFaster[name]?.toFixed(2) ?? "-"];
    }),
  );
  const missing = [
    ...(folder === undefined ? ["c: gcc is not installed"] : []),
    ...(web === undefined ? ["onnxruntime-web: it is not installed; npm ci"] : []),
  ];
  return [
    ...table([["shape", "engine", "ns/window", "GMAC/s", "WASM is faster by"], ...rows]),
    "",
    ...missing.map((line) => `left out: ${line}`),
    `c is the interpreter of deploy/firmware, both by gcc ${NATIVE_FLAGS.join(" ")}`,
    `reference, WASM and C give the same bits: ${identical ? "yes" : "NO"}`,
    ...Object.entries(perSecond).map(
      ([shape, windows]) =>
        `${Math.round(windows)} windows a second over nodes with rings of their own (${shape})`,
    ),
  ];
}

async function measureShape(
  spec: StudentSpec,
  { wasm, folder, web }: Peers,
  rounds: number,
  progress: (share: number) => void,
) {
  const windows = noiseWindows(spec, WINDOWS, 2);
  const calibration = noiseWindows(spec, 32, 1);
  const student = quantizeStudent(randomFloatStudent(spec, 1), calibration, 31.25);
  const container = containerAround(student);
  const [reference, fast] = [referenceEngine.load(container), wasm.load(container)];
  const onnx = peerOnnx(student);
  const program = await onnxRuntime().compile(onnx);
  const inWeb = await web?.compile(onnx);
  const inC: { readonly name: string; readonly engine: NativeEngine }[] = [];
  // One after another: they share a folder.
  for (const [name, kind] of Object.entries(NATIVE_KINDS)) {
    if (folder === undefined) break;
    inC.push({ name, engine: await startNative(kind, container, windows, folder) });
  }
  const hashes = hashesOf(reference, windows).join();
  const identical =
    selfTestHashes(reference, 1).join() === selfTestHashes(fast, 1).join() &&
    hashesOf(fast, windows).join() === hashes &&
    inC.every(({ engine }) => engine.hashes.join() === hashes);
  const agreement = await agreementWith(program, container, windows, reference);
  const timed: Timed[] = [
    { name: "wasm", run: windowsThrough(fast, windows) },
    { name: "reference", run: windowsThrough(reference, windows) },
    { name: "onnxruntime-node", run: batchesThrough(program, container, windows, 1) },
    { name: "onnxruntime-node, 64 at once", run: batchesThrough(program, container, windows, 64) },
  ];
  if (inWeb !== undefined) {
    timed.push({ name: "onnxruntime-web", run: batchesThrough(inWeb, container, windows, 1) });
  }
  for (const { name, engine } of inC) {
    timed.push({ name, run: async (count) => ({ windows: count, ns: await engine.run(count) }) });
  }
  const ns = await takeTurns(timed, rounds, progress);
  await Promise.all([program.release(), inWeb?.release()]);
  await Promise.all(inC.map(({ engine }) => engine.stop()));
  const macs = studentCost(student).at(-1)?.macs ?? 0;
  const wasmRounds = ns.get("wasm") ?? [];
  const each = <T>(value: (rounds: readonly number[]) => T) =>
    Object.fromEntries([...ns].map(([name, values]) => [name, value(values)]));
  const figures: ShapeFigures = {
    macs,
    nsPerWindow: each(median),
    gmacPerSecond: each((values) => macs / median(values)),
    wasmFaster: each((values) => median(values.map((value, i) => value / (wasmRounds[i] ?? 0)))),
    agreementWithOnnxruntime: agreement,
  };
  return { container, identical, figures };
}

/** FNV-1a over the logits of all windows, one per exit. */
function hashesOf(loaded: LoadedStudent, windows: WindowSet): number[] {
  const hashes = Array.from({ length: loaded.exits }, () => 0x811c9dc5);
  for (let w = 0; w < windows.count; w++) {
    loaded.begin(windowAt(windows, w));
    for (let exit = 0; exit < loaded.exits; exit++) {
      hashes[exit] = hashLogits(hashes[exit] as number, loaded.nextExit().logits);
    }
  }
  return hashes;
}

/** Nanoseconds per window and round. Each engine's count is set so that a round takes `ROUND_MS`. */
async function takeTurns(
  timed: readonly Timed[],
  rounds: number,
  progress: (share: number) => void,
): Promise<Map<string, number[]>> {
  const counts = new Map<string, number>();
  for (const { name, run } of timed) {
    let [windows, ns] = [0, 0];
    while (ns < 4e6 * ROUND_MS) {
      const ran = await run(WINDOWS);
      windows += ran.windows;
      ns += ran.ns;
    }
    counts.set(name, Math.ceil((windows * ROUND_MS * 1e6) / ns));
  }
  const all = new Map<string, number[]>(timed.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    progress(round / rounds);
    for (const { name, run } of timed) {
      const { windows, ns } = await run(counts.get(name) ?? 1);
      all.get(name)?.push(ns / windows);
    }
  }
  return all;
}

/** Of all threads of this process. */
function processorNs(): number {
  const { user, system } = process.cpuUsage();
  return 1000 * (user + system);
}

function windowsThrough(loaded: LoadedStudent, windows: WindowSet): Timed["run"] {
  const each = Array.from({ length: windows.count }, (_, w) => windowAt(windows, w));
  return (count) => {
    const startNs = processorNs();
    for (let i = 0; i < count; i++) {
      loaded.begin(each[i % each.length] as Int8Array);
      for (let exit = 0; exit < loaded.exits; exit++) loaded.nextExit();
    }
    return Promise.resolve({ windows: count, ns: processorNs() - startNs });
  };
}

function batchesThrough(
  program: Program,
  container: Container,
  windows: WindowSet,
  batch: number,
): Timed["run"] {
  const batches = Array.from({ length: batch === 1 ? WINDOWS : 1 }, (_, b) => ({
    window: peerInput(container, windows, b * batch, Math.min(batch, BATCH_WINDOWS)),
  }));
  return async (count) => {
    const startNs = processorNs();
    let windows = 0;
    for (let b = 0; windows < count; b++, windows += batch) {
      await program.run(batches[b % batches.length] as { window: RuntimeTensor });
    }
    return { windows, ns: processorNs() - startNs };
  };
}

/** `[batch][channel][time]`, or `[patch][batch][sample * channel]` for a GRU. */
function peerInput(
  { student }: Container,
  windows: WindowSet,
  from: number,
  batch: number,
): RuntimeTensor {
  const { windowSamples: time, channels } = student;
  const first = student.stages[0]?.layers[0];
  const size = time * channels;
  const data = new Float32Array(batch * size);
  const columns = first?.kind === "gru" ? first.patchSamples * channels : 0;
  for (let b = 0; b < batch; b++) {
    windowAt(windows, from + b).forEach((value, i) => {
      const at =
        columns > 0
          ? (Math.floor(i / columns) * batch + b) * columns + (i % columns)
          : b * size + (i % channels) * time + Math.floor(i / channels);
      data[at] = value;
    });
  }
  const shape = columns > 0 ? [size / columns, batch, columns] : [batch, channels, time];
  return { shape, data };
}

/** Share of windows on which ONNX Runtime's last exit names the same class. */
async function agreementWith(
  program: Program,
  container: Container,
  windows: WindowSet,
  loaded: LoadedStudent,
): Promise<number> {
  const { classes } = container.student;
  const outputs = await program.run({ window: peerInput(container, windows, 0, WINDOWS) });
  const theirs = outputs[`exit${loaded.exits - 1}`]?.data ?? new Float32Array(0);
  let same = 0;
  for (let w = 0; w < WINDOWS; w++) {
    loaded.begin(windowAt(windows, w));
    let ours = 0;
    for (let exit = 0; exit < loaded.exits; exit++) ours = largestIndex(loaded.nextExit().logits);
    if (ours === largestIndex(theirs.subarray(w * classes, (w + 1) * classes))) same++;
  }
  return same / WINDOWS;
}
