/**
 * The whole loop on 64-bit ARM: a gateway starts, its teacher answers, it distils and releases.
 *
 *   npm run -s bench -- arm64 --seconds 1500
 *
 * The demonstration runs as it is, with Node's ARM binary and ONNX Runtime's ARM library from npm,
 * under QEMU's user-mode emulation of a Cortex-A72; on an ARM machine with that machine's Node. A
 * reader on this side hears on MQTT when each thing happened first. Seconds are those of an emulator
 * and say nothing about a Raspberry Pi; that it happened, with the same binaries, does.
 */

import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { readMqtt } from "../cli/mqtt-client.ts";
import { emulatedNode, missingForArm64 } from "../deploy/arm64/emulated-node.ts";
import { freePort } from "../test/gateway-kit.ts";
import { type BenchmarkOptions, type BenchmarkResult, table } from "./benchmark.ts";
import { endProcess } from "./end-process.ts";

const MAIN = path.join(import.meta.dirname, "../cli/main.ts");
const SECONDS = 1_500;
/** What must happen, in the order in which it does. */
const MILESTONES = [
  "gateway online",
  "first behaviour",
  "teacher's answer",
  "drift-alarm",
  "distill-started",
  "distill-finished",
  "release-published",
  "release-done",
] as const;
type Milestone = (typeof MILESTONES)[number];

export async function run(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const isArm = process.arch === "arm64";
  const missing = isArm ? undefined : missingForArm64();
  if (missing !== undefined) return { ok: false, lines: [missing], figures: { missing } };
  const folder = mkdtempSync(path.join(tmpdir(), "bellwether-arm64-"));
  try {
    options.progress("Node for ARM");
    const node = isArm ? process.execPath : emulatedNode(folder);
    const doctor = doctorSays(node, folder);
    const seconds = Number(options.extra.seconds ?? SECONDS);
    // An emulated gateway is up after a minute or three: the tiny run is the doctor's, which loads
    // the runtime and the teacher.
    if (options.quick) return { ok: true, lines: [doctor], figures: { emulated: !isArm, doctor } };
    const reached = await demonstration(node, folder, seconds, options);
    const rows = MILESTONES.map((name) => {
      const atMs = reached.get(name);
      return [name, atMs === undefined ? "not reached" : (atMs / 1000).toFixed(1)];
    });
    const lines = [doctor, "", ...table([["what", "seconds after the start"], ...rows])];
    const figures = { emulated: !isArm, doctor, reachedMs: Object.fromEntries(reached) };
    return { ok: reached.size === MILESTONES.length, lines, figures };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The doctor's line on the runtime; it throws where something would stop a gateway. */
function doctorSays(node: string, folder: string): string {
  const args = [MAIN, "doctor", "--data-dir", path.join(folder, "none")];
  const environment = {
    ...process.env,
    BELLWETHER_CONFIG_BROKER_PORT: "0",
    BELLWETHER_CONFIG_HTTP_ENABLED: "false",
    BELLWETHER_CONFIG_METRICS_ENABLED: "false",
  };
  const said = execFileSync(node, args, { encoding: "utf8", env: environment, timeout: 300_000 });
  const lines = said.split("\n").filter((line) => /^ok +(node|onnx runtime)/.test(line));
  return lines.map((line) => line.replace(/ +/g, " ")).join("; ");
}

async function demonstration(
  node: string,
  folder: string,
  seconds: number,
  options: BenchmarkOptions,
): Promise<ReadonlyMap<Milestone, number>> {
  const [port, pagePort, metricsPort] = [await freePort(), await freePort(), await freePort()];
  const args = [
    ...[MAIN, "demo", "--nodes", "4", "--turn-after", "200", "--for", String(seconds), "--json"],
    ...["--port", String(port), "--data", folder, "--data-dir", path.join(folder, "data")],
  ];
  const environment = {
    ...process.env,
    BELLWETHER_CONFIG_HTTP_PORT: String(pagePort),
    BELLWETHER_CONFIG_METRICS_PORT: String(metricsPort),
  };
  const startedMs = performance.now();
  const child = spawn(node, args, { stdio: "ignore", env: environment });
  const reached = new Map<Milestone, number>();
  try {
    await new Promise<void>((resolve) => {
      child.once("exit", () => resolve());
      options.signal.addEventListener("abort", () => resolve());
      const reach = (name: Milestone | undefined): void => {
        if (name === undefined || reached.has(name)) return;
        reached.set(name, performance.now() - startedMs);
        options.progress(name, reached.size / MILESTONES.length);
        if (reached.size < MILESTONES.length) return;
        void reader.close();
        resolve();
      };
      const reader = readMqtt({
        url: `mqtt://127.0.0.1:${port}`,
        filters: ["bellwether/bridge/+", "bellwether/+/behaviour", "bellwether/+/event"],
        onState: () => undefined,
        onMessage: (topic, payload) => {
          for (const name of milestonesOf(topic, Buffer.from(payload).toString())) reach(name);
        },
      });
      child.once("exit", () => void reader.close());
    });
  } finally {
    await endProcess(child);
  }
  return reached;
}

function milestonesOf(topic: string, json: string): readonly Milestone[] {
  const value = JSON.parse(json || "{}") as { state?: string; type?: string };
  if (topic.endsWith("bridge/state")) return value.state === "online" ? ["gateway online"] : [];
  if (topic.endsWith("bridge/event")) {
    return MILESTONES.filter((name) => name === value.type);
  }
  if (topic.endsWith("/bridge/info") || topic.endsWith("/bridge/devices")) return [];
  const isAnswer = json.includes('"source":"teacher"');
  return isAnswer ? ["first behaviour", "teacher's answer"] : ["first behaviour"];
}
