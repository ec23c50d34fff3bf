/**
 * How much of the teacher's speed is left with a gateway around it: `npm run -s bench -- gateway`.
 *
 * Side by side and in turns on one core: the bare teacher in ONNX Runtime, and a whole gateway (MQTT,
 * guard, store with flushed commits, acknowledgement, teacher, verdict). The nodes are in a process of
 * their own on another core, on real MQTT connections. Two teachers: the shipped one for people (or
 * one of its shape that has learned nothing, where it is not there: the cost is the same), and a
 * ResNet of the original's widths (64, 128, 128 at full length), as people bring them.
 *
 * Two ratios. `ratio` is of answers a second, and true on a machine that does nothing else.
 * `processorRatio` is of processor time per window, which other programs disturb less. `paced` is the
 * time from sending to the verdict at half of the gateway's rate: a group commit is in it.
 *
 * Extra options: `--nodes 64`, `--in-flight 8`, `--batch 32`, `--wait-ms 5`, `--teacher FILE`.
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { assert } from "../src/assert.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import { type BenchmarkOptions, type BenchmarkResult, median, table } from "./benchmark.ts";
import { untrainedTeacherOnnx } from "./untrained-teacher.ts";

const PROFILE = shippedProfile("people");
const SHIPPED = new URL(`../profiles/${PROFILE.name}/teacher.onnx`, import.meta.url).pathname;
/** The shipped shape, and the widths and length of Wang et al., arXiv 1611.06455. */
const SHIPPED_SHAPE = { widths: [32, 64, 64], strides: [2, 2, 1], kernels: [8, 5, 3] };
const ORIGINAL_SHAPE = { widths: [64, 128, 128], strides: [1, 1, 1], kernels: [8, 5, 3] };

/** Load average from which on other programs share our two cores. */
const BUSY = 0.5;

type Settings = {
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly nodes: number;
  readonly inFlight: number;
  readonly batch: number;
  readonly waitMs: number;
  readonly pinned: boolean;
};

type Subject = { readonly name: string; readonly file: string; readonly trained: boolean };

type Bare = { readonly windowsPerSecond: number; readonly cpuMicrosPerWindow: number };
type Load = {
  readonly answersPerSecond: number;
  readonly acknowledgedPerSecond: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** Of one core, by the nodes: near 1, they are what is measured. */
  readonly loadShareOfCore: number;
};
type Served = { readonly load: Load; readonly cpuMicrosPerOffload: number };

