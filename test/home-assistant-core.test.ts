/**
 * Home Assistant itself on a gateway's broker: what it makes of our discovery. Nodes become devices with
 * entities, states change, a model is installed by its own button, and what is silent is shown as
 * unavailable. Runs where `BELLWETHER_HASS` names the command that starts one.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { connectAsync, type MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Fleet } from "../device-sim/fleet.ts";
import type { LoopGateway } from "../gateway/start-loop.ts";
import { type OpenTeacher, openOnnxTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { cohortOf } from "../src/signal/profile.ts";
import { requestTopic } from "../src/wire/requests.ts";
import { Chromium, findChromium } from "./chromium.ts";
import { base, HandNode, removeFolder, temporaryFolder, until } from "./gateway-kit.ts";
import { type EntityState, HASS, HomeAssistant } from "./home-assistant-kit.ts";
import { better, releaseGateway, releaseHerd } from "./release-kit.ts";
import { cattle } from "./turning-herd.ts";

if (HASS === undefined) {
  console.log("Home Assistant is skipped: BELLWETHER_HASS names no command that starts one");
}

const NODES = 3;
/** Entities of a node, as Home Assistant names them. */
const ENTITIES = [
  ...["sensor.*_behaviour", "sensor.*_confidence", "sensor.*_battery", "sensor.*_offload_share"],
  "update.*_model",
];

let folder: string;
let teacher: OpenTeacher;
let open: LoopGateway;
let fleet: Fleet;
let home: HomeAssistant;
let operator: MqttClient;
const told: { readonly topic: string; readonly message: Record<string, unknown> }[] = [];

beforeAll(async () => {
  if (HASS === undefined) return;
  folder = temporaryFolder();
  mkdirSync(path.join(folder, "data"));
  mkdirSync(path.join(folder, "home"));
  teacher = await openOnnxTeacher("profiles/cattle/teacher.onnx", cattle);
  // Audits that never suffice: the canary stays one.
  open = await releaseGateway(folder, teacher, 10_000);
  const password = (await open.gateway.beginOperator()) ?? "";
  operator = await connectAsync(open.gateway.url, { username: "operator", password });
  operator.on("message", (topic, payload) => {
    told.push({ topic, message: JSON.parse(payload.toString()) as Record<string, unknown> });
  });
  await operator.subscribeAsync([`${base}/+/behaviour`, `${base}/bridge/event`]);
  fleet = await releaseHerd(folder, open, NODES);
  home = await HomeAssistant.start(HASS, path.join(folder, "home"));
  const broker = new URL(open.gateway.url.replace(/^mqtt:/, "http:"));
  broker.username = "operator";
  broker.password = password;
  await home.connect(broker);
}, 300_000);

afterAll(async () => {
  if (HASS === undefined) return;
  await home?.stop();
  await fleet?.stop();
  await operator?.endAsync(true);
  await open?.stop();
  await teacher?.close();
  removeFolder(folder);
});

const named = (pattern: string, node: string): string =>
  pattern.replace("*", node.replaceAll("-", "_"));
const nodes = (): string[] => open.gateway.nodes().map(({ node }) => node);

/** Waits until an entity is as it should be. */
async function becomes(
  entity: string,
  holds: (state: EntityState) => boolean,
  withinMs = 20_000,
): Promise<EntityState> {
  let last: EntityState | undefined;
  const isSo = async (): Promise<boolean> => {
    last = await home.state(entity);
    return last !== undefined && holds(last);
  };
  await until(entity, isSo, withinMs).catch((error: Error) => {
    throw new Error(`${error.message}; it is ${JSON.stringify(last)}`);
  });
  return last as EntityState;
}

