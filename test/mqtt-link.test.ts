import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { Link } from "../device-sim/link.ts";
import { mqttLinks } from "../device-sim/mqtt-link.ts";
import { startBroker } from "../gateway/broker/broker.ts";
import { prng } from "../src/prng.ts";
import type { DownKind } from "../src/wire/messages.ts";
import { DEFAULT_BASE, downTopic, nodeId } from "../src/wire/topics.ts";

const NODE = nodeId("collar-01");
const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

type Heard = { readonly topic: string; readonly text: string };

async function broker(port = 0) {
  const heard: Heard[] = [];
  const link = await startBroker(
    {
      host: "127.0.0.1",
      port,
      base: DEFAULT_BASE,
      connectionsMax: 100,
      packetsPerSecond: 1000,
      packetsBurst: 1000,
    },
    {
      onMessage: (topic: string, payload: Uint8Array) => {
        heard.push({ topic, text: Buffer.from(payload).toString("latin1") });
      },
      onConnection: () => {},
      log: () => {},
    },
  );
  open.push(link);
  return { link, heard, port: Number(new URL(link.url).port) };
}

function connectNode(url: string) {
  const seen: string[] = [];
  const frames: { topic: DownKind; frame: Uint8Array }[] = [];
  const openLink = mqttLinks({
    url,
    base: DEFAULT_BASE,
    random: prng(1),
    retryMs: 50,
    retryMsMax: 200,
  });
  const link: Link = openLink(NODE, {
    connected: () => seen.push("connected"),
    disconnected: () => seen.push("disconnected"),
    unreachable: (reason) => seen.push(`unreachable: ${reason}`),
    message: (topic, frame) => frames.push({ topic, frame }),
  });
  open.push(link);
  return { link, seen, frames };
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !condition(); i++) await new Promise((go) => setTimeout(go, 10));
  expect(condition()).toBe(true);
}

/** A peer that answers every connection with these bytes and holds it open. */
async function stubborn(answer: Uint8Array) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("data", () => socket.write(answer));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  open.push({
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return { port, connections: () => sockets.size };
}

describe("a link over MQTT", () => {
  it("goes on trying where it is refused, or answered with nonsense", async () => {
    const notAuthorised = Uint8Array.of(0x20, 2, 0, 5);
    const nonsense = new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n");
    for (const answer of [notAuthorised, nonsense]) {
      const peer = await stubborn(answer);
      const { link, seen } = connectNode(`mqtt://127.0.0.1:${peer.port}`);
      await until(() => peer.connections() >= 3);
      expect(seen.every((line) => line.startsWith("unreachable: "))).toBe(true);
      await link.close();
    }
  });

  it("carries frames both ways and says farewell", async () => {
    const { link: gateway, heard, port } = await broker();
    const { link, seen, frames } = connectNode(`mqtt://127.0.0.1:${port}`);
    await until(() => seen.includes("connected"));
    link.publish("hello", Uint8Array.of(1, 2, 0, 255));
    await until(() => heard.length > 0);
    expect(heard[0]).toEqual({
      topic: "bellwether/node/collar-01/up/hello",
      text: "\u0001\u0002\u0000\u00ff",
    });
    gateway.publish(downTopic(DEFAULT_BASE, NODE, "ack"), Buffer.from([9, 8]), {
      qos: 1,
      retain: false,
    });
    await until(() => frames.length > 0);
    expect(frames[0]?.topic).toBe("ack");
    expect([...(frames[0]?.frame ?? [])]).toEqual([9, 8]);
    await link.close();
    await until(() => heard.some(({ text }) => text.includes("offline")));
    expect(heard.slice(1)).toEqual([
      { topic: "bellwether/collar-01/availability", text: '{"state":"offline"}' },
    ]);
    expect(seen).toEqual(["connected"]);
  });

  it("tries again until there is a broker, and after it was lost", async () => {
    const first = await broker();
    await first.link.close();
    const { link, seen } = connectNode(`mqtt://127.0.0.1:${first.port}`);
    await until(() => seen.length >= 2);
    expect(seen[0]).toBe("unreachable: nobody listens there (connection refused)");
    // Without a connection nothing is kept for later: that is the outbox's business.
    link.publish("report", Uint8Array.of(1));
    const second = await broker(first.port);
    await until(() => seen.includes("connected"));
    await second.link.close();
    await until(() => seen.includes("disconnected"));
    const third = await broker(first.port);
    await until(() => seen.filter((line) => line === "connected").length === 2);
    expect(third.heard).toEqual([]);
  });
});
