/**
 * What a firmware node takes: code, memory, stack, and the emulator's time while it does its work.
 *
 *   npm run -s bench -- firmware-node
 *
 * Each board lives through what happens to a node: it joins, answers windows, offloads, gets verdicts,
 * takes a release over the air and confirms it; the deepest stack is read from painted memory. Then
 * it is left alone with a window every 2.5 s, and the processor time of its QEMU is taken: that is
 * what another node costs the machine that emulates it, and nothing about a real one.
 */

import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { BOARDS } from "../deploy/firmware/tools/boards.ts";
import { type FirmwareNode, startFirmwareNode } from "../deploy/firmware/tools/firmware-node.ts";
import {
  buildNodeImage,
  missingForNode,
  NODE_BOARDS,
  type NodeBoardName,
} from "../deploy/firmware/tools/node-image.ts";
import { prng, uniform } from "../src/prng.ts";
import { chunkOf } from "../src/wire/assembly.ts";
import type { UpMessage } from "../src/wire/messages.ts";
import { DEFAULT_BASE, nodeId } from "../src/wire/topics.ts";
import { type HandBroker, startHandBroker } from "../test/firmware-broker.ts";
import { offerOf, PUBLIC_KEY, signRelease } from "../test/node-world.ts";
import { type BenchmarkOptions, type BenchmarkResult, table } from "./benchmark.ts";
import { segmentBytes } from "./binary-size.ts";

const ID = nodeId("collar-01");
const PROFILE = path.join(import.meta.dirname, "../profiles/cattle");
const FACTORY = path.join(PROFILE, "student-plain.bwm");
const RATE_HZ = 10;
const HOP = 25;
/** What the micro:bit plays again and again. */
const SIGNAL_VALUES = 3000;
/** Of the clock that /proc counts processor time in. */
const TICK_MS = 10;

type Figures = {
  readonly board: NodeBoardName;
  /** Everything in flash but the container. */
  readonly codeBytes: number;
  readonly ramBytes: number;
  readonly stackBytes: number;
  readonly cpuMsPer10s: number;
  readonly residentKb: number;
};

