/**
 * Releases by an operator's word, on a real gateway with its loop and simulated nodes over MQTT: a
 * model that is pushed is activated, one that is taken back is replaced by the one before, a canary
 * ends when it is told to, and what makes no sense is refused and changes nothing.
 */

import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { connectAsync, type MqttClient } from "mqtt";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Fleet } from "../device-sim/fleet.ts";
import { AccessStore } from "../gateway/access/access-store.ts";
import { givePassword } from "../gateway/access/credentials.ts";
import type { LoopGateway } from "../gateway/start-loop.ts";
import { type OpenTeacher, openOnnxTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { gateOf } from "../src/gate/gate-bytes.ts";
import { encodePoints } from "../src/gate/operating-points.ts";
import { decodeContainer, encodeContainer } from "../src/model/container.ts";
import { cohortOf } from "../src/signal/profile.ts";
import {
  type RequestName,
  requestTopic,
  responseSchema,
  responseTopic,
} from "../src/wire/requests.ts";
import { run } from "./access-kit.ts";
import { base, removeFolder, temporaryFolder, until } from "./gateway-kit.ts";
import { sampleContainer } from "./node-world.ts";
import { OPERATING_POINTS } from "./operating-point-samples.ts";
import { better, factory, idOf, releaseGateway, releaseHerd } from "./release-kit.ts";
import { cattle } from "./turning-herd.ts";

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
const better64 = base64(better.container);

let folder: string;
let teacher: OpenTeacher;
let open: LoopGateway;
let fleet: Fleet | undefined;
let operator: MqttClient;
let token = "";
let diary: { type: string; message: string }[];
let answers: { topic: string; body: Record<string, unknown> }[];

async function start(audits: number): Promise<void> {
  open = await releaseGateway(folder, teacher, audits);
  // Made at the first start of a data directory, and told that once.
  token = (await open.gateway.beginOperator()) ?? token;
  operator = await connectAsync(open.gateway.url, { username: "operator", password: token });
  diary = [];
  answers = [];
  operator.on("message", (topic, payload) => {
    const body = JSON.parse(payload.toString()) as Record<string, unknown>;
    if (topic === `${base}/bridge/event`) diary.push(body as (typeof diary)[number]);
    else answers.push({ topic, body });
  });
  await operator.subscribeAsync([responseTopic(base, "#"), `${base}/bridge/event`], { qos: 1 });
}

async function herd(nodes: number): Promise<void> {
  fleet = await releaseHerd(folder, open, nodes);
}

const known = () => open.gateway.nodes().filter(({ cohort }) => cohort !== "");
const running = (container: Uint8Array) =>
  known().filter(({ modelId }) => modelId === idOf(container)).length;

let asked = 0;

async function ask(name: RequestName, request: object = {}): Promise<Record<string, unknown>> {
  asked += 1;
  const transaction = asked;
  const payload = JSON.stringify({ ...request, transaction });
  await operator.publishAsync(requestTopic(base, name), payload, { qos: 1 });
  const find = () => answers.find(({ body }) => body.transaction === transaction);
  await until(`an answer to ${name}`, () => find() !== undefined);
  const body = find()?.body ?? {};
  expect(responseSchema(name).safeParse(body).success, JSON.stringify(body)).toBe(true);
  return body;
}

beforeEach(async () => {
  folder = temporaryFolder();
  mkdirSync(path.join(folder, "data"));
  teacher = await openOnnxTeacher("profiles/cattle/teacher.onnx", cattle);
});

afterEach(async () => {
  await fleet?.stop();
  fleet = undefined;
  await operator.endAsync(true);
  await open.stop();
  await teacher.close();
  removeFolder(folder);
});

describe("a model that is pushed", () => {
  it("is activated by the nodes, and taken back by a new release of the one before", async () => {
    await start(0);
    await herd(4);
    const pushed = await ask("models/push", {
      container: better64,
      student: base64(better.student),
    });
    expect(pushed).toMatchObject({
      status: "ok",
      data: { rollout: { release: 1, model: idOf(better.container), state: "spreading", wave: 1 } },
    });
    await until("all run it", () => running(better.container) === 4, 30_000);
    await until("it is done", () => diary.some(({ type }) => type === "release-done"), 30_000);
    expect(diary.find(({ type }) => type === "request")).toMatchObject({
      message: `operator over MQTT: models/push: release 1, model ${idOf(better.container)}`,
      release: 1,
    });
    const again = await ask("models/push", { container: better64 });
    expect(again).toMatchObject({ status: "error", code: "model-current" });
    const ended = await ask("rollout/abort");
    expect(ended).toMatchObject({ status: "error", code: "rollout-over" });
    const back = await ask("models/rollback");
    expect(back).toMatchObject({
      data: { rollout: { release: 2, model: idOf(factory.container), purpose: "rollback" } },
    });
    await until("all are back", () => running(factory.container) === 4, 30_000);
    expect(await ask("models/rollback")).toMatchObject({ code: "rollback-of-rollback" });
    const { data } = await ask("models/list");
    expect(data).toMatchObject({
      releases: [
        { release: 1, purpose: "release" },
        { release: 2, purpose: "rollback" },
      ],
    });
    // One that is in the registry is pushed by its name.
    const byName = await ask("models/push", { model: idOf(better.container) });
    expect(byName).toMatchObject({ data: { rollout: { release: 3 } } });
    await until("all run it again", () => running(better.container) === 4, 30_000);
  }, 120_000);

  it("that is not good for these nodes is refused, and leaves nothing behind", async () => {
    await start(0);
    const registry = path.join(folder, "data", "registry");
    const files = () =>
      ["models", "releases", "cohorts"].map((n) => readdirSync(path.join(registry, n)));
    const before = files();
    const damaged = Buffer.from(better.container);
    damaged[damaged.length - 1] = (damaged.at(-1) ?? 0) ^ 1;
    const foreign = sampleContainer(1, {
      cohort: "goat/neck/10.00Hz/50x3",
      classes: cattle.classes,
    });
    const others = sampleContainer(1, {
      cohort: cohortOf(cattle),
      classes: ["a", "b", "c"],
    });
    const refusals: (readonly [object, string])[] = [
      [{}, "request-invalid"],
      [{ container: better64, model: idOf(better.container) }, "request-invalid"],
      [{ container: "not base64!" }, "request-invalid"],
      [{ model: "0123456789abcdef" }, "model-unknown"],
      [{ container: base64(foreign) }, "model-cohort"],
      [{ container: base64(others) }, "model-classes"],
      [{ container: base64(factory.container) }, "model-current"],
      [{ container: better64, student: base64(Buffer.from("no model")) }, "onnx-truncated"],
    ];
    // Its shape is said in JSON: a letter that is lost there must not end the gateway.
    const spoilt = Buffer.from(better.student);
    spoilt.write("#", spoilt.indexOf('{"', spoilt.indexOf("studentSpec")));
    refusals.push([{ container: better64, student: base64(spoilt) }, "student-unreadable"]);
    for (const [request, code] of refusals) {
      expect(await ask("models/push", request), code).toMatchObject({ status: "error", code });
    }
    const cut = await ask("models/push", { container: base64(damaged.subarray(0, 900)) });
    expect(cut.status).toBe("error");
    expect(files()).toEqual(before);
    expect(diary.filter(({ type }) => type === "request")).toEqual([]);
    for (const name of ["rollout/pause", "models/rollback"] as const) {
      expect(await ask(name)).toMatchObject({ code: "rollout-none" });
    }
  }, 60_000);
});

describe("a canary", () => {
  it("is held, goes on, and ends when it is told to, with nobody else having had it", async () => {
    // Audits that never suffice: the canary stays a canary.
    await start(10_000);
    await herd(4);
    await ask("models/push", { container: better64 });
    await until("the canary runs it", () => running(better.container) === 1, 30_000);
    expect(await ask("models/push", { container: better64 })).toMatchObject({
      code: "rollout-spreading",
    });
    const others = known().filter(({ modelId }) => modelId === idOf(factory.container));
    const node = others[0]?.node ?? "";
    // The canary has room for one, which is taken: nobody's wish makes it larger.
    expect(await ask("models/install", { node })).toMatchObject({ data: { turn: "next-wave" } });
    expect(await ask("models/install", { node: "nobody" })).toMatchObject({ code: "node-unknown" });
    expect(await ask("rollout/pause")).toMatchObject({ data: { rollout: { state: "paused" } } });
    expect(await ask("rollout/pause")).toMatchObject({ code: "rollout-paused" });
    expect(await ask("models/install", { node })).toMatchObject({ data: { turn: "paused" } });
    expect(await ask("rollout/resume")).toMatchObject({
      data: { rollout: { state: "spreading", nodes: { first: 1 } } },
    });
    expect(await ask("rollout/resume")).toMatchObject({ code: "rollout-not-paused" });
    expect(running(better.container)).toBe(1);
    const ended = await ask("rollout/abort");
    expect(ended).toMatchObject({ data: { rollout: { purpose: "rollback", release: 2 } } });
    await until("it is back", () => running(factory.container) === 4, 30_000);
    expect(diary.find(({ type }) => type === "rolled-back")?.message).toBe("ended by operator");
    const releases = known().map(({ releaseSequence }) => releaseSequence);
    expect(releases).not.toContain(1);
  }, 120_000);
});

/** Operators as killed commands, or people, leave them, by the days since. */
function leaveBehind(data: string, days: Readonly<Record<string, number>>): void {
  const store = new AccessStore(data);
  const nothing = { secret: null, mosquitto: null, certificate: null, joinHash: null };
  for (const [name, age] of Object.entries(days)) {
    const createdMs = Date.now() - age * 24 * 3600 * 1000;
    const times = { createdMs, changedMs: createdMs };
    store.put({ name, role: "operator", ...nothing, ...times, proven: true });
  }
  store.close();
}

describe("bellwether models", () => {
  const models = (...words: string[]) =>
    run(process.execPath, [path.resolve("cli/main.ts"), "models", ...words, "--json"]);

  it("pushes, waits for the end, goes back, and leaves nobody behind who may", async () => {
    await start(0);
    await herd(3);
    const data = path.join(folder, "data");
    leaveBehind(data, { "cli-0badcafe": 8, "cli-00c0ffee": 6, "cli-anna": 8 });
    const at = ["--broker", open.gateway.url, "--data-dir", data];
    const pushed = await models("push", "profiles/cattle/student.bwm", ...at);
    expect([pushed.code, pushed.err]).toEqual([0, expect.stringContaining("release 1")]);
    expect(JSON.parse(pushed.out)).toMatchObject({
      release: 1,
      ended: "done",
      rollout: { model: idOf(better.container), nodes: { confirmed: 3, known: 3 } },
    });
    const aborted = await models("abort", ...at);
    expect(aborted.code).toBe(2);
    expect(aborted.err).toContain("(rollout-over)");
    const url = new URL(open.gateway.url);
    url.username = "operator";
    url.password = token;
    const back = await models("rollback", "--broker", url.href);
    expect(JSON.parse(back.out)).toMatchObject({ rollout: { release: 2, purpose: "rollback" } });
    const store = new AccessStore(data);
    // One that was killed days ago may be of a command that still waits; the other cannot be.
    const names = store.identities().map(({ name }) => name);
    expect(names).toEqual(["cli-00c0ffee", "cli-anna", "operator"]);
    store.close();
  }, 120_000);

  it("says so where nobody is there, or does not let it in", async () => {
    await start(0);
    const nobody = await models("pause", "--broker", "mqtt://a:b@127.0.0.1:1");
    expect([nobody.code, nobody.err]).toEqual([2, expect.stringContaining("broker-refused")]);
    const wrong = new URL(open.gateway.url);
    wrong.username = "operator";
    wrong.password = "wrong";
    const refused = await models("pause", "--broker", wrong.href);
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining("broker-refused")]);
    // A reader is let in, and its connection is closed over the question.
    const store = new AccessStore(path.join(folder, "data"));
    wrong.username = "anna";
    wrong.password = await givePassword(store, "anna", "reader");
    store.close();
    const reader = await models("pause", "--broker", wrong.href);
    expect([reader.code, reader.err]).toEqual([2, expect.stringContaining("request-unanswered")]);
  }, 60_000);
});

