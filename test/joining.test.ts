/** From a join code to a node with rights of its own, and to the end of them, over real MQTT. */

import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { createServer as createTlsServer } from "node:tls";
import type { MqttClient } from "mqtt";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { joinGateway } from "../device-sim/mqtt-join.ts";
import { issueServer, makeAuthority } from "../gateway/access/certificates.ts";
import { joinTopic } from "../src/wire/join.ts";
import { downFilter, nodeId, nodeTopic, upTopic } from "../src/wire/topics.ts";
import {
  type AccessBroker,
  accessBroker,
  bellwether,
  Clients,
  ended,
  subscribeTo,
  tryConnect,
} from "./access-kit.ts";
import { base, removeFolder, temporaryFolder, until } from "./gateway-kit.ts";
import { sampleContainer } from "./node-world.ts";

const COLLAR = nodeId("collar-1");
const OTHER = nodeId("collar-2");
let folder: string;
let broker: AccessBroker;
const clients = new Clients();

beforeEach(async () => {
  folder = temporaryFolder();
  broker = await accessBroker(folder);
});

afterEach(async () => {
  await clients.end();
  await broker.close();
  removeFolder(folder);
});

const cli = (...words: readonly string[]) => bellwether(...words, "--data-dir", folder);
const connected = (options: Parameters<typeof tryConnect>[1]) =>
  clients.connect(broker.url, options);

async function codeFor(...words: readonly string[]): Promise<string> {
  return String((await cli("nodes", "add", ...words)).code);
}

async function joined(node = COLLAR): Promise<{ username: string; password: string }> {
  const code = await codeFor(node);
  const { password } = await joinGateway({ url: broker.url, base, code }, node);
  return { username: node, password };
}

async function asNode(node = COLLAR): Promise<MqttClient> {
  return connected({ clientId: node, ...(await joined(node)) });
}

