/**
 * What a gateway and a node take of a machine: seconds until they serve, and resident memory.
 *
 *   npm run -s bench -- footprint
 *
 * All are started as people start them, by the launcher, on ports of their own and with the shipped
 * cattle profile: the first start of a gateway, which makes its keys and its anchor set from emulated
 * animals, then a second one, which finds them; a node that reads an emulated cow's samples from a file,
 * ten times as fast as they were; and beside it a herd of one. Memory is VmRSS of the process itself
 * (`proc(5)`): with shared files such as Node's own 120 MB, of which what was touched is resident; *own*
 * is what no other process could share (RssAnon). It is read after the teacher has answered, and the
 * gateway has served both for a while. What Node compiles is kept from one start to the next; a start
 * that finds nothing kept loads Node's compiler of TypeScript as well. What the bouts of a herd take is
 * counted in a process of its own (`bouts-process.ts`).
 */

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { readMqtt } from "../cli/mqtt-client.ts";
import { BridgeInfoSchema } from "../src/wire/public.ts";
import { freePort } from "../test/gateway-kit.ts";
import { type BenchmarkOptions, type BenchmarkResult, median, table } from "./benchmark.ts";
import { collarLines } from "./collar-lines.ts";
import { endProcess } from "./end-process.ts";

const LAUNCHER = path.join(import.meta.dirname, "../bin/bellwether.js");
const START_MS = 120_000;
const SERVE_MS = 20_000;
const QUICK_SERVE_MS = 3_000;
/** Of the node's samples: an hour, of which a round plays some minutes. */
const SAMPLES = 36_000;
const SPEED = 10;
const HERD = 1_000;
const QUICK_HERD = 20;

type Resident = { readonly residentMb: number; readonly ownMb: number };
/** Of the open windows and settled days of all nodes; see `bouts-process.ts`. */
type Bouts = {
  readonly countedMb: number;
  readonly windowMicroseconds: number;
};
type Round = {
  readonly firstStartMs: number;
  readonly startMs: number;
  readonly gateway: Resident;
  readonly node: Resident;
  readonly herdOfOne: Resident;
};

export async function run(options: BenchmarkOptions): Promise<BenchmarkResult> {
  if (process.platform !== "linux") {
    return { ok: false, lines: ["memory is read from /proc, which only Linux has"], figures: {} };
  }
  const rounds: Round[] = [];
  const wanted = options.quick ? 1 : (options.seeds ?? 3);
  for (let round = 0; round < wanted; round++) {
    options.progress(`start ${round + 1} of ${wanted}`, round / wanted);
    rounds.push(await measure(options.quick ? QUICK_SERVE_MS : SERVE_MS, options.signal));
  }
  const herd = options.quick ? QUICK_HERD : HERD;
  const bouts = await measureBouts(herd, options.signal);
  const middle = (of: (round: Round) => number): number => Math.round(median(rounds.map(of)));
  const figures = {
    gatewayFirstStartMs: middle((round) => round.firstStartMs),
    gatewayStartMs: middle((round) => round.startMs),
    gatewayResidentMb: middle((round) => round.gateway.residentMb),
    gatewayOwnMb: middle((round) => round.gateway.ownMb),
    nodeResidentMb: middle((round) => round.node.residentMb),
    nodeOwnMb: middle((round) => round.node.ownMb),
    herdOfOneResidentMb: middle((round) => round.herdOfOne.residentMb),
    herdOfOneOwnMb: middle((round) => round.herdOfOne.ownMb),
  };
  const lines = table([
    ["process", "first start, ms", "start, ms", "resident, MB", "own, MB"],
    [
      "gateway",
      figures.gatewayFirstStartMs,
      figures.gatewayStartMs,
      figures.gatewayResidentMb,
      figures.gatewayOwnMb,
    ],
    ["node", "-", "-", figures.nodeResidentMb, figures.nodeOwnMb],
    ["simulate --nodes 1", "-", "-", figures.herdOfOneResidentMb, figures.herdOfOneOwnMb],
  ]);
  const { countedMb, windowMicroseconds } = bouts;
  const ofBouts = table([
    ["bouts in a gateway", "heap and buffers, MB", "a window, us"],
    [`of ${herd} nodes`, countedMb.toFixed(1), windowMicroseconds.toFixed(0)],
  ]);
  return {
    ok: true,
    lines: [...lines, "", ...ofBouts],
    figures: { ...figures, herd, bouts, rounds },
  };
}