export async function run(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const folder = mkdtempSync(path.join(tmpdir(), "bellwether-bench-gateway-"));
  try {
    const settings = settingsOf(options);
    const subjects = subjectsOf(options, folder);
    const figures: Record<string, unknown> = {
      pinned: settings.pinned,
      nodes: settings.nodes,
      batch: settings.batch,
      loadAverageBefore: rounded(loadavg()[0] ?? 0),
    };
    const rows: (string | number)[][] = [
      ["teacher", "bare/s", "gateway/s", "ratio", "by cpu", "p50 ms", "p95 ms", "p99 ms"],
    ];
    for (const [index, subject] of subjects.entries()) {
      const progress = (text: string, share: number): void =>
        options.progress(`${subject.name}: ${text}`, (index + share) / subjects.length);
      const result = await measure(subject, settings, folder, progress);
      figures[subject.name] = result;
      const { bare, gateway, paced, ratio, processorRatio } = result;
      rows.push([
        `${subject.name}${subject.trained ? "" : " (untrained)"}`,
        Math.round(bare.windowsPerSecond),
        Math.round(gateway.offloadsPerSecond),
        ratio,
        processorRatio,
        ...[paced.p50Ms, paced.p95Ms, paced.p99Ms],
      ]);
    }
    const lines = table(rows);
    lines.push(`Times to the verdict at half of the gateway's rate, ${settings.nodes} nodes.`);
    const load = Number(figures.loadAverageBefore);
    if (load > BUSY) lines.push(`The machine was busy (load ${load}): only "by cpu" means much.`);
    if (!settings.pinned) lines.push("taskset is missing: cores were shared, ratios say little.");
    return { ok: true, lines, figures };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function settingsOf(options: BenchmarkOptions): Settings {
  const number = (name: string, otherwise: number): number =>
    Number(options.extra[name] ?? otherwise);
  return {
    rounds: options.quick ? 1 : (options.seeds ?? 3),
    seconds: options.quick ? 1 : 6,
    warmUpSeconds: options.quick ? 1 : 3,
    nodes: number("nodes", 64),
    inFlight: number("in-flight", 8),
    batch: number("batch", 32),
    waitMs: number("wait-ms", 5),
    pinned: cpus().length > 1 && spawnSync("taskset", ["--version"]).error === undefined,
  };
}

function subjectsOf(options: BenchmarkOptions, folder: string): Subject[] {
  const given = options.extra.teacher;
  if (given !== undefined) return [{ name: "given", file: path.resolve(given), trained: true }];
  const untrained = (name: string, shape: typeof SHIPPED_SHAPE): Subject => {
    const file = path.join(folder, `${name}.onnx`);
    writeFileSync(file, untrainedTeacherOnnx(PROFILE, shape));
    return { name, file, trained: false };
  };
  const shipped = existsSync(SHIPPED)
    ? { name: "shipped", file: SHIPPED, trained: true }
    : untrained("shipped", SHIPPED_SHAPE);
  return options.quick ? [shipped] : [shipped, untrained("original", ORIGINAL_SHAPE)];
}

async function measure(
  subject: Subject,
  settings: Settings,
  folder: string,
  progress: (text: string, share: number) => void,
) {
  const bares: Bare[] = [];
  const served: Served[] = [];
  for (let round = 0; round < settings.rounds; round++) {
    progress("bare teacher", (2 * round) / (2 * settings.rounds + 1));
    bares.push(await runBare(subject, settings));
    progress("gateway", (2 * round + 1) / (2 * settings.rounds + 1));
    served.push(await serveUnderLoad(subject, settings, folder, 0));
  }
  const offloadsPerSecond = median(served.map(({ load }) => load.answersPerSecond));
  progress("half the rate", (2 * settings.rounds) / (2 * settings.rounds + 1));
  const paced = await serveUnderLoad(subject, settings, folder, offloadsPerSecond / 2);
  const bare = {
    windowsPerSecond: median(bares.map((one) => one.windowsPerSecond)),
    cpuMicrosPerWindow: median(bares.map((one) => one.cpuMicrosPerWindow)),
  };
  const cpuMicrosPerOffload = median(served.map((one) => one.cpuMicrosPerOffload));
  const quantiles = (name: "p50Ms" | "p95Ms" | "p99Ms"): number =>
    rounded(median(served.map(({ load }) => load[name])));
  return {
    trained: subject.trained,
    bare: roundedAll(bare),
    gateway: {
      offloadsPerSecond: rounded(offloadsPerSecond),
      acknowledgedPerSecond: rounded(median(served.map(({ load }) => load.acknowledgedPerSecond))),
      cpuMicrosPerOffload: rounded(cpuMicrosPerOffload),
      nodesShareOfCore: rounded(median(served.map(({ load }) => load.loadShareOfCore))),
      p50Ms: quantiles("p50Ms"),
      p95Ms: quantiles("p95Ms"),
      p99Ms: quantiles("p99Ms"),
    },
    paced: roundedAll({
      offloadsPerSecond: paced.load.answersPerSecond,
      p50Ms: paced.load.p50Ms,
      p95Ms: paced.load.p95Ms,
      p99Ms: paced.load.p99Ms,
    }),
    ratio: rounded(offloadsPerSecond / bare.windowsPerSecond),
    processorRatio: rounded(bare.cpuMicrosPerWindow / cpuMicrosPerOffload),
  };
}

async function runBare(subject: Subject, settings: Settings): Promise<Bare> {
  const { batch, seconds } = settings;
  const child = start(
    ["gateway-process.ts", "bare", subject.file, PROFILE.name, batch, seconds],
    settings,
    0,
  );
  return child.next<Bare>();
}

/** @param rate offloads a second of all nodes together; 0 for as many as are answered */
async function serveUnderLoad(
  subject: Subject,
  settings: Settings,
  folder: string,
  rate: number,
): Promise<Served> {
  const data = mkdtempSync(path.join(folder, "data-"));
  const { batch, waitMs, nodes, inFlight, warmUpSeconds, seconds } = settings;
  const gateway = start(
    ["gateway-process.ts", "serve", subject.file, PROFILE.name, data, batch, waitMs],
    settings,
    0,
  );
  const { url } = await gateway.next<{ url: string }>();
  const load = start(
    ["gateway-load.ts", url, PROFILE.name, nodes, inFlight, rate, warmUpSeconds, seconds],
    settings,
    1,
  );
  await load.next();
  const before = await gateway.ask<{ cpuMs: number; labels: number }>();
  const figures = await load.next<Load>();
  const after = await gateway.ask<{ cpuMs: number; labels: number }>();
  await gateway.end();
  const cpuMs = after.cpuMs - before.cpuMs;
  return { load: figures, cpuMicrosPerOffload: (1000 * cpuMs) / (after.labels - before.labels) };
}

type Child = {
  /** The next line of its output, as JSON. */
  next<T>(): Promise<T>;
  /** The line that it answers to a line. */
  ask<T>(): Promise<T>;
  end(): Promise<void>;
};

function start(args: readonly (string | number)[], settings: Settings, core: number): Child {
  const [script, ...rest] = args.map(String);
  const command = [process.execPath, path.join(import.meta.dirname, script ?? ""), ...rest];
  const pinned = settings.pinned ? ["taskset", "-c", String(core), ...command] : command;
  const child: ChildProcess = spawn(pinned[0] ?? "", pinned.slice(1), {
    stdio: ["pipe", "pipe", "inherit"],
  });
  assert(child.stdout !== null, "the child's output is a pipe");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async <T>(): Promise<T> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${script} ended early`);
    return JSON.parse(value) as T;
  };
  return {
    next,
    ask: (async <T>() => {
      child.stdin?.write("?\n");
      return next<T>();
    }) as Child["ask"],
    end: () =>
      new Promise((resolve) => {
        child.once("exit", () => resolve());
        child.stdin?.end();
      }),
  };
}

function roundedAll<T extends Readonly<Record<string, number>>>(values: T): T {
  return Object.fromEntries(Object.entries(values).map(([k, v]) => [k, rounded(v)])) as T;
}

function rounded(value: number): number {
  return Math.round(100 * value) / 100;
}
