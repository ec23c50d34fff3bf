/** The ways in from outside: TLS, certificates of clients, and what comes before a CONNECT. */

import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import path from "node:path";
import { connect as connectTls } from "node:tls";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { openAuthority, tlsFiles } from "../gateway/access/certificate-files.ts";
import { downFilter, nodeId, upTopic } from "../src/wire/topics.ts";
import {
  type AccessBroker,
  bellwether,
  Clients,
  portOfScheme,
  run,
  secureBroker,
  subscribeTo,
  tryConnect,
} from "./access-kit.ts";
import { base, removeFolder, temporaryFolder, until } from "./gateway-kit.ts";
import { connectPacket, publishPacket } from "./mqtt-bytes.ts";

const COLLAR = nodeId("collar-1");
let folder: string;
let broker: AccessBroker;
const clients = new Clients();

const hasMosquitto = spawnSync("mosquitto_sub", ["--help"]).error === undefined;
if (!hasMosquitto) {
  console.info("mosquitto_sub is not installed (Debian: mosquitto-clients): its tests are skipped");
}

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

async function passwordOf(name: string): Promise<string> {
  return String((await cli("users", "add", name)).password);
}

function overTls(): Socket {
  const socket = connectTls({ port: portOf("mqtts"), host: "127.0.0.1", ca: ca() });
  socket.on("error", () => undefined);
  return socket;
}

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => socket.once("close", () => resolve()));

describe.skipIf(!hasMosquitto)("mosquitto's clients over TLS", () => {
  const tls = (): string[] => [
    ...["-h", "localhost", "-p", String(portOf("mqtts"))],
    ...["--cafile", tlsFiles(folder).ca],
  ];

  it("read by user and password, in 3.1.1 and 5", async () => {
    const password = await passwordOf("anna");
    broker.publish(`${base}/collar-1/behaviour`, '{"behaviour":"grazing"}', {
      qos: 1,
      retain: true,
    });
    for (const version of ["mqttv311", "mqttv5"]) {
      const read = await run("mosquitto_sub", [
        ...tls(),
        ...["-V", version, "-u", "anna", "-P", password, "-C", "1", "-W", "5", "-v"],
        ...["-t", `${base}/#`],
      ]);
      expect(read.out).toBe(`${base}/collar-1/behaviour {"behaviour":"grazing"}\n`);
    }
    const wrong = await run("mosquitto_sub", [
      ...tls(),
      ...["-u", "anna", "-P", "wrong", "-t", "#", "-W", "5"],
    ]);
    expect(wrong.err).toMatch(/bad user name or password|not authorised/i);
    const nobody = await run("mosquitto_sub", [...tls(), "-t", "#", "-W", "5"]);
    expect(nobody.err).toMatch(/not authorised/i);
  }, 20_000);

  it("join by a code as any device does, and then write their own topics only", async () => {
    const { code } = await cli("nodes", "add");
    const joined = await run("mosquitto_rr", [
      ...[...tls(), "-i", COLLAR, "-u", "join", "-P", String(code), "-W", "10"],
      ...["-t", `${base}/join/${COLLAR}/request`, "-e", `${base}/join/${COLLAR}/response`],
      ...["-m", '{"v":1}'],
    ]);
    const answer = JSON.parse(joined.out) as Record<string, string>;
    expect(answer).toMatchObject({ status: "ok", node: COLLAR });
    const publish = (topic: string, ...more: readonly string[]) =>
      run("mosquitto_pub", [
        ...[...tls(), "-i", COLLAR, "-u", COLLAR, "-P", answer.password ?? "", "-q", "1"],
        ...["-t", topic, "-m", "mine", ...more],
      ]);
    expect((await publish(upTopic(base, COLLAR, "report"))).code).toBe(0);
    await publish(upTopic(base, nodeId("collar-2"), "report"));
    await publish(`${base}/${COLLAR}/behaviour`, "-r");
    await publish(`${base}/bridge/state`, "-r");
    await until("its own", () => broker.received.length > 0);
    expect(broker.received).toEqual([{ topic: upTopic(base, COLLAR, "report"), text: "mine" }]);
    const read = await run("mosquitto_sub", [
      ...[...tls(), "-i", COLLAR, "-u", COLLAR, "-P", answer.password ?? ""],
      ...["-t", "#", "-t", "$SYS/#", "-W", "2", "-v"],
    ]);
    expect(read.out).toBe("");
    expect(read.err).toMatch(/all subscription requests were denied|not authorised|timed out/i);
  }, 30_000);

  it("do not believe a gateway whose authority they do not know", async () => {
    const stranger = tlsFiles(path.join(folder, "stranger"));
    openAuthority(stranger, "stranger", Date.now());
    const read = await run("mosquitto_sub", [
      ...["-h", "localhost", "-p", String(portOf("mqtts")), "--cafile", stranger.ca],
      ...["-t", "#", "-W", "3"],
    ]);
    expect(read.code).not.toBe(0);
    expect(read.err).toMatch(/certificate verify failed|TLS error|A TLS/i);
  });

  it("are a node by its certificate: its own topics, no other's, until it is revoked", async () => {
    const first = await cli("certs", "client", COLLAR, "--out", path.join(folder, "first"));
    const publish = (files: Record<string, unknown>, topic: string, ...more: readonly string[]) =>
      run("mosquitto_pub", [
        ...tls(),
        ...["--cert", String(files.certificate), "--key", String(files.key)],
        ...["-i", COLLAR, "-q", "1", "-m", "by certificate", "-t", topic, ...more],
      ]);
    expect((await publish(first, upTopic(base, COLLAR, "report"))).code).toBe(0);
    await until("received", () => broker.received.length === 1);
    await publish(first, upTopic(base, nodeId("collar-2"), "report"), "-W", "2");
    const asOther = await publish(first, upTopic(base, COLLAR, "report"), "-u", "collar-2");
    expect(asOther.code).not.toBe(0);
    // A newer certificate of the same name: the older does not count any more.
    const second = await cli("certs", "client", COLLAR, "--out", path.join(folder, "second"));
    expect((await publish(first, upTopic(base, COLLAR, "report"))).code).not.toBe(0);
    expect((await publish(second, upTopic(base, COLLAR, "report"))).code).toBe(0);
    await cli("nodes", "revoke", COLLAR);
    expect((await publish(second, upTopic(base, COLLAR, "report"))).code).not.toBe(0);
    expect(broker.received.map(({ topic }) => topic)).toEqual(
      Array(2).fill(upTopic(base, COLLAR, "report")),
    );
  }, 30_000);
});

