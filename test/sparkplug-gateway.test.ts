/** A running gateway as an edge node: on its own broker, on Debian's mosquitto, and on one of two. */

import type { ChildProcess } from "node:child_process";
import { connect as connectTcp, createServer, type Server, type Socket } from "node:net";
import { connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { OpenTeacher } from "../gateway/teacher/onnx-teacher.ts";
import {
  freePort,
  gatewayOn,
  HandNode,
  removeFolder,
  temporaryFolder,
  until,
  untrainedTeacher,
} from "./gateway-kit.ts";
import { MOSQUITTO, startMosquitto, stopMosquitto } from "./mosquitto.ts";
import { rebirthCommand, SparkplugHost } from "./sparkplug-host.ts";

const GROUP = "sparkplug: { enabled: true, group: farm, edge_node: barn";
const NCMD = "spBv1.0/farm/NCMD/barn";
const STATE = "spBv1.0/STATE/scada";

let folder: string;
let teacher: OpenTeacher;
let broker: ChildProcess | undefined;
const clients: MqttClient[] = [];

beforeEach(async () => {
  folder = temporaryFolder();
  teacher = await untrainedTeacher(folder);
});

afterEach(async () => {
  for (const client of clients.splice(0)) await client.endAsync(true);
  await stopMosquitto(broker);
  broker = undefined;
  await teacher.close();
  removeFolder(folder);
});

async function connectHost(
  url: string,
  options: IClientOptions = {},
): Promise<{ readonly host: SparkplugHost; readonly client: MqttClient }> {
  const client = await connectAsync(url, { reconnectPeriod: 0, ...options });
  clients.push(client);
  const host = new SparkplugHost("farm", "barn");
  client.on("message", (topic, payload, { retain }) => {
    if (topic.startsWith("spBv1.0/STATE/") || topic.includes("CMD/")) return;
    if (retain) host.problems.push(`${topic} is retained`);
    host.take(topic, payload);
  });
  client.on("error", () => undefined);
  await client.subscribeAsync("spBv1.0/#", { qos: 1 });
  return { host, client };
}

/** A collar with a behaviour, as the host sees it. */
async function sees(host: SparkplugHost, node: string): Promise<void> {
  await until(`${node} is born`, () => host.devices.has(node));
  await until(`${node} does something`, () => {
    const seen = host.devices.get(node);
    return seen?.get("Behaviour")?.value === "grazing" && seen.get("Battery")?.value === 87;
  });
}

describe.each([4, 5] as const)("on our own broker, with MQTT version %i", (protocolVersion) => {
  it("tells of itself and of nodes, and is born again at a word", async () => {
    const gateway = await gatewayOn(folder, teacher, { yaml: `broker: { port: 0 }\n${GROUP} }` });
    const { host, client } = await connectHost(gateway.url, { protocolVersion });
    // Who comes late asks for what it has missed.
    await client.publishAsync(NCMD, Buffer.from(rebirthCommand()));
    await until("the edge node is born", () => host.alive);
    const node = await HandNode.connect(gateway.url, "collar-1");
    await node.hello();
    await node.report([0]);
    await sees(host, "collar-1");
    const births = host.births;
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    await client.publishAsync(NCMD, Buffer.from(rebirthCommand()));
    await until("born again", () => host.births > births);
    await sees(host, "collar-1");
    await client.publishAsync("spBv1.0/farm/DCMD/barn/collar-1", Buffer.from(rebirthCommand()));
    await node.client.publishAsync("bellwether/collar-1/availability", '{"state":"offline"}');
    await until("collar-1 dies", () => !host.devices.has("collar-1"));
    expect(host.edge.get("Nodes")?.value).toBe(1);
    expect(client.connected).toBe(true);
    await node.close();
    await gateway.stop();
    await until("the edge node dies", () => !host.alive);
    expect(host.problems).toEqual([]);
  });

  it("waits for its primary host, whose word a later gateway hears too", async () => {
    const yaml = `broker: { port: 0 }\n${GROUP}, primary_host: scada }`;
    const gateway = await gatewayOn(folder, teacher, { yaml });
    const { host, client } = await connectHost(gateway.url, { protocolVersion });
    const say = (online: boolean) =>
      client.publishAsync(STATE, JSON.stringify({ online, timestamp: Date.now() }), {
        qos: 1,
        retain: true,
      });
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(host.kinds).toEqual([]);
    await say(true);
    await until("born", () => host.alive);
    const { bdSeq } = host;
    await say(false);
    await until("dead", () => !host.alive);
    await say(true);
    await until("born again", () => host.alive);
    expect(host.bdSeq).toBe((bdSeq ?? 0) + 1);
    await gateway.stop();
    expect(host.problems).toEqual([]);
  });
});

describe("what hosts may not on our own broker", () => {
  it.each(["spBv1.0/farm/NBIRTH/barn", "spBv1.0/farm/NCMD/other", "spBv1.0/STATE/other"])(
    "publish on %s",
    async (topic) => {
      const gateway = await gatewayOn(folder, teacher, { yaml: `broker: { port: 0 }\n${GROUP} }` });
      const { client } = await connectHost(gateway.url);
      client.publish(topic, "{}");
      await until("sent away", () => !client.connected);
      await gateway.stop();
    },
  );

  it("anything, where Sparkplug is off", async () => {
    const gateway = await gatewayOn(folder, teacher, {});
    const { client, host } = await connectHost(gateway.url);
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(host.kinds).toEqual([]);
    client.publish(NCMD, Buffer.from(rebirthCommand()));
    await until("sent away", () => !client.connected);
    await gateway.stop();
  });
});

describe.skipIf(MOSQUITTO === undefined)("on mosquitto", () => {
  it("is a client of its own, whose death the broker tells, with a number that rises", async () => {
    const port = await freePort();
    broker = await startMosquitto(folder, port);
    const url = `mqtt://127.0.0.1:${port}`;
    const line = await startLine(port);
    const { host, client } = await connectHost(url);
    const at = `url: "mqtt://127.0.0.1:${line.port}"`;
    const yaml = `broker: { url: "${url}" }\n${GROUP}, primary_host: scada, ${at} }`;
    await client.publishAsync(STATE, JSON.stringify({ online: true, timestamp: 1_000 }), {
      retain: true,
    });
    const first = await gatewayOn(folder, teacher, { yaml });
    await until("born", () => host.alive);
    expect(host.bdSeq).toBe(0);
    const node = await HandNode.connect(url, "collar-1");
    await node.hello();
    await node.report([0]);
    await sees(host, "collar-1");
    line.cut();
    await until("the broker tells its death", () => !host.alive);
    expect(host.devices.size).toBe(0);
    await until("born again", () => host.alive);
    expect(host.bdSeq).toBe(1);
    await sees(host, "collar-1");
    await client.publishAsync(STATE, JSON.stringify({ online: false, timestamp: 2_000 }), {
      retain: true,
    });
    await until("dies with its host", () => !host.alive);
    await client.publishAsync(STATE, JSON.stringify({ online: true, timestamp: 3_000 }), {
      retain: true,
    });
    await until("comes back with it", () => host.alive);
    const last = host.bdSeq ?? 0;
    expect(last).toBeGreaterThan(1);
    await first.stop();
    await until("says its death", () => !host.alive);
    const second = await gatewayOn(folder, teacher, { yaml });
    await until("born at a second start", () => host.alive);
    expect(host.bdSeq).toBe(last + 1);
    await second.stop();
    await node.close();
    line.close();
    expect(host.problems).toEqual([]);
  }, 30_000);
});

/** A line to a broker that can be cut. */
async function startLine(
  to: number,
): Promise<{ readonly port: number; readonly cut: () => void; readonly close: () => void }> {
  const port = await freePort();
  const sockets = new Set<Socket>();
  const server: Server = createServer((near) => {
    const far = connectTcp(to, "127.0.0.1");
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far).pipe(near);
  }).listen(port, "127.0.0.1");
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port,
    cut,
    close: () => {
      cut();
      server.close();
    },
  };
}
