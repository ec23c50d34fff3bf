/** The gateway from end to end: its own broker, a real teacher, real MQTT clients. */

import { connectAsync, type MqttClient } from "mqtt";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RunningGateway } from "../gateway/run-gateway.ts";
import type { OpenTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { decodeCompanded, encodeCompanded } from "../src/wire/companded.ts";
import { encodeUp } from "../src/wire/frames.ts";
import {
  AvailabilitySchema,
  BehaviourEventSchema,
  BehaviourSchema,
  BridgeInfoSchema,
  DevicesSchema,
  EventSchema,
} from "../src/wire/public.ts";
import { upTopic } from "../src/wire/topics.ts";
import {
  base,
  cattle,
  gatewayOn,
  HandNode,
  type LogLine,
  offloadOf,
  removeFolder,
  reportOf,
  temporaryFolder,
  until,
  untrainedTeacher,
} from "./gateway-kit.ts";

let folder: string;
let teacher: OpenTeacher;
let gateway: RunningGateway & { readonly lines: readonly LogLine[] };

beforeEach(async () => {
  folder = temporaryFolder();
  teacher = await untrainedTeacher(folder);
  gateway = await gatewayOn(folder, teacher);
});

afterEach(async () => {
  await gateway.stop();
  await teacher.close();
  removeFolder(folder);
});

describe("an offload", () => {
  it("is stored, acknowledged, answered, and kept as a soft label", async () => {
    const node = await HandNode.connect(gateway.url, "collar-1");
    await node.hello();
    await node.offload({ reason: "audit", chanceQ16: 3_277 });
    await until("ack and verdict", () => node.received.length >= 2);
    expect(node.received.map(({ kind }) => kind)).toEqual(["ack", "verdict"]);
    expect(node.acked()).toEqual([0]);
    const [verdict] = node.of("verdict");
    const sent = offloadOf(0);
    const expected = await teacher.predict(sent.window, 1, sent.inputMilligPerStep);
    const largest = Math.max(...expected.probabilities);
    expect(verdict?.classIndex).toBe(expected.probabilities.indexOf(largest));
    expect([...(verdict?.probabilitiesQ8 ?? [])]).toEqual(
      [...expected.probabilities].map((p) => Math.round(255 * p)),
    );
    await until("the label is stored", () => gateway.labels().softLabelCount().total === 1);
    const [label] = gateway.labels().softLabels();
    expect(label).toMatchObject({
      node: "collar-1",
      epoch: 1,
      seq: 0,
      reason: "audit",
      chanceQ16: 3_277,
      teacherId: teacher.id,
      trusted: true,
      inputMilligPerStep: cattle.inputMilligPerStep,
    });
    expect(label?.window).toEqual(sent.window);
    expect(label?.probabilities).toEqual(expected.probabilities);
    await node.close();
  });
});

describe("an offload in 4 bits a value", () => {
  it("is answered and kept as what was left of its window, and marked", async () => {
    const node = await HandNode.connect(gateway.url, "collar-1");
    await node.offload({ encoding: "companded4" });
    await until("the label is stored", () => gateway.labels().softLabelCount().total === 1);
    const { window, windowSamples, channels, inputMilligPerStep } = offloadOf(0);
    const left = decodeCompanded(encodeCompanded(window, channels), windowSamples, channels);
    const [label] = gateway.labels().softLabels();
    expect(label).toMatchObject({ encoding: "companded4", window: left });
    const expected = await teacher.predict(left, 1, inputMilligPerStep);
    expect(label?.probabilities).toEqual(expected.probabilities);
    await node.close();
  });
});

describe("repeated and broken messages", () => {
  it("acknowledges a repetition again and stores it once", async () => {
    const node = await HandNode.connect(gateway.url, "collar-1");
    for (let time = 0; time < 3; time++) await node.send(offloadOf(5));
    await node.send(reportOf(6, [0, 1]));
    await node.send(reportOf(6, [0, 1]));
    await until("five acknowledgements", () => node.acked().length === 5);
    await until("one label", () => gateway.counters().softLabels === 1);
    expect(gateway.labels().softLabelCount().total).toBe(1);
    expect(gateway.nodes()[0]).toMatchObject({ windows: 2, offloads: 1 });
    expect(node.of("verdict")).toHaveLength(1);
    await node.close();
  });

  it("refuses what it cannot read, counts it, and keeps the connection and everything else", async () => {
    const node = await HandNode.connect(gateway.url, "collar-1");
    const good = encodeUp(offloadOf(0));
    const frames = {
      truncated: good.subarray(0, good.length - 1),
      oversized: new Uint8Array(100_000).fill(1),
      "unknown version": Uint8Array.from(good, (byte, i) => (i === 0 ? 9 : byte)),
      "wrong type": Uint8Array.from(good, (byte, i) => (i === 1 ? 2 : byte)),
      empty: new Uint8Array(0),
    };
    for (const frame of Object.values(frames)) {
      await node.client.publishAsync(upTopic(base, node.id, "offload"), Buffer.from(frame), {
        qos: 1,
      });
    }
    await node.offload();
    await until("the good one", () => node.of("verdict").length === 1);
    expect(node.client.connected).toBe(true);
    expect(gateway.counters()).toMatchObject({ refusedFrames: 5 });
    const told = gateway.lines.filter(({ text }) => text.startsWith("frame refused"));
    // The 1st, 2nd and 4th.
    expect(told).toHaveLength(3);
    expect(told[0]?.text).toContain("truncated");
    await node.close();
  });

  it("keeps and acknowledges a window that the teacher cannot take, without an answer", async () => {
    const node = await HandNode.connect(gateway.url, "collar-1");
    await node.send(offloadOf(0, { rateCentihertz: 2_500 }));
    await node.send(offloadOf(1, { windowSamples: 25, window: new Int8Array(75) }));
    await node.send(offloadOf(2));
    await until("three acknowledgements", () => node.acked().length === 3);
    await until("one verdict", () => node.of("verdict").length === 1);
    expect(node.of("verdict")[0]?.seq).toBe(2);
    expect(gateway.nodes()[0]).toMatchObject({ offloads: 3 });
    expect(gateway.lines.filter(({ text }) => text.includes("not answered"))).toHaveLength(2);
    await node.close();
  });
});

describe("the public topics", () => {
  it("tell behaviours, events, availability and devices as promised", async () => {
    const people = await listener(gateway.url);
    const node = await HandNode.connect(gateway.url, "collar-1");
    await node.hello();
    await node.report([0, 1]);
    await until("a behaviour", () => people.last("collar-1/behaviour") !== undefined);
    const behaviour = BehaviourSchema.parse(people.last("collar-1/behaviour"));
    expect(behaviour).toMatchObject({
      node: "collar-1",
      behaviour: "grazing",
      confidence: 0.784,
      source: "exit 1",
      trusted: true,
      sequence: 1,
      since: 1_700_000_000_000,
    });
    const began = EventSchema.parse(people.last("collar-1/event"));
    expect(began).toMatchObject({ type: "new", id: "collar-1:1:0", before: null });
    await until("devices", () => people.last("bridge/devices") !== undefined);
    await until("counted", () => devicesOf(people)[0]?.windows === 2, 3_000);
    expect(devicesOf(people)[0]).toMatchObject({ node: "collar-1", state: "online", battery: 87 });
    expect(AvailabilitySchema.parse(people.last("collar-1/availability")).state).toBe("online");
    expect(AvailabilitySchema.parse(people.last("bridge/state")).state).toBe("online");
    expect(BridgeInfoSchema.parse(people.last("bridge/info")).classes).toEqual(cattle.classes);
    await node.close();
    await people.close();
  });

  it("give a newcomer the retained state, and nobody the node plane", async () => {
    const node = await HandNode.connect(gateway.url, "collar-1");
    await node.hello();
    await node.report([0]);
    await until("acknowledged", () => node.acked().length === 1);
    const people = await listener(gateway.url);
    await until("retained behaviour", () => people.last("collar-1/behaviour") !== undefined);
    await node.offload();
    await until("verdict", () => node.of("verdict").length === 1);
    expect(people.topics().filter((topic) => topic.startsWith("node/"))).toEqual([]);
    await node.close();
    await people.close();
  });

  it("correct a told behaviour by an update with the same id when the teacher disagrees", async () => {
    const sent = offloadOf(0);
    const { probabilities } = await teacher.predict(sent.window, 1, sent.inputMilligPerStep);
    const teacherClass = probabilities.indexOf(Math.max(...probabilities));
    const studentClass = (teacherClass + 1) % cattle.classes.length;
    const people = await listener(gateway.url);
    const node = await HandNode.connect(gateway.url, "collar-1");
    const [entry] = reportOf(9, [0]).entries;
    await node.send(reportOf(9, [], { entries: [{ ...entry!, classIndex: studentClass }] }));
    await until("told", () => people.last("collar-1/event") !== undefined);
    await node.send(offloadOf(0, { classIndex: studentClass, confidenceQ8: 10 }));
    await until("update", () => EventSchema.parse(people.last("collar-1/event")).type === "update");
    const event = BehaviourEventSchema.parse(people.last("collar-1/event"));
    expect(event.id).toBe("collar-1:1:0");
    expect(event.before?.behaviour).toBe(cattle.classes[studentClass]);
    expect(event.after).toMatchObject({
      behaviour: cattle.classes[teacherClass],
      source: "teacher",
    });
    expect(BehaviourSchema.parse(people.last("collar-1/behaviour"))).toEqual(event.after);
    await node.close();
    await people.close();
  });

  it("say that a node is offline by its last will", async () => {
    const people = await listener(gateway.url);
    const topic = `${base}/collar-1/availability`;
    const will = {
      topic,
      payload: Buffer.from('{"state":"offline"}'),
      qos: 1,
      retain: true,
    } as const;
    const node = await HandNode.connect(gateway.url, "collar-1", { will });
    await node.hello();
    await until("online", () => isState(people, "online"));
    node.client.stream.destroy();
    await until("offline", () => isState(people, "offline"));
    await until("devices know", () => devicesOf(people)[0]?.state === "offline", 3_000);
    await people.close();
  });
});

describe("what clients may not do", () => {
  it("denies foreign topics without harm to the rest", async () => {
    const node = await HandNode.connect(gateway.url, "collar-1");
    const [granted] = await node.client
      .subscribeAsync(`${base}/node/collar-2/down/+`)
      .catch(() => [{ qos: 128 }]);
    expect(granted?.qos).toBe(128);
    const other = await connectAsync(gateway.url, { clientId: "collar-3", reconnectPeriod: 0 });
    other.on("error", () => undefined);
    const closed = new Promise<void>((resolve) => other.once("close", () => resolve()));
    other.publish(upTopic(base, node.id, "offload"), Buffer.from(encodeUp(offloadOf(0))));
    await closed;
    await node.offload();
    await until("verdict", () => node.of("verdict").length === 1);
    expect(gateway.labels().softLabelCount().total).toBeLessThanOrEqual(1);
    expect(gateway.lines.some(({ text }) => text.includes("another node's"))).toBe(true);
    await node.close();
  });

  it("serves MQTT 5 as well as 3.1.1", async () => {
    const five = await connectAsync(gateway.url, { protocolVersion: 5, reconnectPeriod: 0 });
    const seen: string[] = [];
    five.on("message", (topic) => seen.push(topic));
    await five.subscribeAsync(`${base}/bridge/state`, { qos: 1 });
    await until("retained state", () => seen.includes(`${base}/bridge/state`));
    await five.endAsync();
  });
});

type Listener = {
  /** Payload as JSON of the newest message on `<base>/<name>`. */
  last(name: string): unknown;
  topics(): string[];
  close(): Promise<void>;
};

async function listener(url: string): Promise<Listener> {
  const client: MqttClient = await connectAsync(url, { reconnectPeriod: 0 });
  const seen = new Map<string, unknown>();
  client.on("message", (topic, payload) => {
    seen.set(topic.slice(base.length + 1), JSON.parse(payload.toString()));
  });
  await client.subscribeAsync("#", { qos: 1 });
  return {
    last: (name) => seen.get(name),
    topics: () => [...seen.keys()],
    close: () => client.endAsync(),
  };
}

function isState(people: Listener, state: string): boolean {
  const told = people.last("collar-1/availability");
  return told !== undefined && AvailabilitySchema.parse(told).state === state;
}

function devicesOf(people: Listener) {
  return DevicesSchema.parse(people.last("bridge/devices")).devices;
}