async function measureBouts(nodes: number, signal: AbortSignal): Promise<Bouts> {
  // As gateways are started.
  const flags = ["--expose-gc", "--max-semi-space-size=1"];
  const args = [...flags, path.join(import.meta.dirname, "bouts-process.ts"), String(nodes)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { signal });
  return JSON.parse(stdout) as Bouts;
}

async function measure(serveMs: number, signal: AbortSignal): Promise<Round> {
  const folder = mkdtempSync(path.join(tmpdir(), "bellwether-footprint-"));
  const started: ChildProcess[] = [];
  const env = {
    ...process.env,
    BELLWETHER_CONFIG_HTTP_PORT: String(await freePort()),
    BELLWETHER_CONFIG_METRICS_PORT: String(await freePort()),
  };
  const launch = (...args: readonly string[]): ChildProcess => {
    const child = spawn(process.execPath, [LAUNCHER, ...args], { stdio: "ignore", signal, env });
    child.on("error", () => undefined);
    started.push(child);
    return child;
  };
  try {
    const port = await freePort();
    const gatewayArgs = ["gateway", "--data-dir", folder, "--port", String(port)] as const;
    const url = `mqtt://127.0.0.1:${port}`;
    const first = performance.now();
    const maker = launch(...gatewayArgs);
    await told(url, "bellwether/bridge/state");
    const firstStartMs = performance.now() - first;
    await endProcess(maker);

    const second = performance.now();
    const gateway = launch(...gatewayArgs);
    await told(url, "bellwether/bridge/state");
    const startMs = performance.now() - second;
    const key = path.join(folder, "keys/release-key.pub");
    const joining = ["--gateway", url, "--key", key] as const;
    const samples = path.join(folder, "samples.csv");
    writeFileSync(samples, (await collarLines(SAMPLES, 1)).join("\n"));
    const store = path.join(folder, "node");
    const from = ["--input", samples, "--speed", String(SPEED), "--store", store];
    const node = launch("node", "--name", "one", ...from, ...joining);
    const herdOfOne = launch("simulate", "--nodes", "1", ...joining);
    await told(url, "bellwether/bridge/info", hasAnswered);
    await new Promise((resolve) => setTimeout(resolve, serveMs));
    return {
      firstStartMs,
      startMs,
      gateway: residentOf(gateway),
      node: residentOf(node),
      herdOfOne: residentOf(herdOfOne),
    };
  } finally {
    await Promise.all(started.map(endProcess));
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Whether the teacher has answered, and its answer is stored. */
function hasAnswered(payload: Uint8Array): boolean {
  const info = BridgeInfoSchema.parse(JSON.parse(Buffer.from(payload).toString("utf8")));
  return info.soft_labels > 0;
}

/** Resolves when something is told on a topic, such as is asked for; the broker may still be on its
 * way. */
async function told(
  url: string,
  filter: string,
  isIt: (payload: Uint8Array) => boolean = () => true,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      void reader.close();
      reject(new Error(`nothing on ${filter} within ${START_MS / 1000} s`));
    }, START_MS);
    const reader = readMqtt({
      url,
      filters: [filter],
      retryMs: 20,
      onState: () => undefined,
      onMessage: (_, payload) => {
        if (!isIt(payload)) return;
        clearTimeout(timer);
        void reader.close();
        resolve();
      },
    });
  });
}

/** Of the program that the launcher started, not of the launcher. */
function residentOf(launcher: ChildProcess): Resident {
  const { pid } = launcher;
  const child = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ")[0];
  const status = readFileSync(`/proc/${child}/status`, "utf8");
  const megabytes = (key: string): number =>
    Number(new RegExp(`${key}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024;
  return { residentMb: megabytes("VmRSS"), ownMb: megabytes("RssAnon") };
}
