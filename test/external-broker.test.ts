/** The gateway as a client of a broker that people run already, here Debian's mosquitto. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { connectAsync } from "mqtt";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { OpenTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { encodeUp } from "../src/wire/frames.ts";
import { downKindOf, toLoraPayloads } from "../src/wire/lora.ts";
import type { DownKind } from "../src/wire/messages.ts";
import { run } from "./access-kit.ts";
import {
  base,
  freePort,
  gatewayEnvironment,
  gatewayOn,
  HandNode,
  helloOf,
  offloadOf,
  removeFolder,
  reportOf,
  temporaryFolder,
  until,
  untrainedTeacher,
} from "./gateway-kit.ts";
import { MOSQUITTO, startMosquitto, stopMosquitto } from "./mosquitto.ts";

if (MOSQUITTO === undefined) {
  console.info("mosquitto is not installed (Debian: mosquitto): its tests are skipped");
}

let folder: string;
let teacher: OpenTeacher;
let broker: ChildProcess | undefined;
let port: number;

beforeEach(async () => {
  folder = temporaryFolder();
  teacher = await untrainedTeacher(folder);
  port = await freePort();
});

afterEach(async () => {
  await stopBroker();
  await teacher.close();
  removeFolder(folder);
});

describe.skipIf(MOSQUITTO === undefined)("an external broker", () => {
  it("serves nodes and people as the embedded one does", async () => {
    await startBroker();
    const gateway = await gatewayOn(folder, teacher, { yaml: yaml() });
    await until("connected", () => gateway.lines.some(({ text }) => text.startsWith("connected")));
    const people = await connectAsync(url(), { reconnectPeriod: 0 });
    const seen = new Map<string, Record<string, unknown>>();
    people.on("message", (topic, payload) => seen.set(topic, JSON.parse(payload.toString())));
    await people.subscribeAsync([`${base}/+/+`]);
    const node = await HandNode.connect(url(), "collar-1");
    await node.hello();
    await node.report([0]);
    await node.offload();
    await until(
      "ack and verdict",
      () => node.of("verdict").length === 1 && node.acked().length === 2,
    );
    await until("a behaviour", () => seen.has(`${base}/collar-1/behaviour`));
    expect(seen.get(`${base}/bridge/state`)).toEqual({ state: "online" });
    await node.close();
    await gateway.stop();
    await until("offline", () => seen.get(`${base}/bridge/state`)?.state === "offline");
    await people.endAsync();
  });

  it("carries what is asked of the gateway, once, and not what it keeps from before", async () => {
    await startBroker();
    const people = await connectAsync(url(), { reconnectPeriod: 0, protocolVersion: 5 });
    const answers: { transaction?: unknown; status?: unknown; code?: unknown }[] = [];
    people.on("message", (_topic, payload) => answers.push(JSON.parse(payload.toString())));
    await people.subscribeAsync(`${base}/bridge/response/#`, { qos: 1 });
    const topic = `${base}/bridge/request/health`;
    await people.publishAsync(topic, '{"transaction":"kept"}', { qos: 1, retain: true });
    const gateway = await gatewayOn(folder, teacher, { yaml: yaml() });
    await until("connected", () => gateway.lines.some(({ text }) => text.startsWith("connected")));
    await people.publishAsync(topic, '{"transaction":1}', { qos: 1 });
    const node = await HandNode.connect(url(), "collar-1");
    await node.hello();
    await until("heard", () => gateway.nodes().length === 1);
    // Whom the broker lets in is the broker's own business.
    const ask = (name: string, request: object) =>
      people.publishAsync(`${base}/bridge/request/${name}`, JSON.stringify(request), { qos: 1 });
    await ask("nodes/list", { transaction: 2 });
    await ask("nodes/add", { transaction: 3 });
    await ask("nodes/rotate", { transaction: 4, node: "collar-1" });
    await until("four answers", () => answers.length === 4);
    expect(answers).toMatchObject([
      { transaction: 1, status: "ok" },
      {
        transaction: 2,
        data: { nodes: [{ node: "collar-1", password: false, online: true }], codes: [] },
      },
      { transaction: 3, status: "error", code: "credentials-elsewhere" },
      { transaction: 4, status: "error", code: "credentials-elsewhere" },
    ]);
    await node.close();
    await gateway.stop();
    await people.endAsync();
  });

  it("leaves operators their page and their commands, who are nobody on it", async () => {
    const passwords = path.join(folder, "passwords");
    writeFileSync(passwords, "gateway:secret-of-the-farm\n");
    expect(spawnSync("mosquitto_passwd", ["-U", passwords]).status).toBe(0);
    await startBroker(`password_file ${passwords}\nallow_anonymous false\n`);
    writeFileSync(path.join(folder, "mqtt-password"), "secret-of-the-farm\n");
    const at = `mqtt://gateway@127.0.0.1:${port}`;
    const yaml =
      `broker: { url: "${at}", password_file: mqtt-password }\n` +
      `http: { port: ${await freePort()} }\nmetrics: { enabled: false }\n`;
    const file = path.join(folder, "gateway.yaml");
    writeFileSync(file, yaml);
    const gateway = await gatewayOn(folder, teacher, { yaml });
    const token = await gateway.beginOperator();
    const page = gateway.pageUrl ?? "";
    const post = (user: string, password: string) =>
      fetch(`${page}/api/request/health`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          origin: page,
          authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`,
        },
        body: "{}",
      });
    expect(await (await post("operator", token ?? "")).json()).toMatchObject({ status: "ok" });
    expect((await post("operator", "wrong")).status).toBe(401);
    const cli = (...words: string[]) =>
      run(process.execPath, [path.resolve("cli/main.ts"), ...words, "--json", "--config", file]);
    const listed = await cli("labels", "list");
    expect([listed.code, JSON.parse(listed.out)]).toMatchObject([0, { windows: [] }]);
    // It came there, and this gateway makes no releases.
    expect((await cli("models", "pause")).err).toContain("(request-unavailable)");
    // Nobody could join by a code; who has a password is written out for Mosquitto.
    expect((await cli("nodes", "add", "collar-1")).err).toContain("(credentials-elsewhere)");
    const added = await cli("nodes", "add", "collar-1", "--password");
    expect([added.code, added.err]).toEqual([0, expect.stringContaining("nodes export")]);
    const names = JSON.parse((await cli("users", "list")).out) as unknown;
    expect(JSON.stringify(names)).not.toContain("cli-");
    await gateway.stop();
    const gone = await cli("labels", "list");
    expect([gone.code, gone.err]).toEqual([2, expect.stringContaining("(gateway-refused)")]);
  }, 40_000);

  it("may start after the gateway, and go away for a while", async () => {
    const gateway = await gatewayOn(folder, teacher, { yaml: yaml() });
    await until("told that nobody answers", () =>
      gateway.lines.some(({ text }) => text.startsWith("broker does not answer")),
    );
    for (let round = 0; round < 2; round++) {
      await startBroker();
      await until("retained topics told anew", () => retainedState(), 10_000);
      const node = await HandNode.connect(url(), "collar-1");
      await node.offload({ epoch: 1 + round });
      await until("verdict", () => node.of("verdict").length === 1);
      await node.close();
      await stopBroker();
      await until(
        "loss is told",
        () =>
          gateway.lines.filter(({ text }) => text.startsWith("broker lost")).length === round + 1,
      );
    }
    await gateway.stop();
  }, 30_000);

  it("tells that the gateway died by its last will", async () => {
    await startBroker();
    const people = await connectAsync(url(), { reconnectPeriod: 0 });
    const states: unknown[] = [];
    people.on("message", (_topic, payload) => states.push(JSON.parse(payload.toString()).state));
    await people.subscribeAsync(`${base}/bridge/state`);
    const child = spawn(
      process.execPath,
      [
        path.resolve("cli/main.ts"),
        ...["gateway", "--serve-only", "--broker", url()],
        ...["--data-dir", path.join(folder, "killed")],
        ...["--teacher", path.join(folder, "untrained.onnx")],
      ],
      { env: gatewayEnvironment(), stdio: "ignore" },
    );
    await until("online", () => states.at(-1) === "online", 20_000);
    child.kill("SIGKILL");
    await until("offline", () => states.at(-1) === "offline");
    await people.endAsync();
  }, 40_000);

  it("may be ChirpStack's, with nodes of ours behind LoRaWAN", async () => {
    await startBroker();
    const eui = "70b3d57ed0000001";
    const lorawan = `lorawan: { url: "${url()}", application: app-1, devices: { "${eui}": cow-9 } }`;
    const gateway = await gatewayOn(folder, teacher, { yaml: `${yaml()}\n${lorawan}` });
    await until(
      "connected twice",
      () => gateway.lines.filter(({ text }) => text.startsWith("connected")).length === 2,
    );
    const chirpstack = await connectAsync(url(), { reconnectPeriod: 0 });
    const told: DownKind[] = [];
    let behaviour: unknown;
    chirpstack.on("message", (topic, payload) => {
      const content = JSON.parse(payload.toString()) as { data: string; behaviour: unknown };
      if (topic === `${base}/cow-9/behaviour`) behaviour = content.behaviour;
      else told.push(downKindOf(Buffer.from(content.data, "base64")) ?? "offer");
    });
    await chirpstack.subscribeAsync([
      `application/app-1/device/${eui}/command/down`,
      `${base}/cow-9/behaviour`,
    ]);
    let uplinks = 0;
    for (const message of [helloOf({}), reportOf(0, [0, 1, 2]), offloadOf(1)]) {
      for (const payload of toLoraPayloads(message.kind, encodeUp(message), 222) ?? []) {
        const content = {
          deduplicationId: `id-${uplinks++}`,
          deviceInfo: { applicationId: "app-1", devEui: eui },
          dr: 5,
          fCnt: uplinks,
          fPort: 10,
          data: Buffer.from(payload).toString("base64"),
        };
        await chirpstack.publishAsync(
          `application/app-1/device/${eui}/event/up`,
          JSON.stringify(content),
        );
      }
    }
    await until("acknowledgements and a verdict", () => told.includes("verdict"));
    await until("acknowledged", () => told.includes("ack"));
    await until("a behaviour", () => behaviour !== undefined);
    expect(gateway.nodes().map(({ node }) => node)).toEqual(["cow-9"]);
    await chirpstack.endAsync();
    await gateway.stop();
  });

  it("that wants a password gets it from a file, and no log shows it", async () => {
    const passwords = path.join(folder, "passwords");
    writeFileSync(passwords, "gateway:secret-of-the-farm\n");
    expect(spawnSync("mosquitto_passwd", ["-U", passwords]).status).toBe(0);
    await startBroker(`password_file ${passwords}\nallow_anonymous false\n`);
    writeFileSync(path.join(folder, "mqtt-password"), "secret-of-the-farm\n");
    const withUser = `broker: { url: "mqtt://gateway@127.0.0.1:${port}", password_file: mqtt-password }`;
    const gateway = await gatewayOn(folder, teacher, { yaml: withUser });
    await until("connected", () => gateway.lines.some(({ text }) => text.startsWith("connected")));
    await gateway.stop();
    expect(JSON.stringify(gateway.lines)).not.toContain("secret");
    writeFileSync(path.join(folder, "mqtt-password"), "wrong\n");
    const refused = await gatewayOn(folder, teacher, { yaml: withUser });
    await until("told", () => refused.lines.some(({ text }) => /not authori[sz]ed/i.test(text)));
    await refused.stop();
  }, 20_000);
});

const url = (): string => `mqtt://127.0.0.1:${port}`;
const yaml = (): string => `broker: { url: "${url()}" }`;

/** True when a newcomer is told that the gateway is online. */
async function retainedState(): Promise<boolean> {
  const client = await connectAsync(url(), { reconnectPeriod: 0 });
  try {
    let state: unknown;
    client.on("message", (_topic, payload) => {
      state = JSON.parse(payload.toString()).state;
    });
    await client.subscribeAsync(`${base}/bridge/state`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    return state === "online";
  } finally {
    await client.endAsync();
  }
}

async function startBroker(more?: string): Promise<void> {
  broker = await startMosquitto(folder, port, more);
}

async function stopBroker(): Promise<void> {
  const running = broker;
  broker = undefined;
  await stopMosquitto(running);
}
