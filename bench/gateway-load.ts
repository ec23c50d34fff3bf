/**
 * A child of `bench -- gateway`: many nodes on real MQTT connections that offload as fast as they are
 * answered, or at a given rate.
 *
 *     node bench/gateway-load.ts <url> <profile> <nodes> <in flight a node> <rate, 0: closed loop>
 *                                <warm-up seconds> <seconds>
 *
 * Each offload is a frame as a node sends it, with MQTT's own acknowledgement, ours and the verdict.
 * Prints answers a second, quantiles of the time from sending to the verdict, and its own processor
 * time, which says whether it was the bottleneck.
 */

import type { Link } from "../device-sim/link.ts";
import { mqttLinks } from "../device-sim/mqtt-link.ts";
import { prng } from "../src/prng.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import { decodeDown, encodeUp } from "../src/wire/frames.ts";
import type { ModelId } from "../src/wire/messages.ts";
import { DEFAULT_BASE, nodeId } from "../src/wire/topics.ts";
import { quantile } from "./benchmark.ts";
import { randomWindows } from "./gateway-windows.ts";

const [url = "", profileName = "", ...numbers] = process.argv.slice(2);
const [nodes = 1, inFlight = 1, rate = 0, warmUpSeconds = 1, seconds = 1] = numbers.map(Number);
const profile = shippedProfile(profileName);
const length = profile.windowSamples * profile.channels;
const windows = randomWindows(profile, 64);

const latenciesMs: number[] = [];
let acknowledged = 0;
let measuring = false;

class Offloader {
  readonly #sentMs = new Map<number, number>();
  #seq = 0;
  #link: Link | undefined;

  connect(name: string): Promise<void> {
    const open = mqttLinks({ url, base: DEFAULT_BASE, random: prng(1, name) });
    return new Promise((resolve) => {
      this.#link = open(nodeId(name), {
        connected: () => resolve(),
        disconnected: (reason) => process.stderr.write(`${name}: ${reason}\n`),
        unreachable: (reason) => process.stderr.write(`${name}: ${reason}\n`),
        message: (kind, frame) => {
          const message = decodeDown(kind, frame);
          if (message.kind === "ack" && measuring) acknowledged += message.seqs.length;
          if (message.kind === "verdict") this.#answered(message.seq);
        },
      });
    });
  }

  offload(): void {
    const seq = this.#seq++;
    const start = (seq % 64) * length;
    this.#sentMs.set(seq, performance.now());
    this.#link?.publish(
      "offload",
      encodeUp({
        kind: "offload",
        epoch: 1,
        seq,
        modelId: "0123456789abcdef" as ModelId,
        windowIndex: seq,
        timeMs: 1_700_000_000_000 + seq,
        reason: "unsure",
        chanceQ16: 65_535,
        classIndex: 0,
        confidenceQ8: 100,
        exit: 0,
        windowSamples: profile.windowSamples,
        channels: profile.channels,
        inputMilligPerStep: profile.inputMilligPerStep,
        rateCentihertz: 100 * profile.rateHz,
        encoding: "int8",
        window: windows.subarray(start, start + length),
      }),
    );
  }

  #answered(seq: number): void {
    const sentMs = this.#sentMs.get(seq);
    this.#sentMs.delete(seq);
    if (measuring && sentMs !== undefined) latenciesMs.push(performance.now() - sentMs);
    if (rate === 0) this.offload();
  }
}

const offloaders = Array.from({ length: nodes }, () => new Offloader());
await Promise.all(offloaders.map((offloader, i) => offloader.connect(`bench-${i}`)));
if (rate === 0) {
  for (const offloader of offloaders) for (let i = 0; i < inFlight; i++) offloader.offload();
} else {
  paced();
}
await sleep(warmUpSeconds);
measuring = true;
const cpuBefore = process.cpuUsage();
const startMs = performance.now();
process.stdout.write(`${JSON.stringify({ measuring: true })}\n`);
await sleep(seconds);
measuring = false;
const elapsedMs = performance.now() - startMs;
const { user, system } = process.cpuUsage(cpuBefore);
process.stdout.write(
  `${JSON.stringify({
    answersPerSecond: (1000 * latenciesMs.length) / elapsedMs,
    acknowledgedPerSecond: (1000 * acknowledged) / elapsedMs,
    p50Ms: quantile(latenciesMs, 0.5),
    p95Ms: quantile(latenciesMs, 0.95),
    p99Ms: quantile(latenciesMs, 0.99),
    loadShareOfCore: (user + system) / 1000 / elapsedMs,
  })}\n`,
);
process.exit(0);

/** Offloads evenly in time, nodes in turn, whatever the answers do. */
function paced(): void {
  const beganMs = performance.now();
  let sent = 0;
  setInterval(() => {
    for (const due = ((performance.now() - beganMs) * rate) / 1000; sent < due; sent++) {
      offloaders[sent % nodes]?.offload();
    }
  }, 2);
}

function sleep(duration: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1000 * duration));
}
