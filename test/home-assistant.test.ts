/** Home Assistant's discovery, as mosquitto_sub reads it from a running gateway. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { connectAsync } from "mqtt";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { OpenTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { NodeStateSchema } from "../src/wire/public.ts";
import { REQUESTS, requestTopic } from "../src/wire/requests.ts";
import {
  base,
  cattle,
  gatewayOn,
  HandNode,
  removeFolder,
  temporaryFolder,
  until,
  untrainedTeacher,
} from "./gateway-kit.ts";
import { DISCOVERY_TOPIC, DiscoverySchema, UpdateStateSchema } from "./home-assistant-rules.ts";

const mosquitto = spawnSync("mosquitto_sub", ["--help"]).error === undefined;
if (!mosquitto) console.info("home-assistant.test.ts is skipped: there is no mosquitto_sub");

let folder: string;
let teacher: OpenTeacher;

beforeAll(async () => {
  folder = temporaryFolder();
  teacher = await untrainedTeacher(folder);
});

afterAll(async () => {
  await teacher.close();
  removeFolder(folder);
});

/** `topic payload` line by line, as a Home Assistant would get them. */
function listen(url: string, version: string): { lines: string[]; child: ChildProcess } {
  const { port } = new URL(url);
  const args = ["-p", port, "-V", version, "-v", "-t", "homeassistant/#", "-t", `${base}/+/state`];
  const child = spawn("mosquitto_sub", args);
  const lines: string[] = [];
  let rest = "";
  child.stdout.on("data", (bytes: Buffer) => {
    const parts = (rest + bytes.toString()).split("\n");
    rest = parts.pop() ?? "";
    lines.push(...parts);
  });
  return { lines, child };
}

const configsOf = (lines: readonly string[]): Map<string, unknown> =>
  new Map(
    lines
      .filter((line) => line.startsWith("homeassistant/device/"))
      .map((line) => {
        const [topic = "", ...payload] = line.split(" ");
        return [topic, JSON.parse(payload.join(" "))];
      }),
  );

/** The fields of a payload that templates read. */
const fieldsOf = (template: string): string[] =>
  [...template.matchAll(/value_json\.([a-z_]+)/g)].map((match) => match[1] ?? "");

/** The one kind of template that makes an object: names in quotes, fields, texts put together by `~`. */
function rendered(template: string, payload: object): unknown {
  const inside = /^\{\{ \{(.*)\} \| to_json \}\}$/.exec(template)?.[1] ?? "";
  const pairs = inside.split(", ").map((pair) => {
    const [, name = "", value = ""] = /^'(\w+)': (.*)$/.exec(pair) ?? [];
    const parts = value.split(" ~ ").map((part) => {
      const field = /^value_json\.(\w+)$/.exec(part)?.[1];
      return field === undefined ? part.slice(1, -1) : (payload as Record<string, unknown>)[field];
    });
    return [name, parts.length === 1 ? parts[0] : parts.join("")] as const;
  });
  return Object.fromEntries(pairs);
}