describe.skipIf(HASS === undefined)("Home Assistant", { timeout: 120_000 }, () => {
  it("makes a device of each node, with its entities, behind the gateway's", async () => {
    expect(nodes()).toHaveLength(NODES);
    for (const node of nodes()) {
      for (const pattern of ENTITIES) {
        await becomes(named(pattern, node), ({ state }) => !/unknown|unavailable/.test(state));
      }
      const device = `device_id('${named("sensor.*_behaviour", node)}')`;
      const about = ["name", "manufacturer", "model"].map(
        (key) => `device_attr(${device}, '${key}')`,
      );
      expect(await home.render(`{{ [${about.join(", ")}] | to_json }}`)).toBe(
        JSON.stringify([node, "Bellwether", cohortOf(cattle)]),
      );
      const gateway = "device_id('sensor.bellwether_loop')";
      const isBehind = `device_attr(${device}, 'via_device_id') == ${gateway}`;
      expect(await home.render(`{{ ${isBehind} and ${gateway} is not none }}`)).toBe("True");
    }
    const behaviour = await home.state(named("sensor.*_behaviour", nodes()[0] ?? ""));
    expect(behaviour?.attributes).toMatchObject({
      options: cattle.classes,
      device_class: "enum",
    });
  });

  it("shows what the topics say, as it changes", async () => {
    const node = nodes()[0] ?? "";
    const entity = named("sensor.*_behaviour", node);
    const first = await becomes(entity, () => true);
    const next = await becomes(
      entity,
      ({ attributes }) => Number(attributes.sequence) > Number(first.attributes.sequence),
    );
    const said = told.filter(({ topic }) => topic === `${base}/${node}/behaviour`);
    const same = said.find(({ message }) => message.sequence === next.attributes.sequence);
    expect(next.attributes).toMatchObject(same?.message ?? { nothing: "was said" });
    expect(next.state).toBe(same?.message.behaviour);
    const offline = await becomes(named("sensor.*_confidence", node), () => true);
    expect(Number(offline.state)).toBeGreaterThan(0);
    expect(Number(offline.state)).toBeLessThanOrEqual(100);
  });

  it("tells of a release, and asks for it when its button is pressed", async () => {
    const container = Buffer.from(better.container).toString("base64");
    await operator.publishAsync(requestTopic(base, "models/push"), JSON.stringify({ container }));
    const update = (node: string) => named("update.*_model", node);
    await until("the canary runs it", () => running().length === 1, 30_000);
    const [canary = ""] = running();
    await becomes(
      update(canary),
      ({ state, attributes }) => state === "off" && attributes.installed_version === "release 1",
    );
    const other = nodes().find((node) => node !== canary) ?? "";
    const waiting = await becomes(update(other), ({ state }) => state === "on");
    expect(waiting.attributes).toMatchObject({
      installed_version: "release 0",
      latest_version: "release 1",
    });
    await home.post("/api/services/update/install", { entity_id: update(other) });
    const asked = `operator over MQTT: models/install: ${other}, release 1`;
    await until("the request", () =>
      told.some(({ topic, message }) => topic.endsWith("/event") && message.message === asked),
    );
    // The canary has room for one, whoever presses what.
    expect(running()).toEqual([canary]);
  });

  it("shows a node as unavailable that is silent for longer than it announced", async () => {
    const collar = await HandNode.connect(open.gateway.url, "silent-1");
    await collar.hello({ cohort: cohortOf(cattle), wakeMs: 1_000 });
    await collar.report([0, 1, 2]);
    const entity = named("sensor.*_behaviour", "silent-1");
    await becomes(entity, ({ state }) => cattle.classes.includes(state));
    // Two and a half times the least silence that a node is given.
    await becomes(entity, ({ state }) => state === "unavailable", 40_000);
    await collar.close();
  });

  it("has nothing to complain of, and shows nodes as unavailable that have gone", async () => {
    await takePicture();
    await fleet.stop();
    for (const node of nodes()) {
      await becomes(named("sensor.*_behaviour", node), ({ state }) => state === "unavailable");
    }
    expect(home.complaints()).toEqual([]);
  });
});

/** Nodes that run the release. */
function running(): string[] {
  const all = open.gateway.nodes().filter(({ releaseSequence }) => releaseSequence === 1);
  return all.map(({ node }) => node);
}

/** `BELLWETHER_PICTURES=docs` keeps what the documentation shows: a node on Home Assistant's page. */
async function takePicture(): Promise<void> {
  const directory = process.env.BELLWETHER_PICTURES;
  const program = directory === undefined ? undefined : findChromium();
  if (directory === undefined || program === undefined) return;
  const chromium = await Chromium.start(program);
  const look = { width: 1_100, height: 760 };
  await chromium.open(`${home.url}/manifest.json`, look);
  await until("its page", () => chromium.value<boolean>("location.pathname === '/manifest.json'"));
  await chromium.value(`localStorage.setItem("hassTokens", ${JSON.stringify(home.pageTokens)})`);
  const entity = named("sensor.*_behaviour", nodes()[1] ?? "");
  const device = await home.render(`{{ device_id('${entity}') }}`);
  await chromium.open(`${home.url}/config/devices/device/${device}`, look);
  await new Promise((resolve) => setTimeout(resolve, 8_000));
  // It asks whether its port, which is not the usual one, is to stay.
  await chromium.value(`(function press(root) {
    for (const one of root.querySelectorAll("*")) {
      if (one.shadowRoot) press(one.shadowRoot);
      if (one.localName === "ha-button" && one.textContent.trim() === "Confirm") one.click();
    }
  })(document)`);
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  writeFileSync(path.join(directory, "home-assistant.png"), await chromium.picture());
  await chromium.close();
}
