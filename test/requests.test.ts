/** What operators ask for, over MQTT and over HTTP, on a running gateway: who is answered, and what. */

import { request as ask } from "node:http";
import { connectAsync, type IClientOptions, type IPublishPacket, type MqttClient } from "mqtt";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RequestDesk } from "../gateway/requests/request-desk.ts";
import type { RunningGateway } from "../gateway/run-gateway.ts";
import type { OpenTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { joinTopic } from "../src/wire/join.ts";
import {
  REQUEST_BYTES_MAX,
  REQUEST_NAMES,
  requestTopic,
  responseSchema,
  responseTopic,
} from "../src/wire/requests.ts";
import { bellwether } from "./access-kit.ts";
import {
  base,
  gatewayOn,
  removeFolder,
  temporaryFolder,
  until,
  untrainedTeacher,
} from "./gateway-kit.ts";

let folder: string;
let teacher: OpenTeacher;
let gateway: RunningGateway;
let token: string;
let readerPassword: string;

beforeEach(async () => {
  folder = temporaryFolder();
  teacher = await untrainedTeacher(folder);
  gateway = await gatewayOn(folder, teacher, {
    yaml: "data_directory: .\nbroker: { port: 0 }\nhttp: { port: 0 }",
  });
  token = (await gateway.beginOperator()) ?? "";
  const added = await bellwether("users", "add", "anna", "--data-dir", folder);
  readerPassword = String(added.password);
});

afterEach(async () => {
  await gateway.stop();
  await teacher.close();
  removeFolder(folder);
});

type Heard = {
  readonly topic: string;
  readonly body: Record<string, unknown>;
  readonly packet: IPublishPacket;
};
type Client = { readonly client: MqttClient; readonly heard: Heard[] };

async function clientOf(options: IClientOptions): Promise<Client> {
  const client = await connectAsync(gateway.url, { reconnectPeriod: 0, ...options });
  client.on("error", () => undefined);
  const heard: Heard[] = [];
  client.on("message", (topic, payload, packet) => {
    // An operator also hears what it asks itself.
    if (topic.startsWith(requestTopic(base, ""))) return;
    heard.push({ topic, body: JSON.parse(payload.toString()) as Heard["body"], packet });
  });
  await client.subscribeAsync(`${base}/bridge/#`, { qos: 1 });
  return { client, heard };
}

const operator = (more: IClientOptions = {}): Promise<Client> =>
  clientOf({ username: "operator", password: token, ...more });

async function answerTo({ client, heard }: Client, name: string, payload: string | Buffer) {
  const before = heard.length;
  await client.publishAsync(requestTopic(base, name), payload, { qos: 1 });
  const find = (): Heard | undefined =>
    heard.slice(before).find(({ topic }) => topic.startsWith(responseTopic(base, "")));
  await until(`an answer to ${name}`, () => find() !== undefined);
  return find() as Heard;
}

/** By its code a device gets a password of its own, which is returned. */
async function joinsBy(name: string, code: string): Promise<string> {
  const client = await connectAsync(gateway.url, {
    clientId: name,
    username: "join",
    password: code,
    reconnectPeriod: 0,
  });
  let password = "";
  client.on("message", (_topic, payload) => {
    password = (JSON.parse(payload.toString()) as { password?: string }).password ?? "";
  });
  await client.subscribeAsync(joinTopic(base, name, "response"));
  await client.publishAsync(joinTopic(base, name, "request"), '{"v":1}', { qos: 1 });
  await until("its password", () => password !== "");
  await client.endAsync(true);
  return password;
}

describe("over MQTT", () => {
  it.each([4, 5] as const)(
    "an operator of MQTT %i is answered, with its transaction",
    async (protocolVersion) => {
      const anna = await operator({ protocolVersion });
      const { topic, body } = await answerTo(anna, "health", '{"transaction":"t-1"}');
      expect(topic).toBe(responseTopic(base, "health"));
      expect(body).toMatchObject({ status: "ok", transaction: "t-1", data: { healthy: true } });
      expect(responseSchema("health").safeParse(body).success).toBe(true);
      const bare = await answerTo(anna, "health", "");
      expect(bare.body.status).toBe("ok");
      expect(bare.body).not.toHaveProperty("transaction");
      await anna.client.endAsync(true);
    },
  );

  it("answers where MQTT 5 wants it, with the correlation data, but nowhere that others hear", async () => {
    const anna = await operator({ protocolVersion: 5 });
    const askWith = async (wanted: string): Promise<Heard> => {
      const before = anna.heard.length;
      const properties = { responseTopic: wanted, correlationData: Buffer.from([1, 2, 255]) };
      await anna.client.publishAsync(requestTopic(base, "health"), "{}", { qos: 1, properties });
      const find = () => anna.heard.slice(before).find(({ body }) => body.status === "ok");
      await until("the answer", () => find() !== undefined);
      return find() as Heard;
    };
    const own = await askWith(`${base}/bridge/response/anna-7`);
    expect(own.topic).toBe(`${base}/bridge/response/anna-7`);
    expect([...(own.packet.properties?.correlationData ?? [])]).toEqual([1, 2, 255]);
    for (const elsewhere of [
      `${base}/node/collar-1/down/setting`,
      `${base}/bridge/state`,
      `${base}/bridge/response/../state`,
      `${base}/bridge/response/`,
    ]) {
      expect((await askWith(elsewhere)).topic, elsewhere).toBe(responseTopic(base, "health"));
    }
    await anna.client.endAsync(true);
  });

  it.each([
    ["no JSON", "health", "{", "request-json"],
    ["an array", "health", "[]", "request-json"],
    ["no text", "health", Buffer.from([0xff, 0x7b]), "request-json"],
    ["a field that is not known", "health", '{"transaction":5,"verbose":true}', "request-invalid"],
    [
      "a transaction without end",
      "health",
      JSON.stringify({ transaction: "x".repeat(65) }),
      "request-invalid",
    ],
    ["another name", "models/explode", '{"transaction":5}', "request-unknown"],
    [
      "too many bytes",
      "health",
      `{"transaction":"${"x".repeat(REQUEST_BYTES_MAX)}"}`,
      "request-oversized",
    ],
  ])("refuses %s, with a code and a hint", async (_what, name, payload, code) => {
    const anna = await operator();
    const { body } = await answerTo(anna, name, payload);
    expect(body).toMatchObject({ v: 1, status: "error", code, data: {} });
    expect(String(body.hint).length).toBeGreaterThan(0);
    if (String(payload).includes('"transaction":5')) expect(body.transaction).toBe(5);
    await anna.client.endAsync(true);
  });

  it("a reader, a node and a neighbour without credentials are not heard, and hear no answer", async () => {
    const others = (node: string): Promise<Client[]> =>
      Promise.all([
        clientOf({ username: "anna", password: readerPassword }),
        clientOf({ clientId: "" }),
        clientOf({ clientId: node }),
      ]);
    const [asking, listening] = [await others("collar-1"), await others("collar-2")];
    const boss = await operator();
    for (const { client } of asking) {
      client.publish(requestTopic(base, "health"), "{}", { qos: 0 });
      // MQTT 3.1.1 has no answer to a publication but to end the connection.
      await until("its end", () => !client.connected);
    }
    await answerTo(boss, "health", '{"transaction":"boss"}');
    const answers = boss.heard.filter(({ topic }) => topic === responseTopic(base, "health"));
    expect(answers.map(({ body }) => body.transaction)).toEqual(["boss"]);
    // What is told after the answer comes after it, so that who hears this has missed the answer.
    await answerTo(boss, "nodes/add", "{}");
    for (const { client, heard } of listening) {
      await until("the diary", () => heard.some(({ topic }) => topic.endsWith("/bridge/event")));
      expect(heard.filter(({ topic }) => topic.includes("/re"))).toEqual([]);
      await client.endAsync(true);
    }
    for (const { client } of [...asking, boss]) await client.endAsync(true);
  });

  it("gives a node credentials, new ones, and takes them away, which ends its session", async () => {
    const anna = await operator();
    const data = async (name: string, request: object): Promise<Record<string, unknown>> => {
      const { body } = await answerTo(anna, name, JSON.stringify(request));
      expect(body, name).toMatchObject({ status: "ok" });
      return body.data as Record<string, unknown>;
    };
    const { code } = await data("nodes/add", { node: "collar-7" });
    expect(code).toMatch(/^[0-9A-Z]{4}-[0-9A-Z]{4}$/);
    const joined = await joinsBy("collar-7", String(code));
    const options = { clientId: "collar-7", username: "collar-7", reconnectPeriod: 0 };
    const first = await connectAsync(gateway.url, { ...options, password: joined });
    const { password } = await data("nodes/rotate", { node: "collar-7" });
    await until("the old session to end", () => !first.connected);
    const second = await connectAsync(gateway.url, { ...options, password: String(password) });
    expect(await data("nodes/list", {})).toMatchObject({ nodes: [{ node: "collar-7" }] });
    expect(await data("nodes/revoke", { name: "collar-7" })).toMatchObject({ node: true });
    await until("the new session to end", () => !second.connected);
    const again = await answerTo(anna, "nodes/revoke", '{"name":"collar-7"}');
    expect(again.body).toMatchObject({ status: "error", code: "access-unknown" });
    const told = anna.heard.filter(({ body }) => body.type === "request");
    expect(told.map(({ body }) => body.message)).toEqual([
      "operator over MQTT: nodes/add: collar-7",
      "operator over MQTT: nodes/rotate: collar-7",
      "operator over MQTT: nodes/revoke: collar-7",
    ]);
    expect(JSON.stringify(told)).not.toContain(String(code));
    await anna.client.endAsync(true);
  });

  it("shows the settings in force and no secret", async () => {
    const anna = await operator();
    const { body } = await answerTo(anna, "config/show", "{}");
    expect(body).toMatchObject({ data: { settings: { broker: { port: 0 }, profile: "cattle" } } });
    expect(JSON.stringify(body)).not.toContain(token);
    await anna.client.endAsync(true);
  });
});

describe("the desk", () => {
  it("carries one out after the other, and sends away who asks when sixteen wait", async () => {
    const begun: ((done: { data: { ended: boolean } }) => void)[] = [];
    const desk = new RequestDesk({
      table: { "distil/stop": () => new Promise((resolve) => begun.push(resolve)) },
      tellDiary: () => undefined,
      log: () => undefined,
    });
    const asks = () => desk.answer("distil/stop", Buffer.from("{}"), { user: "anna", via: "MQTT" });
    const waiting = Array.from({ length: 16 }, asks);
    expect(await asks()).toMatchObject({ status: "error", code: "request-busy" });
    for (let done = 0; done < 16; done++) {
      await until("the next", () => begun.length > done);
      expect(begun).toHaveLength(done + 1);
      begun[done]?.({ data: { ended: true } });
    }
    const answers = await Promise.all(waiting);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set(["ok"]));
  });
});

