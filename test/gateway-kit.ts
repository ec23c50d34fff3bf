/**
 * What tests of the gateway share: a gateway on a free port with a real teacher in ONNX Runtime, and
 * a node driven by hand over a real MQTT connection.
 */

import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import { untrainedTeacherOnnx } from "../bench/untrained-teacher.ts";
import { type GatewayConfig, parseConfig } from "../gateway/config/config.ts";
import type { GatewayDependencies } from "../gateway/gateway-dependencies.ts";
import { type RunningGateway, startGateway } from "../gateway/run-gateway.ts";
import { type OpenTeacher, openOnnxTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { trustAlways } from "../gateway/teacher/teacher.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import { decodeDown, encodeUp } from "../src/wire/frames.ts";
import type {
  DownKind,
  DownMessage,
  ModelId,
  UpMessage,
  WindowOffload,
} from "../src/wire/messages.ts";
import { downFilter, nodeId, parseDownTopic, topicBase, upTopic } from "../src/wire/topics.ts";

export const base = topicBase("bellwether");
export const cattle = shippedProfile("cattle");
export const MODEL = "0123456789abcdef" as ModelId;

export function temporaryFolder(): string {
  return mkdtempSync(path.join(tmpdir(), "bellwether-gateway-"));
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

export async function untrainedTeacher(folder: string): Promise<OpenTeacher> {
  const file = path.join(folder, "untrained.onnx");
  const shape = { widths: [8, 16], strides: [2, 2], kernels: [7, 5, 3] };
  writeFileSync(file, untrainedTeacherOnnx(cattle, shape));
  return openOnnxTeacher(file, cattle);
}

/** For a gateway in a process of its own: gateways that run meanwhile would all want the one port of
 * the page and the one of the figures. */
export function gatewayEnvironment(): NodeJS.ProcessEnv {
  return {
    ...process.env,
    BELLWETHER_CONFIG_HTTP_ENABLED: "false",
    BELLWETHER_CONFIG_METRICS_ENABLED: "false",
  };
}

/** A port that was free a moment ago, for what has to be told one. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

export type LogLine = { readonly level: string; readonly text: string };

/** A gateway of this process, on a free port, with what it logs. */
export async function gatewayOn(
  folder: string,
  teacher: OpenTeacher,
  options: {
    readonly yaml?: string;
    readonly labelPagesMax?: number;
    readonly metricsPort?: string;
    readonly dependencies?: Partial<GatewayDependencies>;
  } = {},
): Promise<RunningGateway & { readonly lines: readonly LogLine[] }> {
  const lines: LogLine[] = [];
  const yaml = options.yaml ?? "broker: { port: 0 }";
  const { labelPagesMax } = options;
  const config = {
    // Gateways of other tests run meanwhile: each takes a free port for its figures.
    ...withoutPage(
      parseConfig(yaml, path.join(folder, "gateway.yaml"), {
        BELLWETHER_CONFIG_METRICS_PORT: options.metricsPort ?? "0",
      }),
      yaml,
    ),
    ...(labelPagesMax !== undefined && { labelPagesMax }),
  };
  const gateway = await startGateway(config, {
    teacher,
    trust: trustAlways,
    log: (level, text, fields = {}) =>
      lines.push({ level, text: `${text} ${JSON.stringify(fields)}` }),
    ...options.dependencies,
  });
  return { ...gateway, lines };
}

/** Gateways of tests that run beside each other would all want the page's one port. */
function withoutPage(config: GatewayConfig, yaml: string): GatewayConfig {
  return yaml.includes("http:") ? config : { ...config, http: { ...config.http, enabled: false } };
}

/** A node's side of the wire, without a node's mind. */
export class HandNode {
  readonly id: ReturnType<typeof nodeId>;
  readonly client: MqttClient;
  readonly received: DownMessage[] = [];
  #seq = 0;

  private constructor(id: string, client: MqttClient) {
    this.id = nodeId(id);
    this.client = client;
    client.on("error", () => undefined);
    client.on("message", (topic, payload) => {
      const kind = parseDownTopic(base, topic)?.kind as DownKind;
      this.received.push(decodeDown(kind, payload));
    });
  }

  static async connect(url: string, id: string, more: IClientOptions = {}): Promise<HandNode> {
    const client = await connectAsync(url, {
      clientId: id,
      protocolVersion: 4,
      reconnectPeriod: 0,
      ...more,
    });
    const node = new HandNode(id, client);
    await client.subscribeAsync(downFilter(base, node.id));
    return node;
  }

  send(message: UpMessage): Promise<unknown> {
    const topic = upTopic(base, this.id, message.kind);
    return this.client.publishAsync(topic, Buffer.from(encodeUp(message)), { qos: 1 });
  }

  hello(more: Partial<Extract<UpMessage, { kind: "hello" }>> = {}): Promise<unknown> {
    return this.send(helloOf(more));
  }

  offload(more: Partial<WindowOffload> = {}): Promise<unknown> {
    return this.send(offloadOf(this.#seq++, more));
  }

  report(
    windowIndices: readonly number[],
    more: Partial<Extract<UpMessage, { kind: "report" }>> = {},
  ): Promise<unknown> {
    return this.send(reportOf(this.#seq++, windowIndices, more));
  }

  acked(): number[] {
    return this.received.flatMap((message) => (message.kind === "ack" ? message.seqs : []));
  }

  of<K extends DownKind>(kind: K): Extract<DownMessage, { kind: K }>[] {
    return this.received.filter(
      (message): message is Extract<DownMessage, { kind: K }> => message.kind === kind,
    );
  }

  async close(): Promise<void> {
    await this.client.endAsync(true);
  }
}

export function helloOf(
  more: Partial<Extract<UpMessage, { kind: "hello" }>>,
): Extract<UpMessage, { kind: "hello" }> {
  return {
    kind: "hello",
    epoch: 1,
    firmware: "test 1",
    cohort: "cattle/neck/10.00Hz/50x3",
    modelId: MODEL,
    releaseSequence: 0,
    formatVersion: 1,
    slotBytes: 65_536,
    ramBytes: 65_536,
    wakeMs: 60_000,
    ...more,
  };
}

export function offloadOf(seq: number, more: Partial<WindowOffload> = {}): WindowOffload {
  const window = new Int8Array(cattle.windowSamples * cattle.channels);
  for (let i = 0; i < window.length; i++) window[i] = ((seq + 1) * (i + 3) * 37) % 120;
  return {
    kind: "offload",
    epoch: 1,
    seq,
    modelId: MODEL,
    windowIndex: seq,
    timeMs: 1_700_000_000_000 + 2_500 * seq,
    reason: "unsure",
    chanceQ16: 65_535,
    classIndex: 0,
    confidenceQ8: 128,
    exit: 0,
    windowSamples: cattle.windowSamples,
    channels: cattle.channels,
    inputMilligPerStep: cattle.inputMilligPerStep,
    rateCentihertz: 100 * cattle.rateHz,
    encoding: "int8",
    window,
    ...more,
  };
}

export function reportOf(
  seq: number,
  windowIndices: readonly number[],
  more: Partial<Extract<UpMessage, { kind: "report" }>> = {},
): Extract<UpMessage, { kind: "report" }> {
  return {
    kind: "report",
    epoch: 1,
    seq,
    modelId: MODEL,
    driftQ8: 256,
    alarm: false,
    operatingPoint: 0,
    batteryPercent: 87,
    dropped: 0,
    entries: windowIndices.map((windowIndex) => ({
      windowIndex,
      timeMs: 1_700_000_000_000 + 2_500 * windowIndex,
      classIndex: 0,
      confidenceQ8: 200,
      exit: 0,
      offloaded: false,
    })),
    ...more,
  };
}

/** Waits until something holds; fails with what it was waiting for. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  withinMs = 10_000,
): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`waited ${withinMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
