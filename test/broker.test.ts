/** The embedded broker on real sockets: strangers, slow readers, floods, foreign clients. */

import { execFile, spawnSync } from "node:child_process";
import { createConnection, type Socket } from "node:net";
import { promisify } from "node:util";
import { connectAsync, type MqttClient } from "mqtt";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type BrokerOptions, startBroker } from "../gateway/broker/broker.ts";
import type { Link } from "../gateway/broker/link.ts";
import { EdgeError } from "../src/assert.ts";
import { below, prng } from "../src/prng.ts";
import { LIMITS } from "../src/wire/limits.ts";
import { base, until } from "./gateway-kit.ts";
import {
  connectPacket,
  goodPackets,
  publishPacket,
  subscribePacket,
  varint,
} from "./mqtt-bytes.ts";

const OPTIONS: BrokerOptions = {
  host: "127.0.0.1",
  port: 0,
  base,
  connectionsMax: 400,
  packetsPerSecond: 100_000,
  packetsBurst: 100_000,
};

let link: Link;
let received: { topic: string; payload: Uint8Array }[];
let lines: string[];

async function start(more: Partial<BrokerOptions> = {}): Promise<Link> {
  return startBroker(
    { ...OPTIONS, ...more },
    {
      onMessage: (topic, payload) => received.push({ topic, payload }),
      onConnection: () => undefined,
      log: (_level, message, fields = {}) => lines.push(`${message} ${JSON.stringify(fields)}`),
    },
  );
}

beforeEach(async () => {
  received = [];
  lines = [];
  link = await start();
});

afterEach(async () => {
  await link.close();
});

function portOf(url: string): number {
  return Number(new URL(url).port);
}

/** A plain socket; errors are what some tests are after. */
function raw(): Socket {
  const socket = createConnection(portOf(link.url), "127.0.0.1");
  socket.on("error", () => undefined);
  return socket;
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

async function client(version: 4 | 5 = 4, clientId?: string): Promise<MqttClient> {
  const id = clientId === undefined ? {} : { clientId };
  const made = await connectAsync(link.url, {
    protocolVersion: version,
    reconnectPeriod: 0,
    ...id,
  });
  made.on("error", () => undefined);
  return made;
}

describe("where it listens", () => {
  it("is the loopback and nothing else, unless somebody says that all may read along", async () => {
    for (const host of ["0.0.0.0", "192.168.1.5", "::"]) {
      const refused = await start({ host }).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(EdgeError);
      expect(refused).toMatchObject({ code: "broker-open" });
    }
    await link.close();
    link = await start({ host: "0.0.0.0", plain: "lan" });
  });

  it("says so when the port is taken", async () => {
    const refused = await start({ port: portOf(link.url) }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "broker-port" });
    expect((refused as EdgeError).message).toContain("in use");
  });
});