type Answer = {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly text: string;
};

function post(path: string, headers: Record<string, string>, body = "{}"): Promise<Answer> {
  const url = new URL(path, gateway.pageUrl);
  return new Promise((resolve, reject) => {
    const asked = ask(url, { agent: false, method: "POST", headers }, (response) => {
      let text = "";
      response.on("data", (bytes: Buffer) => {
        text += bytes.toString();
      });
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
      );
    });
    asked.on("error", reject);
    asked.end(body);
  });
}

const basic = (user: string, password: string): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`,
});
const JSON_TYPE = { "content-type": "application/json" };
const ours = (): Record<string, string> => ({ origin: new URL(gateway.pageUrl ?? "").origin });
const good = (): Record<string, string> => ({
  ...JSON_TYPE,
  ...ours(),
  ...basic("operator", token),
});

describe("over HTTP", () => {
  it("an operator is answered as over MQTT", async () => {
    const { status, headers, text } = await post(
      "/api/request/health",
      good(),
      '{"transaction":7}',
    );
    expect(status).toBe(200);
    expect(headers["cache-control"]).toBe("no-store");
    const body: unknown = JSON.parse(text);
    expect(body).toMatchObject({ status: "ok", transaction: 7 });
    expect(responseSchema("health").safeParse(body).success).toBe(true);
    const bySite = { ...JSON_TYPE, "sec-fetch-site": "same-origin", ...basic("operator", token) };
    expect((await post("/api/request/health", bySite)).status).toBe(200);
    const malformed = await post("/api/request/health", good(), "{");
    expect(malformed.status).toBe(400);
    expect(JSON.parse(malformed.text)).toMatchObject({ status: "error", code: "request-json" });
  });

  it("every request is for operators: nobody, readers, operators with a wrong token", async () => {
    expect(REQUEST_NAMES.length).toBeGreaterThan(1);
    for (const name of REQUEST_NAMES) {
      const path = `/api/request/${name}`;
      const by = async (who: Record<string, string>): Promise<number> =>
        (await post(path, { ...JSON_TYPE, ...ours(), ...who }, "[]")).status;
      expect([name, await by({})]).toEqual([name, 401]);
      expect([name, await by(basic("anna", readerPassword))]).toEqual([name, 403]);
      // Understood, and then refused for what it says: an array.
      expect([name, await by(basic("operator", token))]).toEqual([name, 400]);
    }
    expect(
      (await post("/api/request/health", { ...good(), ...basic("operator", "x") })).status,
    ).toBe(401);
  });

  it("a body that is too long is not taken, announced or not", async () => {
    const long = "x".repeat(REQUEST_BYTES_MAX + 1);
    expect((await post("/api/request/health", good(), long)).status).toBe(413);
    const chunked = { ...good(), "transfer-encoding": "chunked" };
    expect((await post("/api/request/health", chunked, long)).status).toBe(413);
    expect((await post("/api/request/health", good())).status).toBe(200);
  });
});