export async function run(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const folder = mkdtempSync(path.join(tmpdir(), "bellwether-bench-node-"));
  const figures: Figures[] = [];
  const lines: string[] = [];
  try {
    for (const board of Object.keys(NODE_BOARDS) as NodeBoardName[]) {
      const missing = missingForNode(board);
      if (missing !== undefined) lines.push(`${board}: not measured, ${missing}`);
      else figures.push(await measure(board, folder, options));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const rows = figures.map((row) => [
    `${row.board} (${BOARDS[row.board].target})`,
    ...[row.codeBytes, row.ramBytes, row.stackBytes, row.cpuMsPer10s.toFixed(0), row.residentKb],
  ]);
  const title = ["board", "code B", "RAM B", "stack B", "QEMU ms / 10 s", "QEMU KB"];
  return {
    ok: figures.length > 0,
    lines: [...table([title, ...rows]), ...lines],
    figures: { figures },
  };
}

type Place = {
  readonly board: NodeBoardName;
  readonly folder: string;
  readonly broker: HandBroker;
};

/** `speed`: how much faster than life the micro:bit plays its signal. */
async function start(
  { board, folder, broker }: Place,
  speed: number,
): Promise<{ readonly node: FirmwareNode; readonly image: string }> {
  const factory = readFileSync(FACTORY);
  const plays = board === "microbit";
  const signal = { millig: noise(SIGNAL_VALUES), rateHz: RATE_HZ, speed };
  const image = buildNodeImage({
    board,
    factory,
    tellsStack: true,
    ...(plays ? { signal } : {}),
  });
  const node = await startFirmwareNode({
    board,
    image,
    broker: { host: "127.0.0.1", port: broker.port },
    folder: path.join(folder, board),
    provision: {
      id: ID,
      base: DEFAULT_BASE,
      publicKeys: [PUBLIC_KEY],
      seed: 1,
      settings: { trialWindows: 6 },
    },
  });
  return { node, image };
}

async function measure(
  board: NodeBoardName,
  folder: string,
  options: BenchmarkOptions,
): Promise<Figures> {
  options.progress(board);
  const broker = await startHandBroker(DEFAULT_BASE, ID);
  const place = { board, folder, broker };
  let { node, image } = await start(place, 20);
  try {
    teach(broker);
    await liveThrough(node, broker, options);
    const told = [...node.output().matchAll(/stack (\d+)/g)].map(([, bytes]) => Number(bytes));
    await node.stop();
    const connects = broker.connects();
    ({ node } = await start(place, 1));
    while (broker.connects() === connects) await new Promise((resolve) => setTimeout(resolve, 50));
    const idle = await leaveAlone(node, options.quick ? 1_000 : 30_000);
    return { board, ...sizes(board, image), stackBytes: Math.max(...told), ...idle };
  } finally {
    await node.stop();
    await broker.close();
  }
}

/** A gateway's side of everything, and a release after the first window. */
function teach(broker: HandBroker): void {
  const release = signRelease(readFileSync(path.join(PROFILE, "student.bwm")), 1);
  broker.onMessage = (message: UpMessage) => {
    if (message.kind === "hello" && message.releaseSequence === 0) {
      void broker.deliver({ kind: "setting", auditChanceQ16: 65_535, burstWindows: 0 });
      void broker.deliver(offerOf(release));
    }
    if (message.kind === "offload") {
      const { epoch, seq, windowIndex } = message;
      const probabilitiesQ8 = Uint8Array.of(5, 5, 245);
      const verdict = { kind: "verdict", epoch, seq, windowIndex, classIndex: 2 } as const;
      void broker.deliver({ ...verdict, trusted: true, probabilitiesQ8 });
    }
    if (message.kind !== "want") return;
    message.bitmap.forEach((byte, at) => {
      for (let bit = 0; bit < 8; bit++) {
        const index = message.firstChunk + 8 * at + bit;
        const bytes =
          (byte >> bit) & 1 ? chunkOf(release.container, release.manifest, index) : undefined;
        if (bytes !== undefined)
          void broker.deliver({ kind: "chunk", releaseSequence: 1, index, bytes });
      }
    });
  };
}

async function liveThrough(
  node: FirmwareNode,
  broker: HandBroker,
  options: BenchmarkOptions,
): Promise<void> {
  const isConfirmed = (): boolean =>
    broker.received.some(
      (message) => message.kind === "outcome" && message.outcome === "confirmed",
    );
  const endMs = performance.now() + 60_000;
  for (let at = 0; !isConfirmed(); at += HOP) {
    options.signal.throwIfAborted();
    if (performance.now() > endMs) throw new Error(`no release was confirmed: ${node.output()}`);
    await node.feed(samplesAt(at));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** At its own pace: a window every 2.5 s. */
async function leaveAlone(
  node: FirmwareNode,
  ms: number,
): Promise<Pick<Figures, "cpuMsPer10s" | "residentKb">> {
  let at = 1_000_000;
  const timer = setInterval(
    () => {
      void node.feed(samplesAt(at));
      at += HOP;
    },
    (1000 * HOP) / RATE_HZ,
  );
  const [startTicks, startMs] = [ticksOf(node.pid()), performance.now()];
  await new Promise((resolve) => setTimeout(resolve, ms));
  clearInterval(timer);
  const cpuMs = (ticksOf(node.pid()) - startTicks) * TICK_MS;
  const status = readFileSync(`/proc/${node.pid()}/status`, "utf8");
  return {
    cpuMsPer10s: (10_000 * cpuMs) / (performance.now() - startMs),
    residentKb: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]),
  };
}

/** User and system time; Linux's proc(5). */
function ticksOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

function sizes(board: NodeBoardName, image: string): Pick<Figures, "codeBytes" | "ramBytes"> {
  const { text, data, bss } = segmentBytes(BOARDS[board].target, image);
  const played = board === "microbit" ? 2 * SIGNAL_VALUES : 0;
  return { codeBytes: text + data - statSync(FACTORY).size - played, ramBytes: data + bss };
}

function samplesAt(startSample: number) {
  const common = { channels: 3, timeMs: Date.now(), rateHz: RATE_HZ };
  return { startSample, millig: noise(3 * HOP, startSample), ...common };
}

function noise(values: number, seed = 0): Int16Array {
  const random = prng(seed, "noise");
  return Int16Array.from({ length: values }, () => Math.round(uniform(random, -900, 900)));
}