describe("strangers", () => {
  it("are closed when they do not say CONNECT in time", async () => {
    const silent = raw();
    const slow = raw();
    slow.write(connectPacket().subarray(0, 5));
    const startMs = performance.now();
    await Promise.all([closed(silent), closed(slow)]);
    expect(performance.now() - startMs).toBeGreaterThan(4_000);
    expect(performance.now() - startMs).toBeLessThan(7_000);
  }, 10_000);

  it("cannot make it keep what they announce", async () => {
    const announcers = Array.from({ length: 200 }, raw);
    const before = process.memoryUsage().rss;
    const all = announcers.map((socket) => {
      socket.write(Uint8Array.from([0x10, 0xff, 0xff, 0xff, 0x7f]));
      socket.write(new Uint8Array(65_536));
      return closed(socket);
    });
    const startMs = performance.now();
    await Promise.all(all);
    expect(performance.now() - startMs).toBeLessThan(3_000);
    // The senders' own buffers are in this process too.
    expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000);
  });

  it("that mutate packets close only their own connections: two senders, a third client unharmed", async () => {
    const honest = await client(4, "honest");
    const random = prng(99, "packets");
    const kinds = ([4, 5] as const).flatMap((version) =>
      Object.values(goodPackets(version)).map((bytes) => ({ version, bytes })),
    );
    const draw = (count: number): number => below(random, count);
    for (let round = 0; round < 150; round++) {
      const senders = [raw(), raw()];
      for (const sender of senders) {
        const { version } = kinds[draw(kinds.length)] as (typeof kinds)[number];
        sender.write(connectPacket(version, { id: `fuzz-${round}` }));
        for (let i = 0; i < 8; i++) {
          const bytes = Uint8Array.from(
            (kinds[draw(kinds.length)] as (typeof kinds)[number]).bytes,
          );
          for (let flips = draw(3); flips > 0; flips--) bytes[draw(bytes.length)] = draw(256);
          sender.write(bytes);
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
      for (const sender of senders) sender.destroy();
    }
    const startMs = performance.now();
    await honest.publishAsync(`${base}/node/honest/up/hello`, "x", { qos: 1 });
    expect(performance.now() - startMs).toBeLessThan(500);
    await until("the honest message", () => received.some(({ topic }) => topic.includes("honest")));
    await honest.endAsync();
  }, 30_000);

  it("cannot exceed the number of connections, and room comes back", async () => {
    await link.close();
    link = await start({ connectionsMax: 5 });
    const holders = await Promise.all(Array.from({ length: 5 }, () => client()));
    const sixth = raw();
    await closed(sixth);
    await holders[0]?.endAsync();
    const again = await client();
    await Promise.all([again, ...holders.slice(1)].map((one) => one.endAsync()));
  });
});

describe("readers and senders", () => {
  it("a reader that stands still does not stop the others", async () => {
    const frozen = raw();
    frozen.write(connectPacket(4, { id: "frozen" }));
    frozen.write(subscribePacket([`${base}/#`]));
    await new Promise((resolve) => frozen.once("data", resolve));
    frozen.pause();
    const reader = await client();
    let count = 0;
    let gapMs = 0;
    let lastMs = performance.now();
    reader.on("message", () => {
      count++;
      gapMs = Math.max(gapMs, performance.now() - lastMs);
      lastMs = performance.now();
    });
    await reader.subscribeAsync(`${base}/#`);
    lastMs = performance.now();
    const total = 6_000;
    const payload = "x".repeat(2_000);
    for (let i = 0; i < total; i++) {
      link.publish(`${base}/collar-1/event`, payload, { qos: 0, retain: false });
      if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await until("all messages", () => count === total, 15_000);
    expect(gapMs).toBeLessThan(3_000);
    frozen.destroy();
    await reader.endAsync();
  }, 25_000);

  it("a flood is slowed down by reading less, and nothing of it is lost", async () => {
    await link.close();
    link = await start({ packetsPerSecond: 200, packetsBurst: 100 });
    const flood = await client(4, "flood");
    const startMs = performance.now();
    const sent = Array.from({ length: 400 }, () =>
      flood.publishAsync(`${base}/node/flood/up/report`, Buffer.alloc(1_000), { qos: 1 }),
    );
    await Promise.all(sent);
    // 100 at once and 300 at 200 a second, save what one read of the socket brings with it.
    expect(performance.now() - startMs).toBeGreaterThan(1_000);
    await until("all", () => received.length === 400);
    await flood.endAsync();
  });

  it("takes a packet of the largest size and closes on one byte more", async () => {
    const topic = `${base}/node/big/up/offload`;
    const header = 1 + 3 + 2 + topic.length;
    const fits = await client(4, "big");
    const payload = Buffer.alloc(LIMITS.packetBytes - header - 2);
    await fits.publishAsync(topic, payload, { qos: 1 });
    await until("received", () => received.length === 1);
    const gone = new Promise<void>((resolve) => fits.once("close", () => resolve()));
    fits.publish(topic, Buffer.alloc(payload.length + 1), { qos: 1 });
    await gone;
  });

  it("keeps retained messages and newer ones apart for one who hears everything", async () => {
    const reader = await client();
    const seen: string[] = [];
    reader.on("message", (topic) => seen.push(topic));
    await reader.subscribeAsync([`${base}/#`, `${base}/+/availability`]);
    for (let i = 0; i < 50; i++) {
      link.publish(`${base}/n${i}/availability`, "{}", { qos: 1, retain: true });
      link.publish(`${base}/n${i}/event`, "{}", { qos: 1, retain: false });
      link.publish(`${base}/n${i}/event`, "{}", { qos: 0, retain: false });
    }
    await until("150 messages", () => seen.length >= 150);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(seen).toHaveLength(150);
    await reader.endAsync();
  });

  it("gives who numbers overlapping subscriptions a copy for each number", async () => {
    const reader = await client(5);
    const seen: unknown[] = [];
    reader.on("message", (_topic, _payload, { properties }) =>
      seen.push(properties?.subscriptionIdentifier),
    );
    for (const [filter, subscriptionIdentifier] of [
      [`${base}/+/event`, 7],
      [`${base}/n/event`, 1],
      [`${base}/n/+`, 1],
    ] as const) {
      await reader.subscribeAsync(filter, { qos: 0, properties: { subscriptionIdentifier } });
    }
    link.publish(`${base}/n/event`, "{}", { qos: 1, retain: false });
    await until("two copies", () => seen.length >= 2);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(seen).toHaveLength(2);
    expect(new Set(seen)).toEqual(new Set([1, 7]));
    await reader.endAsync();
  });

  it("bounds subscriptions at what a reader needs for a herd, and at few for a node", async () => {
    const reader = await client();
    const topics = Array.from({ length: 8_192 }, (_, i) => `${base}/n${i}/state`);
    for (let i = 0; i < topics.length; i += 512) {
      await reader.subscribeAsync(topics.slice(i, i + 512));
    }
    await expect(reader.subscribeAsync(`${base}/one-more/state`)).rejects.toThrow();
    await reader.subscribeAsync(`${base}/n7/state`);
    await reader.unsubscribeAsync(`${base}/n7/state`);
    await reader.subscribeAsync(`${base}/one-more/state`);
    await reader.endAsync();
    const node = await client(5, "collar-1");
    const own = ["ack", "verdict"].map((kind) => `${base}/node/collar-1/down/${kind}`);
    await node.subscribeAsync(own);
    for (let i = 0; i < 18; i++) await node.subscribeAsync(`${base}/n${i}/state`).catch(() => {});
    await node.publishAsync(`${base}/node/collar-1/up/hello`, "x");
    await until("too many", async () => {
      await node.subscribeAsync(`${base}/node/collar-1/down/offer`).catch(() => {});
      return lines.some((line) => line.includes("too many subscriptions"));
    });
    await node.endAsync();
  });

  it("forgets a session that asks to be kept: no queue grows for who is away", async () => {
    const away = await connectAsync(link.url, {
      clientId: "away",
      clean: false,
      reconnectPeriod: 0,
    });
    await away.subscribeAsync(`${base}/#`, { qos: 1 });
    await away.endAsync();
    for (let i = 0; i < 100; i++) {
      link.publish(`${base}/n/event`, "{}", { qos: 1, retain: false });
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    const back = await connectAsync(link.url, {
      clientId: "away",
      clean: false,
      reconnectPeriod: 0,
    });
    let count = 0;
    back.on("message", () => {
      count++;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(count).toBe(0);
    await back.endAsync();
  });
});

const hasMosquitto = spawnSync("mosquitto_sub", ["--help"]).error === undefined;
if (!hasMosquitto) {
  console.info("mosquitto_sub is not installed (Debian: mosquitto-clients): its tests are skipped");
}

describe.skipIf(!hasMosquitto)("mosquitto_sub, a client that is not ours", () => {
  const run = promisify(execFile);

  it.each(["mqttv31", "mqttv311", "mqttv5"])(
    "reads retained and live messages by %s",
    async (version) => {
      const port = String(portOf(link.url));
      link.publish(`${base}/collar-1/behaviour`, '{"behaviour":"grazing"}', {
        qos: 1,
        retain: true,
      });
      const args = [
        "-p",
        port,
        "-V",
        version,
        "-t",
        `${base}/+/behaviour`,
        "-C",
        "2",
        "-W",
        "8",
        "-v",
      ];
      const reading = run("mosquitto_sub", [...args, "-q", "1", "-i", "reader"]);
      await new Promise((resolve) => setTimeout(resolve, 500));
      link.publish(`${base}/collar-2/behaviour`, '{"behaviour":"walking"}', {
        qos: 1,
        retain: true,
      });
      const { stdout } = await reading;
      expect(stdout.trim().split("\n").sort()).toEqual([
        `${base}/collar-1/behaviour {"behaviour":"grazing"}`,
        `${base}/collar-2/behaviour {"behaviour":"walking"}`,
      ]);
    },
  );
});

describe("the bytes of these tests", () => {
  it("are counted as MQTT counts them", () => {
    expect(varint(127)).toEqual([127]);
    expect(varint(128)).toEqual([128, 1]);
    expect([...publishPacket("a", [9])]).toEqual([0x30, 4, 0, 1, 97, 9]);
  });
});