describe("a join code", () => {
  it("gives a node credentials of its own, and is used up", async () => {
    const code = await codeFor("collar-1");
    expect(code).toMatch(/^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$/);
    const typed = code.toLowerCase().replace("-", " ");
    const answer = await joinGateway({ url: broker.url, base, code: typed }, COLLAR);
    expect(answer).toMatchObject({ node: "collar-1", status: "ok", key: null });
    expect(answer.password).toHaveLength(32);
    const node = await connected({
      clientId: COLLAR,
      username: COLLAR,
      password: answer.password,
    });
    expect(await subscribeTo(node, downFilter(base, COLLAR))).toBe(1);
    await node.publishAsync(upTopic(base, COLLAR, "hello"), "x", { qos: 1 });
    await until("the hello", () => broker.received.some(({ text }) => text === "x"));
    const again = joinGateway({ url: broker.url, base, code }, COLLAR);
    await expect(again).rejects.toMatchObject({ code: "join-refused" });
    // No secret is kept, and what is kept of them is for nobody else.
    const kept = readFileSync(path.join(folder, "access.db"), "latin1");
    for (const secret of [answer.password, code.replace("-", ""), broker.operatorToken ?? "?"]) {
      expect(kept).not.toContain(secret);
    }
    expect(statSync(path.join(folder, "access.db")).mode & 0o077).toBe(0);
    expect(broker.lines.join()).not.toContain(answer.password);
  });

  it("can be asked again where the answer was lost, until the node has used its credentials", async () => {
    const code = await codeFor();
    const lost = await joinGateway({ url: broker.url, base, code }, COLLAR);
    const answer = await joinGateway({ url: broker.url, base, code }, COLLAR);
    expect(answer.password).not.toBe(lost.password);
    const stolen = joinGateway({ url: broker.url, base, code }, OTHER);
    await expect(stolen).rejects.toMatchObject({ code: "join-refused" });
    const old = tryConnect(broker.url, {
      clientId: COLLAR,
      username: COLLAR,
      password: lost.password,
    });
    await expect(old).rejects.toThrow("refused 4");
  });

  it("for many names lets so many nodes in, and none under a name that is taken", async () => {
    const code = await codeFor("--uses", "2");
    await joined();
    const taken = joinGateway({ url: broker.url, base, code }, COLLAR);
    await expect(taken).rejects.toThrow("name-taken");
    await joinGateway({ url: broker.url, base, code }, OTHER);
    await joinGateway({ url: broker.url, base, code }, nodeId("collar-3"));
    const fourth = joinGateway({ url: broker.url, base, code }, nodeId("collar-4"));
    await expect(fourth).rejects.toThrow("code-used");
    const listed = await cli("nodes", "list");
    expect(listed.nodes).toMatchObject([
      { node: "collar-1" },
      { node: "collar-2" },
      { node: "collar-3" },
    ]);
  });

  it("is good for joining and nothing else", async () => {
    const code = await codeFor();
    const as = { clientId: COLLAR, username: "join", password: code };
    for (const filter of [
      "#",
      `${base}/#`,
      downFilter(base, COLLAR),
      joinTopic(base, OTHER, "response"),
    ]) {
      expect(await subscribeTo(await connected(as), filter), filter).toBe(128);
    }
    for (const topic of [upTopic(base, COLLAR, "hello"), joinTopic(base, OTHER, "request")]) {
      const client = await connected(as);
      client.publish(topic, "forbidden", { qos: 1 });
      await ended(client);
    }
    expect(broker.received).toEqual([]);
    const willing = tryConnect(broker.url, {
      ...as,
      will: { topic: nodeTopic(base, COLLAR, "availability"), payload: Buffer.from("x") },
    });
    await expect(willing).rejects.toThrow("refused 5");
  });

  it("cannot be guessed: five wrong tries, and the right one is not looked at either", async () => {
    const code = await codeFor();
    for (let i = 0; i < 5; i++) {
      const wrong = tryConnect(broker.url, {
        clientId: COLLAR,
        username: "join",
        password: `0000-000${i}`,
      });
      await expect(wrong).rejects.toThrow("refused 4");
    }
    const right = tryConnect(broker.url, { clientId: COLLAR, username: "join", password: code });
    await expect(right).rejects.toThrow("refused 5");
    expect(broker.lines.join()).toContain("too many wrong join codes");
  });

  it("that was closed opens nothing", async () => {
    const { code, label } = await cli("nodes", "add");
    await cli("nodes", "revoke", String(label));
    const closed = joinGateway({ url: broker.url, base, code: String(code) }, COLLAR);
    await expect(closed).rejects.toMatchObject({ code: "join-refused" });
  });
});