describe.skipIf(!mosquitto)("discovery", () => {
  it("is one valid configuration for each node and the gateway, told again at its birth", async () => {
    const yaml = "broker: { port: 0 }\ndata_directory: on";
    const gateway = await gatewayOn(folder, teacher, { yaml });
    const collar = await HandNode.connect(gateway.url, "collar-1");
    await collar.hello({ wakeMs: 120_000 });
    await collar.report([0, 1, 2]);
    const first = listen(gateway.url, "5");
    await until("two configurations", () => configsOf(first.lines).size === 2);
    for (const [topic, config] of configsOf(first.lines)) {
      expect(topic).toMatch(DISCOVERY_TOPIC);
      expect(DiscoverySchema.parse(config)).toEqual(config);
    }
    const topic = "homeassistant/device/bellwether_collar-1/config";
    const config = DiscoverySchema.parse(configsOf(first.lines).get(topic));
    expect(config.components.behaviour).toMatchObject({
      options: cattle.classes,
      // Two and a half of the silences that the node announced.
      expire_after: 300,
      state_topic: `${base}/collar-1/behaviour`,
    });
    const { model } = config.components;
    expect(model).toMatchObject({
      platform: "update",
      command_topic: requestTopic(base, "models/install"),
    });
    const pressed: unknown = JSON.parse(
      (model as { payload_install?: string }).payload_install ?? "",
    );
    expect(REQUESTS["models/install"].request.parse(pressed)).toEqual({ node: "collar-1" });
    const { offload_wanted: wanted } = config.components;
    const typed = (wanted as { command_template?: string }).command_template ?? "";
    expect(
      REQUESTS["nodes/point"].request.parse(JSON.parse(typed.replace("{{ value }}", "2.5"))),
    ).toEqual({ node: "collar-1", percent: 2.5 });
    expect(wanted).toMatchObject({ command_topic: requestTopic(base, "nodes/point") });
    expect(config.device.via_device).toBe("bellwether_bridge");
    expect(configsOf(first.lines).has("homeassistant/device/bellwether_bridge/config")).toBe(true);
    const isState = (line: string) =>
      line.includes("/collar-1/state ") && line.includes('"battery":87');
    await until("a state", () => first.lines.some(isState));
    const state = first.lines.findLast((line) => line.includes("/collar-1/state ")) ?? "";
    const told = NodeStateSchema.parse(JSON.parse(state.slice(state.indexOf(" "))));
    expect(told).toMatchObject({ battery: 87, release: 0, latest_release: 0, updating: false });
    const read = Object.values(config.components).flatMap(
      ({ state_topic: from, value_template: template = "" }) =>
        from.endsWith("/state") ? fieldsOf(template) : [],
    );
    expect(read).toEqual(expect.arrayContaining(["battery", "fault"]));
    expect(told.fault).toBeNull();
    expect(Object.keys(told)).toEqual(expect.arrayContaining(read));
    expect(UpdateStateSchema.parse(rendered(model?.value_template ?? "", told))).toEqual({
      installed_version: "release 0",
      latest_version: "release 0",
      in_progress: false,
      update_percentage: null,
    });
    first.child.kill();

    // A reader that may say that a Home Assistant is there, and no more.
    const second = listen(gateway.url, "311");
    await until("the retained ones", () => configsOf(second.lines).size === 2);
    const before = second.lines.filter((line) => line.startsWith("homeassistant/device/")).length;
    const home = await connectAsync(gateway.url, { reconnectPeriod: 0 });
    await home.publishAsync("homeassistant/status", "online");
    const told2 = (): number =>
      second.lines.filter((line) => line.startsWith("homeassistant/device/")).length;
    await until("both again", () => told2() === before + 2);
    await home.publishAsync("homeassistant/status", "offline");
    second.child.kill();
    await home.endAsync();
    await collar.close();
    await gateway.stop();
  }, 30_000);

  it("is off where the configuration says so", async () => {
    const yaml = "broker: { port: 0 }\ndata_directory: off\nhome_assistant: { discovery: false }";
    const gateway = await gatewayOn(folder, teacher, { yaml });
    const collar = await HandNode.connect(gateway.url, "collar-1");
    await collar.hello();
    await collar.report([0]);
    const people = listen(gateway.url, "5");
    await until("the state", () => people.lines.some((line) => line.includes("/collar-1/state ")));
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect(configsOf(people.lines).size).toBe(0);
    people.child.kill();
    await collar.close();
    await gateway.stop();
  });
});

describe("the rules", () => {
  const good = {
    device: { identifiers: ["a"], name: "a" },
    origin: { name: "bellwether" },
    components: {
      b: {
        platform: "sensor",
        name: "B",
        unique_id: "a_b",
        state_topic: "t",
        device_class: "enum",
        options: ["x"],
      },
    },
  };

  it("take a small configuration", () => {
    expect(DiscoverySchema.safeParse(good).success).toBe(true);
  });

  it.each([
    ["no origin", { origin: undefined }],
    ["no identifiers", { device: { identifiers: [], name: "a" } }],
    [
      "an enum without options",
      { components: { b: { ...good.components.b, options: undefined } } },
    ],
    [
      "an enum with a unit",
      { components: { b: { ...good.components.b, unit_of_measurement: "%" } } },
    ],
    ["no unique id", { components: { b: { ...good.components.b, unique_id: undefined } } }],
  ])("refuse %s", (_what, change) => {
    expect(DiscoverySchema.safeParse({ ...good, ...change }).success).toBe(false);
  });
});