describe("certificates of clients", () => {
  it("of another authority are none, and none is not enough where one is required", async () => {
    const strangers = path.join(folder, "strangers");
    await run("mkdir", [strangers]);
    const other = openAuthority(tlsFiles(strangers), "strangers", Date.now());
    expect(other.certificate.ca).toBe(true);
    const own = await cli("certs", "client", COLLAR, "--out", folder);
    const foreign = await bellwether(
      ...["certs", "client", COLLAR, "--out", strangers, "--data-dir", strangers],
    );
    const by = (files: Record<string, unknown>) => ({
      clientId: COLLAR,
      ca: ca(),
      cert: readFileSync(String(files.certificate)),
      key: readFileSync(String(files.key)),
    });
    const url = (): string => `mqtts://127.0.0.1:${portOf("mqtts")}`;
    await connected(url(), by(own));
    await expect(tryConnect(url(), by(foreign))).rejects.toThrow("refused 5");
    await broker.close();
    broker = await secureBroker(folder, "required");
    await connected(url(), by(own));
    await expect(tryConnect(url(), by(foreign))).rejects.toThrow();
    await expect(
      tryConnect(url(), { ca: ca(), username: "operator", password: "x" }),
    ).rejects.toThrow(/alert|closed|certificate required|ECONNRESET/i);
  }, 20_000);

  it("that somebody else has signed count by their fingerprint", async () => {
    const own = await cli("certs", "client", "collar-3", "--out", folder);
    await cli("nodes", "revoke", "collar-3");
    const taken = await cli("nodes", "add", "collar-3", "--certificate", String(own.certificate));
    expect(taken.fingerprint).toBe(own.fingerprint);
    const misnamed = cli("nodes", "add", "collar-4", "--certificate", String(own.certificate));
    await expect(misnamed).rejects.toThrow("its common name");
    const node = await connected(`mqtts://127.0.0.1:${portOf("mqtts")}`, {
      clientId: "collar-3",
      ca: ca(),
      cert: readFileSync(String(own.certificate)),
      key: readFileSync(String(own.key)),
    });
    expect(await subscribeTo(node, downFilter(base, nodeId("collar-3")))).toBe(1);
    expect(await subscribeTo(node, "#")).toBe(128);
  });
});

