/**
 * A real gateway process is killed again and again while nodes send: what was acknowledged is there,
 * once. `BELLWETHER_KILLS=50` makes it a soak.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { connect, type MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LABEL_LOG_FILE } from "../gateway/store/label-log.ts";
import { openLabelReader } from "../gateway/store/label-reader.ts";
import { prng, uniform } from "../src/prng.ts";
import { decodeDown, encodeUp } from "../src/wire/frames.ts";
import { downFilter, nodeId, parseDownTopic, upTopic } from "../src/wire/topics.ts";
import {
  base,
  freePort,
  gatewayEnvironment,
  helloOf,
  offloadOf,
  removeFolder,
  temporaryFolder,
  until,
  untrainedTeacher,
} from "./gateway-kit.ts";

const KILLS = Number(process.env.BELLWETHER_KILLS ?? 5);
const NODES = 8;
const OFFLOADS_PER_SECOND = 25;
const ROOT = path.join(import.meta.dirname, "..");

let folder: string;
let port: number;

beforeAll(async () => {
  folder = temporaryFolder();
  await (await untrainedTeacher(folder)).close();
  port = await freePort();
});

afterAll(() => removeFolder(folder));

describe("a gateway that is killed", () => {
  it(
    `loses nothing that it acknowledged and keeps nothing twice, ${KILLS} times`,
    async () => {
      const random = prng(2026, "kills");
      const nodes = Array.from({ length: NODES }, (_, i) => new Sender(`collar-${i}`));
      let restarts = 0;
      for (let kill = 0; kill < KILLS; kill++) {
        const gateway = await startProcess();
        restarts++;
        const ackedBefore = ackedOf(nodes).length;
        await until("acknowledgements", () => ackedOf(nodes).length > ackedBefore, 20_000);
        await new Promise((resolve) => setTimeout(resolve, uniform(random, 20, 700)));
        gateway.kill("SIGKILL");
        await once(gateway, "exit");
        // What is acknowledged now is on disk now.
        const stored = storedKeys();
        for (const key of ackedOf(nodes)) expect(stored.has(key), key).toBe(true);
      }
      for (const node of nodes) node.produce(false);
      const last = await startProcess();
      await until("empty outboxes", () => nodes.every((node) => node.outbox.size === 0), 30_000);
      await until("every label", () => labelCount() === madeBy(nodes), 30_000);
      last.kill("SIGTERM");
      await once(last, "exit");
      expect(last.exitCode).toBe(0);
      for (const node of nodes) await node.close();

      const made = madeBy(nodes);
      const reader = openLabelReader(path.join(folder, "data", LABEL_LOG_FILE));
      const labels = reader.softLabels();
      reader.close();
      expect(labels).toHaveLength(made);
      expect(new Set(labels.map(({ node, epoch, seq }) => `${node}/${epoch}/${seq}`)).size).toBe(
        made,
      );
      // A verdict is told once: one that is on its way when the gateway dies reaches only the log.
      const verdicts = nodes.reduce((sum, node) => sum + node.verdicts.size, 0);
      console.info(
        `${restarts} kills, ${made} offloads: each acknowledged and labelled once, ` +
          `${verdicts} verdicts reached their nodes`,
      );
    },
    60_000 + KILLS * 8_000,
  );
});

/** A node with an outbox and nothing else: sends on and on, keeps what is not acknowledged. */
class Sender {
  readonly outbox = new Map<number, Uint8Array>();
  readonly acked = new Set<number>();
  readonly verdicts = new Set<number>();
  readonly id;
  made = 0;
  #client: MqttClient;
  #producing = true;
  readonly #timer: NodeJS.Timeout;

  constructor(name: string) {
    this.id = nodeId(name);
    this.#client = connect(`mqtt://127.0.0.1:${port}`, {
      clientId: name,
      protocolVersion: 4,
      clean: true,
      reconnectPeriod: 100,
      resubscribe: false,
    });
    this.#client.on("error", () => undefined);
    this.#client.on("connect", () => {
      this.#client.subscribe(downFilter(base, this.id), () => {
        this.#client.publish(upTopic(base, this.id, "hello"), Buffer.from(encodeUp(helloOf({}))));
        for (const frame of this.outbox.values()) this.#send(frame);
      });
    });
    this.#client.on("message", (topic, payload) => this.#take(topic, payload));
    this.#timer = setInterval(() => this.#tick(), 1000 / OFFLOADS_PER_SECOND);
  }

  produce(on: boolean): void {
    this.#producing = on;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#client.endAsync(true);
  }

  #tick(): void {
    if (!this.#producing) return;
    const seq = this.made++;
    const frame = encodeUp(offloadOf(seq));
    this.outbox.set(seq, frame);
    this.#send(frame);
  }

  #send(frame: Uint8Array): void {
    if (!this.#client.connected) return;
    this.#client.publish(upTopic(base, this.id, "offload"), Buffer.from(frame), { qos: 0 });
  }

  #take(topic: string, payload: Uint8Array): void {
    const kind = parseDownTopic(base, topic)?.kind;
    if (kind === undefined) return;
    const message = decodeDown(kind, payload);
    if (message.kind === "verdict") this.verdicts.add(message.seq);
    if (message.kind !== "ack") return;
    for (const seq of message.seqs) {
      this.acked.add(seq);
      this.outbox.delete(seq);
    }
  }
}

async function startProcess(): Promise<ChildProcess> {
  const child = spawn(
    process.execPath,
    [
      path.join(ROOT, "cli/main.ts"),
      "gateway",
      ...["--data-dir", path.join(folder, "data")],
      ...["--port", String(port)],
      ...["--teacher", path.join(folder, "untrained.onnx"), "--serve-only"],
    ],
    { env: gatewayEnvironment(), stdio: ["ignore", "pipe", "pipe"] },
  );
  let said = "";
  child.stderr?.on("data", (chunk) => {
    said += chunk;
  });
  let listening = false;
  child.stdout?.on("data", (chunk) => {
    listening ||= String(chunk).includes("listening on");
  });
  await until(
    "the gateway to listen",
    () => {
      if (child.exitCode !== null) throw new Error(`the gateway ended: ${said}`);
      return listening;
    },
    20_000,
  );
  return child;
}

function madeBy(nodes: readonly Sender[]): number {
  return nodes.reduce((sum, node) => sum + node.made, 0);
}

function labelCount(): number {
  const reader = openLabelReader(path.join(folder, "data", LABEL_LOG_FILE));
  try {
    return reader.softLabelCount().total;
  } finally {
    reader.close();
  }
}

function ackedOf(nodes: readonly Sender[]): string[] {
  return nodes.flatMap((node) => [...node.acked].map((seq) => `${node.id}/1/${seq}`));
}

/** Answered or waiting for an answer: every offload that is on disk. */
function storedKeys(): Set<string> {
  const reader = openLabelReader(path.join(folder, "data", LABEL_LOG_FILE));
  try {
    const waiting = reader
      .waitingNodes()
      .flatMap((node) => reader.waiting(node, 0, 1_000_000))
      .map(({ node, offload }) => `${node}/${offload.epoch}/${offload.seq}`);
    const labelled = reader.softLabels().map(({ node, epoch, seq }) => `${node}/${epoch}/${seq}`);
    const all = [...waiting, ...labelled];
    expect(new Set(all).size).toBe(all.length);
    return new Set(all);
  } finally {
    reader.close();
  }
}