describe("a node that is moved", () => {
  it("is at the point of a model that was pushed by one message, and stays there over restarts", async () => {
    const decoded = decodeContainer(better.container);
    const points = encodePoints({ ...gateOf(decoded), operatingPoints: OPERATING_POINTS });
    const container = encodeContainer({ ...decoded, ...(points && { points }) });
    await start(0);
    await herd(2);
    const [first] = known();
    const node = first?.node ?? "";
    expect(await ask("nodes/point", { node, point: 9 })).toMatchObject({ code: "point-unknown" });
    await ask("models/push", { container: base64(container) });
    await until("all run it", () => running(container) === 2, 30_000);
    const at = ["--broker", open.gateway.url, "--data-dir", path.join(folder, "data"), "--json"];
    const words = ["nodes", "point", node, "30%", ...at];
    const moved = await run(process.execPath, [path.resolve("cli/main.ts"), ...words]);
    expect([moved.code, JSON.parse(moved.out)]).toMatchObject([0, { node, point: 2 }]);
    const states = new Map<string, Record<string, unknown>>();
    const listen = async () => {
      operator.on("message", (topic, payload) => {
        if (topic.endsWith("/state")) states.set(topic, JSON.parse(payload.toString()));
      });
      await operator.subscribeAsync(`${base}/+/state`, { qos: 1 });
    };
    await listen();
    const pointOf = () => states.get(`${base}/${node}/state`)?.operating_point;
    await until("it says so", () => pointOf() === 2, 30_000);
    const others = [...states].filter(([topic]) => topic !== `${base}/${node}/state`);
    expect(others.map(([, told]) => told.operating_point).filter((point) => point === 2)).toEqual(
      [],
    );
    await fleet?.stop();
    fleet = undefined;
    await operator.endAsync(true);
    await open.stop();
    await start(0);
    // Nodes that have lost everything run the model that they were made with, until they are updated.
    states.clear();
    await listen();
    await herd(2);
    await until("it is there again", () => pointOf() === 2, 60_000);
  }, 120_000);
});

describe("distilling", () => {
  it("is not begun without answers, and is held until somebody begins it, over a restart", async () => {
    await start(0);
    expect(await ask("distil/start")).toMatchObject({ status: "error", code: "labels-few" });
    expect(await ask("distil/stop")).toMatchObject({ data: { ended: false } });
    await operator.endAsync(true);
    await open.stop();
    await start(0);
    const progress: unknown = JSON.parse(
      readFileSync(path.join(folder, "data", "loop.json"), "utf8"),
    );
    expect(progress).toMatchObject({ held: true });
  }, 60_000);
});
