/**
 * Clients that are not ours, on a gateway with something to tell: paho, mosquitto_sub and MQTT.js, with
 * MQTT 3.1.1 and 5, hear every documented topic and the same of each, byte for byte.
 *
 * Events come in every shape that a gateway can be brought to within a second or two: a late answer of
 * the teacher, a sensor that breaks and mends, a day that differs. And each request is answered.
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";
import { connectAsync, type MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunningGateway } from "../gateway/run-gateway.ts";
import type { OpenTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { PUBLIC_TOPICS } from "../src/wire/public-topics.ts";
import { REQUEST_NAMES, requestTopic, responseTopic } from "../src/wire/requests.ts";
import { ALERTING_YAML, storeOneDay, YESTERDAY } from "./alert-kit.ts";
import {
  base,
  cattle,
  gatewayOn,
  HandNode,
  removeFolder,
  reportOf,
  temporaryFolder,
  until,
  untrainedTeacher,
} from "./gateway-kit.ts";

/** Debian's, or another that has paho. */
const PYTHON = ["/usr/bin/python3", "python3"].find(
  (python) => spawnSync(python, ["-c", "import paho.mqtt.client"]).status === 0,
);
const MOSQUITTO_SUB = ["mosquitto_sub"].find(
  (program) => spawnSync(program, ["--help"]).error === undefined,
);
if (PYTHON === undefined) console.info("paho is not installed (Debian: python3-paho-mqtt)");
if (MOSQUITTO_SUB === undefined) console.info("mosquitto_sub is not installed");

/** For paho 1 and 2. Prints what mosquitto_sub prints by the format below. */
const PAHO = `
import sys
import paho.mqtt.client as mqtt
version, host, port, user, password, topic = sys.argv[1:]
old = getattr(mqtt, "CallbackAPIVersion", None)
first = [] if old is None else [old.VERSION1]
client = mqtt.Client(*first, protocol=mqtt.MQTTv5 if version == "5" else mqtt.MQTTv311)
client.username_pw_set(user, password)
client.on_connect = lambda client, *rest: client.subscribe(topic, 1)
def heard(_client, _data, message):
    print(message.qos, int(message.retain), message.topic, message.payload.hex(), flush=True)
client.on_message = heard
client.connect(host, int(port))
client.loop_forever()
`;

type Heard = {
  readonly qos: number;
  readonly retain: boolean;
  readonly topic: string;
  readonly payload: string;
};

/** Everything that one client has heard, in its order. */
type Reader = { readonly name: string; readonly heard: Heard[]; readonly end: () => unknown };

let folder: string;
let teacher: OpenTeacher;
let gateway: RunningGateway;
let password: string;
const readers: Reader[] = [];

function spawned(name: string, program: string, words: readonly string[]): Reader {
  const child: ChildProcess = spawn(program, words, { stdio: ["ignore", "pipe", "inherit"] });
  const heard: Heard[] = [];
  if (child.stdout === null) throw new Error("a pipe was asked for");
  createInterface({ input: child.stdout }).on("line", (line) => {
    const [qos, retain, topic = "", hex = ""] = line.split(" ");
    const payload = Buffer.from(hex, "hex").toString();
    heard.push({ qos: Number(qos), retain: retain === "1", topic, payload });
  });
  return { name, heard, end: () => child.kill("SIGKILL") };
}

async function ours(protocolVersion: 4 | 5): Promise<Reader> {
  const client = await connectAsync(gateway.url, {
    username: "operator",
    password,
    protocolVersion,
  });
  const heard: Heard[] = [];
  client.on("message", (topic, payload, { qos, retain }) => {
    heard.push({ qos, retain, topic, payload: payload.toString() });
  });
  await client.subscribeAsync(`${base}/#`, { qos: 1 });
  return { name: `MQTT.js ${protocolVersion}`, heard, end: () => client.endAsync(true) };
}

async function startReaders(): Promise<void> {
  const { hostname, port } = new URL(gateway.url);
  readers.push(await ours(4), await ours(5));
  for (const version of ["311", "5"]) {
    if (MOSQUITTO_SUB !== undefined) {
      const at = ["-h", hostname, "-p", port, "-u", "operator", "-P", password, "-V", version];
      const words = [...at, "-t", `${base}/#`, "-q", "1", "-F", "%q %r %t %x"];
      // Into a pipe it would say nothing before it has 4 KiB.
      const lines = ["-oL", MOSQUITTO_SUB, ...words];
      readers.push(spawned(`mosquitto_sub ${version}`, "stdbuf", lines));
    }
    if (PYTHON !== undefined) {
      const words = ["-c", PAHO, version, hostname, port, "operator", password, `${base}/#`];
      readers.push(spawned(`paho ${version}`, PYTHON, words));
    }
  }
  await until("all have heard something", () => readers.every(({ heard }) => heard.length > 0));
}

/** A window that a broken sensor, or a sound one, makes. */
function windowOf(stuck: boolean, seq: number): Int8Array {
  const { windowSamples, channels } = cattle;
  return Int8Array.from({ length: windowSamples * channels }, (_, i) => {
    if (i % channels === 0 && stuck) return 7;
    return Math.round(40 * Math.sin(i * (1 + seq / 10)));
  });
}

