/** Credentials of ours on a Mosquitto that is not: the same passwords, the same rights. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SPARKPLUG_USER } from "../gateway/access/mosquitto-export.ts";
import { connectBroker } from "../gateway/broker/external-broker.ts";
import { downFilter, downTopic, nodeId, nodeTopic, upTopic } from "../src/wire/topics.ts";
import { bellwether, tryConnect } from "./access-kit.ts";
import { base, freePort, removeFolder, temporaryFolder, until } from "./gateway-kit.ts";
import { MOSQUITTO } from "./mosquitto.ts";

if (MOSQUITTO === undefined) {
  console.info("mosquitto is not installed (Debian: mosquitto): its tests are skipped");
}

const ONE = nodeId("collar-1");
const TWO = nodeId("collar-2");
let folder: string;
let url: string;
let broker: ChildProcess;
const passwords = new Map<string, string>();

describe.skipIf(MOSQUITTO === undefined)("an exported Mosquitto", () => {
  beforeAll(async () => {
    folder = temporaryFolder();
    const cli = (...words: readonly string[]) => bellwether(...words, "--data-dir", folder);
    for (const name of [ONE, TWO]) {
      passwords.set(name, String((await cli("nodes", "add", name, "--password")).password));
    }
    writeFileSync(path.join(folder, "chosen"), "a password of my own\n");
    await cli("users", "add", "anna", "--password-file", path.join(folder, "chosen"));
    passwords.set("anna", "a password of my own");
    const otto = await cli("users", "add", "otto", "--role", "operator");
    passwords.set("otto", String(otto.password));
    const files = path.join(folder, "mosquitto");
    const port = await freePort();
    const yaml = path.join(folder, "farm.yaml");
    writeFileSync(yaml, "sparkplug: { enabled: true, group: farm, hosts: [scada] }\n");
    const more = ["--port", String(port), "--config", yaml];
    await cli("nodes", "export", "--mosquitto", files, ...more);
    url = `mqtt://127.0.0.1:${port}`;
    const conf = path.join(folder, "mosquitto.conf");
    // As root it would give up its rights, and with them this folder.
    writeFileSync(conf, `user root\ninclude_dir ${files}\n`);
    broker = spawn(MOSQUITTO ?? "", ["-c", conf], { stdio: "ignore" });
    await until("mosquitto listens", () =>
      tryConnect(url, {}).then(
        () => true,
        (error: Error) => /refused 5/.test(error.message),
      ),
    );
  });

  afterAll(async () => {
    broker.kill("SIGTERM");
    await once(broker, "exit");
    removeFolder(folder);
  });

  const as = (username: string, password = passwords.get(username) ?? "") =>
    tryConnect(url, { username, password, clientId: username });

  it("knows everybody by the password that they have, and nobody else", async () => {
    for (const name of passwords.keys()) await (await as(name)).endAsync();
    await expect(as(ONE, "wrong")).rejects.toThrow("refused 5");
    await expect(tryConnect(url, { clientId: ONE })).rejects.toThrow("refused 5");
  });

  it("gives each node its own topics, readers the public ones, operators a say", async () => {
    const heard: string[] = [];
    const gateway = connectBroker(
      {
        url: url.replace("//", "//gateway@"),
        base,
        passwordFile: path.join(folder, "mosquitto", "gateway-password"),
        caFile: undefined,
      },
      {
        onMessage: (topic) => heard.push(topic),
        onConnection: () => undefined,
        log: () => undefined,
      },
    );
    await until("the gateway is in", () => gateway.isOpen());
    const [one, anna, otto] = await Promise.all([as(ONE), as("anna"), as("otto")]);
    const seen = new Map<string, string[]>([
      [ONE, []],
      ["anna", []],
      ["otto", []],
    ]);
    for (const [name, client] of [
      [ONE, one],
      ["anna", anna],
      ["otto", otto],
    ] as const) {
      client.on("message", (topic) => seen.get(name)?.push(topic));
      await client.subscribeAsync(["#", downFilter(base, ONE), downFilter(base, TWO)]);
    }
    for (const topic of [
      upTopic(base, TWO, "report"),
      nodeTopic(base, TWO, "availability"),
      `${base}/bridge/request/x`,
      upTopic(base, ONE, "report"),
    ]) {
      await one.publishAsync(topic, "x", { qos: 1 });
    }
    await anna.publishAsync(upTopic(base, ONE, "hello"), "x", { qos: 1 });
    await anna.publishAsync(`${base}/bridge/request/anna`, "x", { qos: 1 });
    await otto.publishAsync(`${base}/bridge/request/otto`, "x", { qos: 1 });
    gateway.publish(downTopic(base, TWO, "verdict"), "x", { qos: 1, retain: false });
    gateway.publish(downTopic(base, ONE, "verdict"), "x", { qos: 1, retain: false });
    gateway.publish(`${base}/bridge/response/x`, "x", { qos: 1, retain: false });
    gateway.publish(nodeTopic(base, ONE, "behaviour"), "x", { qos: 1, retain: false });
    await until("the last", () => {
      const [reader, operator] = [seen.get("anna"), seen.get("otto")];
      const last = nodeTopic(base, ONE, "behaviour");
      return reader?.includes(last) === true && operator?.includes(last) === true;
    });
    expect(heard).toEqual([upTopic(base, ONE, "report")]);
    expect(seen.get(ONE)).toEqual([downTopic(base, ONE, "verdict")]);
    const state = `${base}/bridge/state`;
    expect(seen.get("anna")?.filter((topic) => topic !== state)).toEqual([
      nodeTopic(base, ONE, "behaviour"),
    ]);
    expect(seen.get("otto")?.filter((topic) => topic !== state)).toEqual([
      `${base}/bridge/request/otto`,
      `${base}/bridge/response/x`,
      nodeTopic(base, ONE, "behaviour"),
    ]);
    await Promise.all([one, anna, otto].map((client) => client.endAsync()));
    await gateway.close();
  });

  it("lets hosts of Sparkplug command the edge node, and nobody else be it", async () => {
    const seen: string[] = [];
    const heard: string[] = [];
    const topic = (rest: string) => `spBv1.0/${rest}`;
    const edge = connectBroker(
      {
        url: url.replace("//", `//${SPARKPLUG_USER}@`),
        base,
        passwordFile: path.join(folder, "mosquitto", "sparkplug-password"),
        caFile: undefined,
        filters: [topic("farm/NCMD/gateway"), topic("STATE/scada")],
      },
      {
        onMessage: (from) => heard.push(from),
        onConnection: () => undefined,
        log: () => undefined,
      },
    );
    await until("the edge node is in", () => edge.isOpen());
    const [one, anna] = await Promise.all([as(ONE), as("anna")]);
    anna.on("message", (from) => seen.push(from));
    await anna.subscribeAsync("spBv1.0/#");
    for (const rest of ["farm/DDATA/gateway/collar-1", "farm/NCMD/gateway"]) {
      await one.publishAsync(topic(rest), "x", { qos: 1 });
    }
    for (const rest of ["farm/NBIRTH/gateway", "farm/NCMD/other", "STATE/other"]) {
      await anna.publishAsync(topic(rest), "x", { qos: 1 });
    }
    await anna.publishAsync(topic("STATE/scada"), "x", { qos: 1 });
    await anna.publishAsync(topic("farm/NCMD/gateway"), "x", { qos: 1 });
    edge.publish(topic("farm/NBIRTH/gateway"), "x", { qos: 0, retain: false });
    edge.publish(topic("farm/DDATA/gateway/collar-1"), "x", { qos: 0, retain: false });
    await until("the last", () => seen.includes(topic("farm/DDATA/gateway/collar-1")));
    await until("a command", () => heard.length === 2);
    expect(heard).toEqual([topic("STATE/scada"), topic("farm/NCMD/gateway")]);
    expect(seen).toEqual([
      topic("STATE/scada"),
      topic("farm/NCMD/gateway"),
      topic("farm/NBIRTH/gateway"),
      topic("farm/DDATA/gateway/collar-1"),
    ]);
    await Promise.all([one, anna].map((client) => client.endAsync()));
    await edge.close();
  });

  it("lets nobody take a node's session over by its client id", async () => {
    const one = await as(ONE);
    const anna = await tryConnect(url, {
      username: "anna",
      password: passwords.get("anna") ?? "",
      clientId: ONE,
    });
    await one.publishAsync(upTopic(base, ONE, "report"), "x", { qos: 1 });
    expect(one.connected).toBe(true);
    await Promise.all([one.endAsync(), anna.endAsync()]);
  });
});