describe("a node", () => {
  it("writes its own subtree and nothing else, retained or not", async () => {
    const allowed = await asNode();
    await allowed.publishAsync(upTopic(base, COLLAR, "report"), "mine", { qos: 1 });
    await allowed.publishAsync(nodeTopic(base, COLLAR, "availability"), '{"state":"online"}', {
      qos: 1,
      retain: true,
    });
    await until("both", () => broker.received.length === 2);
    const { password } = await cli("nodes", "rotate", COLLAR);
    const as = { clientId: COLLAR, username: COLLAR, password: String(password) };
    await ended(allowed);
    for (const [topic, retain] of [
      [upTopic(base, OTHER, "report"), false],
      [upTopic(base, COLLAR, "report"), true],
      [nodeTopic(base, OTHER, "availability"), true],
      [nodeTopic(base, COLLAR, "behaviour"), true],
      [`${base}/bridge/state`, true],
      [`${base}/bridge/request/nodes/add`, false],
      ["homeassistant/device/x/config", true],
      ["$SYS/broker", false],
    ] as const) {
      const client = await connected(as);
      client.publish(topic, "forbidden", { qos: 1, retain });
      await ended(client);
    }
    expect(broker.received.filter(({ text }) => text === "forbidden")).toEqual([]);
  });

  it("hears its own subtree and no wildcard beyond it", async () => {
    const node = await asNode();
    for (const filter of [
      "#",
      "+/#",
      `${base}/#`,
      `${base}/+/behaviour`,
      `${base}/node/#`,
      `${base}/node/+/down/+`,
      `${base}/node/${OTHER}/down/+`,
      `${base}/node/${COLLAR}/up/+`,
      `${base}/join/#`,
      "$SYS/#",
      `$share/g/${base}/#`,
    ]) {
      expect(await subscribeTo(node, filter), filter).toBe(128);
    }
    expect(await subscribeTo(node, downFilter(base, COLLAR))).toBe(1);
    const seen: string[] = [];
    node.on("message", (topic) => seen.push(topic));
    broker.publish(`${base}/node/${OTHER}/down/verdict`, "x", { qos: 0, retain: false });
    broker.publish(`${base}/node/${COLLAR}/down/verdict`, "y", { qos: 0, retain: false });
    await until("its own", () => seen.length > 0);
    expect(seen).toEqual([`${base}/node/${COLLAR}/down/verdict`]);
  });

  it("cannot leave a will for another, nor take another's session over", async () => {
    const victim = await asNode(OTHER);
    const credentials = await joined();
    const asOther = tryConnect(broker.url, { ...credentials, clientId: OTHER });
    await expect(asOther).rejects.toThrow("refused 2");
    for (const topic of [nodeTopic(base, OTHER, "availability"), `${base}/bridge/state`]) {
      const willing = tryConnect(broker.url, {
        ...credentials,
        clientId: COLLAR,
        will: { topic, payload: Buffer.from('{"state":"offline"}'), retain: true, qos: 1 },
      });
      await expect(willing).rejects.toThrow("refused 5");
    }
    // A reader who names a node's client id is known by another.
    const { password } = await cli("users", "add", "anna");
    const reader = await connected({
      clientId: OTHER,
      username: "anna",
      password: String(password),
    });
    expect(await subscribeTo(reader, downFilter(base, OTHER))).toBe(128);
    expect(victim.connected).toBe(true);
  });

  it("that is revoked is gone at once, with its will told, and does not come back", async () => {
    const credentials = await joined();
    const node = await connected({
      ...credentials,
      clientId: COLLAR,
      will: {
        topic: nodeTopic(base, COLLAR, "availability"),
        payload: Buffer.from('{"state":"offline"}'),
        retain: true,
        qos: 1,
      },
    });
    const startMs = performance.now();
    const gone = ended(node);
    await cli("nodes", "revoke", "collar-1");
    const revokedMs = performance.now();
    await gone;
    expect(performance.now() - revokedMs).toBeLessThan(3_000);
    expect(performance.now() - startMs).toBeLessThan(10_000);
    await until("its will", () => broker.received.some(({ text }) => text.includes("offline")));
    const again = tryConnect(broker.url, { ...credentials, clientId: COLLAR });
    await expect(again).rejects.toThrow("refused 4");
  });

  it("with a wrong password is refused, and after five tries the right one too", async () => {
    const credentials = await joined();
    for (let i = 0; i < 5; i++) {
      const wrong = tryConnect(broker.url, { ...credentials, password: "wrong", clientId: COLLAR });
      await expect(wrong).rejects.toThrow("refused 4");
    }
    const right = tryConnect(broker.url, { ...credentials, clientId: COLLAR });
    await expect(right).rejects.toThrow("refused 5");
  });
});

describe("a node that cannot join", () => {
  it("says which address it tried, and that --ca names who signed a certificate", async () => {
    const node = nodeId("collar-1", "test");
    const join = (url: string) => joinGateway({ url, base, code: "AAAA-BBBB" }, node);
    const authority = makeAuthority("an authority that nobody knows", Date.now());
    const server = issueServer(
      {
        certificate: new X509Certificate(authority.certificate),
        key: createPrivateKey(authority.key),
      },
      ["127.0.0.1"],
      Date.now(),
    );
    const listener = createTlsServer({ cert: server.certificate, key: server.key });
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    const { port } = listener.address() as AddressInfo;
    try {
      await expect(join(`mqtts://me:secret@127.0.0.1:${port}`)).rejects.toThrow(
        new RegExp(`^mqtts://127\\.0\\.0\\.1:${port}: collar-1 .*join-unanswered.*--ca`),
      );
    } finally {
      await new Promise((resolve) => listener.close(resolve));
    }
    await expect(join(`mqtt://127.0.0.1:${port}`)).rejects.toThrow(
      new RegExp(`127.0.0.1:${port}: .*ECONNREFUSED.*join-unanswered.*--gateway`),
    );
  });
});