/** Everything that there is to tell. */
async function live(operator: MqttClient): Promise<void> {
  const animal = await HandNode.connect(gateway.url, "cow-7");
  await animal.hello();
  await animal.report([], { entries: YESTERDAY });
  const broken = await HandNode.connect(gateway.url, "cow-8");
  await broken.hello();
  // Of three answers the teacher, who knows one, changes two: it comes late, the report was first. In
  // an audit what it says is told as it is.
  const entries = [0, 1, 2].map((windowIndex) => ({
    ...(reportOf(0, [windowIndex]).entries[0] as (typeof YESTERDAY)[number]),
    classIndex: windowIndex,
  }));
  await broken.report([], { entries });
  for (const classIndex of [0, 1, 2]) {
    const window = windowOf(false, classIndex);
    const audit = { reason: "audit", chanceQ16: 6_554 } as const;
    await broken.offload({
      ...audit,
      windowIndex: classIndex,
      classIndex,
      window,
      seq: 10 + classIndex,
    });
  }
  await until("verdicts", () => broken.of("verdict").length === 3);
  for (let i = 0; i < 8; i++) {
    const window = windowOf(i < 4, i);
    await broken.offload({ windowIndex: 20 + i, seq: 20 + i, window });
    await until("its verdict", () => broken.of("verdict").length === 4 + i);
  }
  const answered = new Set<string>();
  operator.on("message", (topic) => answered.add(topic));
  await operator.subscribeAsync(responseTopic(base, "#"));
  for (const name of REQUEST_NAMES) {
    await operator.publishAsync(requestTopic(base, name), "{}", { qos: 1 });
    await until(`an answer to ${name}`, () => answered.has(responseTopic(base, name)));
  }
  await animal.close();
  await broken.close();
}

const TAIL = "the last question";

function isLast({ topic, payload }: Heard): boolean {
  return topic === responseTopic(base, "health") && payload.includes(TAIL);
}

beforeAll(async () => {
  folder = temporaryFolder();
  teacher = await untrainedTeacher(folder);
  storeOneDay(path.join(folder, "data"));
  const yaml = `broker: { port: 0 }\ndata_directory: data\n${ALERTING_YAML}`;
  gateway = await gatewayOn(folder, teacher, { yaml });
  password = (await gateway.beginOperator()) ?? "";
  await startReaders();
  const operator = await connectAsync(gateway.url, { username: "operator", password });
  await live(operator);
  const [first] = readers;
  const names = () => new Set(first?.heard.map(({ topic }) => channelOf(topic)));
  await until("every topic", () => PUBLIC_TOPICS.every(({ channel }) => names().has(channel)));
  await operator.publishAsync(requestTopic(base, "health"), JSON.stringify({ transaction: TAIL }));
  await until("the end, by all", () => readers.every(({ heard }) => heard.some(isLast)));
  await operator.endAsync();
}, 60_000);

afterAll(async () => {
  for (const { end } of readers) await end();
  await gateway.stop();
  await teacher.close();
  removeFolder(folder);
});

/** By the addresses of the table of topics alone. */
function channelOf(topic: string): string | undefined {
  const [node = "", name = "", last] = topic.slice(base.length + 1).split("/");
  if (node === "bridge") return last === undefined ? `bridge-${name}` : undefined;
  return node === "group" ? "group-budget" : name;
}

/** From the first to the last message that all have heard as it was told, and not as it was kept. */
function between({ heard }: Reader): string[] {
  const isFirst = ({ topic, payload }: Heard): boolean =>
    topic === `${base}/bridge/event` && payload.includes("cow-7 joined");
  const from = heard.findIndex(isFirst);
  const to = heard.findIndex(isLast);
  expect(from).toBeGreaterThan(-1);
  return heard
    .slice(from, to + 1)
    .filter(({ retain }) => !retain)
    .map(({ qos, topic, payload }) => `${qos} ${topic} ${payload}`)
    .sort();
}

describe("readers that are not ours", () => {
  it("hear the same, byte for byte, whoever they are", () => {
    const [first, ...others] = readers;
    const all = between(first as Reader);
    expect(all.length).toBeGreaterThan(50);
    for (const reader of others) expect(between(reader), reader.name).toEqual(all);
  });

  it("hear every public topic, what is kept of it when they come, and every answer", () => {
    for (const { name, heard } of readers) {
      const topics = new Set(heard.map(({ topic }) => topic));
      const channels = new Set([...topics].map(channelOf));
      for (const { channel } of PUBLIC_TOPICS) expect(channels.has(channel), name).toBe(true);
      for (const request of REQUEST_NAMES) expect(topics).toContain(responseTopic(base, request));
      expect(heard.some(({ topic, retain }) => retain && topic.endsWith("bridge/state"))).toBe(
        true,
      );
    }
  });

  it("hear events of every kind that a window can make, and both ends of a sensor's fault", () => {
    for (const { heard } of readers) {
      const events = heard
        .filter(({ topic }) => /\/cow-\d\/event$/.test(topic))
        .map(({ payload }) => JSON.parse(payload) as { type: string; over?: boolean });
      const kinds = events.map(({ type, over }) => (over ? `${type} over` : type));
      for (const kind of ["new", "update", "sensor-fault", "sensor-fault over"]) {
        expect(kinds).toContain(kind);
      }
      const [late] = events.filter(({ type }) => type === "update");
      expect(late).toMatchObject({ before: { source: "exit 1" }, after: { source: "teacher" } });
      const updates = heard.filter(({ topic }) => topic === `${base}/cow-7/bout`);
      expect(
        updates.map(({ payload }) => (JSON.parse(payload) as { type: string }).type),
      ).toContain("new");
      const diary = heard.filter(({ topic }) => topic === `${base}/bridge/event`);
      const types = diary.map(({ payload }) => (JSON.parse(payload) as { type: string }).type);
      for (const type of ["node-joined", "sensor-fault", "request"]) expect(types).toContain(type);
    }
  });
});
