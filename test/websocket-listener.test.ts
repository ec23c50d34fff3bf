/** MQTT over WebSocket: the same rights, and which pages may connect. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { joinGateway } from "../device-sim/mqtt-join.ts";
import { tlsFiles } from "../gateway/access/certificate-files.ts";
import { pageOrigins } from "../gateway/broker/open-listeners.ts";
import { isOurs } from "../gateway/broker/websocket-listener.ts";
import { downFilter, nodeId, nodeTopic, upTopic } from "../src/wire/topics.ts";
import {
  type AccessBroker,
  accessBroker,
  bellwether,
  Clients,
  ended,
  portOfScheme,
  secureBroker,
  subscribeTo,
  tryConnect,
} from "./access-kit.ts";
import { base, removeFolder, temporaryFolder, until } from "./gateway-kit.ts";

const COLLAR = nodeId("collar-1");
let folder: string;
let broker: AccessBroker;
const clients = new Clients();

beforeEach(async () => {
  folder = temporaryFolder();
  broker = await secureBroker(folder);
});

afterEach(async () => {
  await clients.end();
  await broker.close();
  removeFolder(folder);
});

const portOf = (scheme: string): number => portOfScheme(broker, scheme);
const ca = (): Buffer => readFileSync(tlsFiles(folder).ca);
const cli = (...words: readonly string[]) => bellwether(...words, "--data-dir", folder);
const connected = (...args: Parameters<typeof tryConnect>) => clients.connect(...args);

function webSocket(
  options: { readonly origin?: string; readonly headers?: Record<string, string> } = {},
  pathName = "/mqtt",
  protocols: string | string[] = "mqtt",
): WebSocket {
  const socket = new WebSocket(`wss://127.0.0.1:${portOf("wss")}${pathName}`, protocols, {
    ca: ca(),
    ...options,
  });
  socket.on("error", () => undefined);
  return socket;
}

function opens(socket: WebSocket): Promise<boolean> {
  return new Promise((resolve) => {
    socket.once("open", () => {
      resolve(true);
      socket.terminate();
    });
    socket.once("close", () => resolve(false));
  });
}

describe("MQTT over WebSocket", () => {
  it("serves mqtt.js with the same rights, from joining to revocation", async () => {
    const url = `wss://127.0.0.1:${portOf("wss")}/mqtt`;
    const code = String((await cli("nodes", "add", COLLAR)).code);
    const { password } = await joinGateway({ url, base, ca: ca(), code }, COLLAR);
    const node = await connected(url, { clientId: COLLAR, username: COLLAR, password, ca: ca() });
    expect(await subscribeTo(node, downFilter(base, COLLAR))).toBe(1);
    expect(await subscribeTo(node, `${base}/#`)).toBe(128);
    const payload = Buffer.alloc(60_000, 7);
    await node.publishAsync(upTopic(base, COLLAR, "offload"), payload, { qos: 1 });
    await until("received", () => broker.received.some(({ text }) => text.length === 60_000));
    const hash = createHash("sha256").update(payload.toString()).digest("hex");
    const got = createHash("sha256")
      .update(broker.received.at(-1)?.text ?? "")
      .digest("hex");
    expect(got).toBe(hash);
    const gone = ended(node);
    await cli("nodes", "revoke", COLLAR);
    await gone;
    const nobody = tryConnect(url, { ca: ca(), clientId: COLLAR });
    await expect(nobody).rejects.toThrow("refused 5");
    const will = {
      topic: nodeTopic(base, nodeId("collar-2"), "availability"),
      payload: Buffer.alloc(1),
    };
    const willing = tryConnect(url, {
      ca: ca(),
      username: "operator",
      password: broker.operatorToken ?? "",
      will,
    });
    await expect(willing).rejects.toThrow("refused 5");
  }, 20_000);

  it("is for our pages, programs, and nobody else's pages", async () => {
    const allowed = [
      undefined,
      "https://farm.example",
      "http://localhost:8080",
      "https://127.0.0.1",
    ];
    for (const origin of allowed) {
      const socket = webSocket(origin === undefined ? {} : { origin });
      expect(await opens(socket), String(origin)).toBe(true);
    }
    for (const origin of [
      "https://evil.example",
      "https://farm.example.evil.example",
      "http://farm.example",
      "https://farm.example:444",
      "http://localhost.evil.example",
      "http://127.0.0.1.evil.example",
      "null",
      "file://",
      "",
    ]) {
      expect(await opens(webSocket({ headers: { origin } })), origin).toBe(false);
    }
    expect(await opens(webSocket({}, "/admin"))).toBe(false);
    expect(await opens(webSocket({}, "/mqtt", []))).toBe(false);
    expect(await opens(webSocket({}, "/mqtt", "chat"))).toBe(false);
  });

  it("knows its own address, and no name that could be pointed at it", () => {
    expect(isOurs("https://192.168.1.5:8443", "192.168.1.5:9001", [])).toBe(true);
    expect(isOurs("https://[2001:db8::5]", "[2001:db8::5]:9001", [])).toBe(true);
    expect(isOurs("https://192.168.1.6", "192.168.1.5:9001", [])).toBe(false);
    // DNS rebinding: the browser says the same name twice, and it is the attacker's.
    expect(isOurs("http://evil.example:9001", "evil.example:9001", [])).toBe(false);
    expect(isOurs("https://192.168.1.5", undefined, [])).toBe(false);
  });

  it("takes nobody for a neighbour who comes through a proxy", async () => {
    await broker.close();
    broker = await accessBroker(folder, {
      loopback: "anonymous",
      websocket: { host: "127.0.0.1", port: 0, origins: [], certificates: undefined },
    });
    const url = `ws://127.0.0.1:${portOf("ws")}`;
    await connected(url, { clientId: "neighbour" });
    const forwarded = tryConnect(url, {
      clientId: "stranger",
      wsOptions: { headers: { "x-forwarded-for": "203.0.113.9" } },
    });
    await expect(forwarded).rejects.toThrow("refused 5");
  });

  it("does not leave the loopback without TLS, and the word for it is a warning", async () => {
    const open = (plain: "loopback" | "lan") =>
      accessBroker(folder, {
        plain,
        websocket: { host: "0.0.0.0", port: 0, origins: [], certificates: undefined },
      });
    await expect(open("loopback")).rejects.toMatchObject({ code: "broker-open" });
    const lan = await open("lan");
    expect(lan.lines.join()).toContain("shows passwords and movements");
    await lan.close();
  });
});

it("the gateway's own page may connect by the names that people call it", () => {
  const origins = (http: { enabled: boolean; port: number; names: string[] }) =>
    pageOrigins({ http: { host: "0.0.0.0", ...http } });
  const names = ["farm.local", "gw"];
  expect(origins({ enabled: true, port: 8811, names })).toEqual([
    "https://farm.local:8811",
    "https://gw:8811",
  ]);
  expect(origins({ enabled: true, port: 443, names: ["gw"] })).toEqual(["https://gw"]);
  expect(origins({ enabled: false, port: 8811, names })).toEqual([]);
});