describe("a simulated herd", () => {
  it("joins by one code and comes back without it", async () => {
    const student = path.join(folder, "student.bwm");
    writeFileSync(student, sampleContainer(1));
    const simulate = (...more: readonly string[]) =>
      bellwether(
        ...["simulate", "--nodes", "3", "--student", student, "--data", folder],
        ...["--gateway", broker.url, "--store", path.join(folder, "herd"), "--for", "1.5", ...more],
      );
    const code = await codeFor("--uses", "3");
    const first = await simulate("--join", code);
    expect(first.nodes).toMatchObject(Array(3).fill({ connected: true }));
    const hellos = () => broker.received.filter(({ topic }) => topic.endsWith("/up/hello")).length;
    expect(hellos()).toBe(3);
    await simulate();
    expect(hellos()).toBe(6);
    const file = path.join(folder, "herd", "collar-02", "credentials.json");
    expect(statSync(file).mode & 0o077).toBe(0);
    // Without credentials it would be refused: the broker knows these names.
    rmSync(path.join(folder, "herd"), { recursive: true });
    await simulate();
    expect(hellos()).toBe(6);
  }, 120_000);
});

describe("people", () => {
  it("who read hear the public plane and publish nothing; operators ask and hear answers", async () => {
    const { password } = await cli("users", "add", "anna");
    const anna = { username: "anna", password: String(password) };
    const reader = await connected(anna);
    const operator = await connected({
      username: "operator",
      password: broker.operatorToken ?? "",
    });
    const seen: Record<string, string[]> = { reader: [], operator: [] };
    reader.on("message", (topic) => seen.reader?.push(topic));
    operator.on("message", (topic) => seen.operator?.push(topic));
    expect(await subscribeTo(reader, "#")).toBe(1);
    expect(await subscribeTo(operator, `${base}/#`)).toBe(1);
    expect(await subscribeTo(reader, `${base}/node/#`)).toBe(128);
    broker.publish(`${base}/node/${OTHER}/down/verdict`, "x", { qos: 0, retain: false });
    broker.publish(`${base}/bridge/response/nodes/add`, "x", { qos: 0, retain: false });
    broker.publish(`${base}/bridge/state`, "x", { qos: 0, retain: false });
    await until("the last", () =>
      Object.values(seen).every((topics) => topics.includes(`${base}/bridge/state`)),
    );
    expect(seen.reader).toEqual([`${base}/bridge/state`]);
    expect(seen.operator?.sort()).toEqual([
      `${base}/bridge/response/nodes/add`,
      `${base}/bridge/state`,
    ]);
    await operator.publishAsync(`${base}/bridge/request/nodes/list`, "{}", { qos: 1 });
    expect(operator.connected).toBe(true);
    // To have asked for something makes nobody a node, which hears few topics.
    for (let i = 0; i < 30; i++) {
      expect(await subscribeTo(operator, `${base}/cow-${i}/state`)).toBe(1);
    }
    // As a Home Assistant does at every connection.
    await reader.publishAsync("homeassistant/status", "online", { qos: 1 });
    reader.publish(`${base}/bridge/request/nodes/list`, "{}", { qos: 1 });
    await ended(reader);
  });

  it("without credentials are let in on the loopback only where that is said", async () => {
    await expect(tryConnect(broker.url, { clientId: "anybody" })).rejects.toThrow("refused 5");
    await joined();
    await broker.close();
    broker = await accessBroker(folder, { loopback: "anonymous" });
    expect(broker.operatorToken).toBeUndefined();
    const neighbour = await connected({ clientId: "collar-9" });
    expect(await subscribeTo(neighbour, downFilter(base, nodeId("collar-9")))).toBe(1);
    // A name with credentials needs them.
    await expect(tryConnect(broker.url, { clientId: COLLAR })).rejects.toThrow("refused 5");
    // And one that gets some ends the session of whoever used it without.
    const gone = ended(neighbour);
    await cli("nodes", "add", "collar-9", "--password");
    await gone;
  });
});
