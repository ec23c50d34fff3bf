/**
 * Nanoseconds per window of every engine, beside ONNX Runtime on the same shapes.
 *
 * Engines run by turns, many short rounds each; the figures are medians over the rounds, and ratios
 * are medians of the ratios within one round, so that a busy machine disturbs all alike. `--rounds N`.
 * Before anything is timed, the engines' hashes are compared, and ONNX Runtime's answers with ours.
 */

import { onnxRuntime } from "../gateway/onnx-runtime.ts";
import type { Engine, LoadedStudent } from "../src/engine/engine.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { createWasmEngine } from "../src/engine/wasm.ts";
import { largestIndex } from "../src/learn/metrics.ts";
import type { Program, RuntimeTensor } from "../src/learn/runtime.ts";
import { type Container, decodeContainer, encodeContainer } from "../src/model/container.ts";
import { quantizeStudent } from "../src/model/quantize.ts";
import { selfTestHashes } from "../src/model/self-test.ts";
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
import { peerOnnx } from "./engine-peer.ts";

const SHAPES: Readonly<Record<string, StudentSpec>> = {
  cnn: CNN_SPEC,
  gru: GRU_SPEC,
  collar: COLLAR_SPEC,
};
const WINDOWS = 64;
const BATCH_WINDOWS = 64;
const ROUND_MS = 25;
const NODES = 20_000;

type Timed = {
  readonly name: string;
  /** Runs about so many windows and says how many it were. */
  readonly run: (windows: number) => Promise<number>;
};

type ShapeFigures = {
  readonly macs: number;
  readonly nsPerWindow: Readonly<Record<string, number>>;
  /** How many times as long an engine takes as WASM does. */
  readonly wasmFaster: Readonly<Record<string, number>>;
  readonly agreementWithOnnxruntime: number;
};

export async function run(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const rounds = options.quick ? 3 : Number(options.extra.rounds ?? 41);
  const wasm = createWasmEngine();
  const rows: (string | number)[][] = [
    ["shape", "engine", "ns/window", "GMAC/s", "WASM is faster by"],
  ];
  const measuredShapes: Record<string, ShapeFigures> = {};
  let identical = true;
  for (const [shape, spec] of Object.entries(SHAPES)) {
    const measured = await measureShape(spec, wasm, rounds, (share) => {
      options.progress(shape, share);
    });
    identical &&= measured.identical;
    const macs = studentCost(measured.container.student).at(-1)?.macs ?? 0;
    for (const [name, ns] of Object.entries(measured.nsPerWindow)) {
      const ratio = measured.wasmFaster[name] ?? 1;
      rows.push([shape, name, Math.round(ns), (macs / ns).toFixed(2), ratio.toFixed(2)]);
    }
    const { nsPerWindow, wasmFaster, agreement } = measured;
    measuredShapes[shape] = { macs, nsPerWindow, wasmFaster, agreementWithOnnxruntime: agreement };
  }
  const perSecond = nodesPerSecond(wasm, options.quick ? 2_000 : NODES);
  const cnn = measuredShapes.cnn;
  return {
    ok: identical,
    lines: [
      ...table(rows),
      "",
      `reference and WASM give the same bits: ${identical ? "yes" : "NO"}`,
      `${Math.round(perSecond)} windows a second over ${NODES} nodes with windows of their own (collar)`,
    ],
    figures: {
      bitIdentical: identical,
      wasmNsPerWindow: cnn?.nsPerWindow.wasm,
      ratio: {
        wasmOverOnnxruntimeNode: cnn?.wasmFaster["onnxruntime-node"],
        wasmOverReference: cnn?.wasmFaster.reference,
      },
      windowsPerSecondOverNodes: perSecond,
      rounds,
      ...measuredShapes,
    },
  };
}

async function measureShape(
  spec: StudentSpec,
  wasm: Engine,
  rounds: number,
  progress: (share: number) => void,
) {
  const windows = noiseWindows(spec, WINDOWS, 2);
  const calibration = noiseWindows(spec, 32, 1);
  const student = quantizeStudent(randomFloatStudent(spec, 1), calibration, 31.25);
  const container = containerAround(student);
  const [reference, fast] = [referenceEngine.load(container), wasm.load(container)];
  const identical = selfTestHashes(reference, 1).join() === selfTestHashes(fast, 1).join();
  const program = await onnxRuntime().compile(peerOnnx(student));
  const agreement = await agreementWith(program, container, windows, reference);
  const timed: Timed[] = [
    { name: "wasm", run: windowsThrough(fast, windows) },
    { name: "reference", run: windowsThrough(reference, windows) },
    { name: "onnxruntime-node", run: batchesThrough(program, container, windows, 1) },
    { name: "onnxruntime-node, 64 at once", run: batchesThrough(program, container, windows, 64) },
  ];
  const ns = await takeTurns(timed, rounds, progress);
  await program.release();
  const wasmRounds = ns.get("wasm") ?? [];
  const nsPerWindow: Record<string, number> = {};
  const wasmFaster: Record<string, number> = {};
  for (const [name, values] of ns) {
    nsPerWindow[name] = median(values);
    wasmFaster[name] = median(values.map((value, i) => value / (wasmRounds[i] as number)));
  }
  return { container, identical, agreement, nsPerWindow, wasmFaster };
}

/** Nanoseconds per window and round. Each engine's count is set so that a round takes `ROUND_MS`. */
async function takeTurns(
  timed: readonly Timed[],
  rounds: number,
  progress: (share: number) => void,
): Promise<Map<string, number[]>> {
  const counts = new Map<string, number>();
  for (const { name, run } of timed) {
    const startMs = performance.now();
    let ran = 0;
    while (performance.now() - startMs < 4 * ROUND_MS) ran += await run(WINDOWS);
    counts.set(name, Math.ceil((ran * ROUND_MS) / (performance.now() - startMs)));
  }
  const all = new Map<string, number[]>(timed.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    progress(round / rounds);
    for (const { name, run } of timed) {
      const startMs = performance.now();
      const ran = await run(counts.get(name) ?? 1);
      all.get(name)?.push(((performance.now() - startMs) * 1e6) / ran);
    }
  }
  return all;
}

function windowsThrough(loaded: LoadedStudent, windows: WindowSet): Timed["run"] {
  const each = Array.from({ length: windows.count }, (_, w) => windowAt(windows, w));
  return (count) => {
    for (let i = 0; i < count; i++) {
      loaded.begin(each[i % each.length] as Int8Array);
      for (let exit = 0; exit < loaded.exits; exit++) loaded.nextExit();
    }
    return Promise.resolve(count);
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
    let ran = 0;
    for (let b = 0; ran < count; b++, ran += batch) {
      await program.run(batches[b % batches.length] as { window: RuntimeTensor });
    }
    return ran;
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

/** Every node loads its own decoded container and has its own window in memory. */
function nodesPerSecond(engine: Engine, nodes: number): number {
  const student = quantizeStudent(
    randomFloatStudent(COLLAR_SPEC, 1),
    noiseWindows(COLLAR_SPEC, 32, 1),
    31.25,
  );
  const bytes = encodeContainer(containerAround(student));
  const container = decodeContainer(bytes);
  const loads = Array.from({ length: nodes }, () => engine.load(container));
  const windows = noiseWindows(COLLAR_SPEC, nodes, 3);
  const startMs = performance.now();
  loads.forEach((loaded, node) => {
    loaded.begin(windowAt(windows, node));
    for (let exit = 0; exit < loaded.exits; exit++) loaded.nextExit();
  });
  return (nodes * 1000) / (performance.now() - startMs);
}