describe("the gateway's certificate", () => {
  it("is read again on every listener while it runs, and connections from before go on", async () => {
    const url = `mqtts://127.0.0.1:${portOf("mqtts")}`;
    const as = { username: "operator", password: broker.operatorToken ?? "", ca: ca() };
    const before = await connected(url, as);
    const shown = async (scheme: string): Promise<string> => {
      const socket = connectTls({ port: portOf(scheme), host: "127.0.0.1", ca: ca() });
      await new Promise((resolve) => socket.once("secureConnect", resolve));
      const { fingerprint256 } = socket.getPeerCertificate();
      socket.destroy();
      return fingerprint256;
    };
    const old = await shown("mqtts");
    expect(await shown("wss")).toBe(old);
    await cli("certs", "make", "--names", "127.0.0.1");
    for (const scheme of ["mqtts", "wss"]) {
      const isOther = async (): Promise<boolean> => (await shown(scheme)) !== old;
      await until(`another certificate on ${scheme}`, isOther, 8_000);
    }
    expect(before.connected).toBe(true);
    await connected(url, as);
  }, 20_000);
});

describe("before a CONNECT", () => {
  const early = Uint8Array.from(publishPacket("a/b"));
  const announced = Uint8Array.from([0x10, 0xff, 0xff, 0xff, 0x7f, ...new Uint8Array(60_000)]);
  const large = connectPacket(4, {
    id: "x",
    flags: 0x82,
    after: [0x20, 0, ...new Uint8Array(8_192)],
  });

  it.each([
    ["a packet that is none", early],
    ["a length of 256 MB", announced],
    ["a CONNECT of 8 KiB", large],
    ["a ClientHello under TLS", Uint8Array.from([0x16, 3, 1, 0, 0xa5])],
  ])("%s ends a connection over TLS and over WebSocket", async (_, bytes) => {
    const tls = overTls();
    tls.write(bytes);
    const web = webSocket();
    web.on("open", () => web.send(bytes));
    await Promise.all([closed(tls), new Promise((resolve) => web.once("close", resolve))]);
    const told = broker.lines.filter((line) => line.startsWith("connection closed by guard"));
    expect(told).toHaveLength(2);
  });

  it("silence ends it within seconds, on every listener and in every state", async () => {
    const startMs = performance.now();
    const plainPorts = ["mqtt", "mqtts", "wss"].map((scheme) => {
      const socket = createConnection(portOf(scheme), "127.0.0.1");
      socket.on("error", () => undefined);
      return closed(socket);
    });
    const halfRequest = connectTls({ port: portOf("wss"), host: "127.0.0.1", ca: ca() });
    halfRequest.on("error", () => undefined);
    halfRequest.resume();
    halfRequest.write("GET /mqtt HTTP/1.1\r\nhost: localhost\r\n");
    const opened = webSocket();
    await Promise.all([
      ...plainPorts,
      closed(overTls()),
      closed(halfRequest),
      new Promise((resolve) => opened.once("close", resolve)),
    ]);
    expect(performance.now() - startMs).toBeLessThan(9_000);
  }, 15_000);

  it("silence from one place does not keep others out, nor that place for long", async () => {
    const from = (localAddress: string): Socket => {
      const socket = createConnection({ port: broker.port, host: "127.0.0.1", localAddress });
      socket.on("error", () => undefined);
      return socket;
    };
    const silent = Array.from({ length: 200 }, () => from("127.0.0.1"));
    let dropped = 0;
    for (const socket of silent) socket.on("close", () => dropped++);
    await until("some are sent away", () => dropped === 72);
    const other = from("127.0.0.2");
    other.write(connectPacket(4, { id: "x" }));
    const [answer] = (await once(other, "data")) as [Buffer];
    // Refused for want of credentials: it was looked at.
    expect([...answer]).toEqual([0x20, 2, 0, 5]);
    for (const socket of silent) socket.destroy();
    await new Promise((resolve) => setTimeout(resolve, 200));
    const again = from("127.0.0.1");
    again.write(connectPacket(4, { id: "x" }));
    await once(again, "data");
  });

  it("a message larger than any of ours is not kept", async () => {
    const web = webSocket();
    await new Promise((resolve) => web.once("open", resolve));
    const startMs = performance.now();
    web.send(new Uint8Array(65_537));
    await new Promise((resolve) => web.once("close", resolve));
    expect(performance.now() - startMs).toBeLessThan(2_000);
  });

  it("text is no MQTT", async () => {
    const web = webSocket();
    await new Promise((resolve) => web.once("open", resolve));
    web.send("MQTT");
    await new Promise((resolve) => web.once("close", resolve));
  });
});

function webSocket(): WebSocket {
  const socket = new WebSocket(`wss://127.0.0.1:${portOf("wss")}/mqtt`, "mqtt", { ca: ca() });
  socket.on("error", () => undefined);
  return socket;
}
