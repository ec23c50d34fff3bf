/**
 * A phone as a node, in a real browser against a real gateway.
 */

import { readFileSync } from "node:fs";
import path from "node:path";
import { connectAsync, type MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { OpenTeacher } from "../gateway/onnx-teacher.ts";
import type { RunningGateway } from "../gateway/run-gateway.ts";
import { phoneLink } from "../src/wire/phone.ts";
import { nodeId, nodeTopic } from "../src/wire/topics.ts";
import { bellwether } from "./access-kit.ts";
import { Chromium, findChromium } from "./chromium.ts";
import { ROOT } from "./house-sources.ts";
import {
  base,
  gatewayOn,
  removeFolder,
  temporaryFolder,
  until,
  untrainedTeacher,
} from "./gateway-kit.ts";

const program = findChromium();
const FACTORY = readFileSync(path.join(ROOT, "profiles/cattle/student.bwm"));
const PHONE = nodeId("phone-1");

describe.skipIf(program === undefined)("a phone", { timeout: 120_000 }, () => {
  let folder: string;
  let teacher: OpenTeacher;
  let gateway: RunningGateway;
  let chromium: Chromium;
  let reader: MqttClient;
  const heard: { topic: string; text: string }[] = [];

  beforeAll(async () => {
    folder = temporaryFolder();
    teacher = await untrainedTeacher(folder);
    gateway = await gatewayOn(folder, teacher, {
      yaml: [
        "data_directory: .",
        "broker: { port: 0 }",
        "websocket: { enabled: true, port: 0 }",
        "http: { port: 0 }",
      ].join("\n"),
      dependencies: { factory: FACTORY },
    });
    reader = await connectAsync(gateway.url, { clientId: "reader" });
    reader.on("message", (topic, payload) => heard.push({ topic, text: payload.toString() }));
    await reader.subscribeAsync(`${base}/#`);
    chromium = await Chromium.start(program ?? "");
  }, 60_000);

  afterAll(async () => {
    await chromium.close();
    await reader.endAsync(true);
    await gateway.stop();
    await teacher.close();
    removeFolder(folder);
  });

  const textOf = (id: string): Promise<string> =>
    chromium.value<string>(`document.getElementById(${JSON.stringify(id)})?.textContent ?? ""`);

  it("joins by a link and is on the gateway's topics", async () => {
    const { code } = await bellwether("nodes", "add", PHONE, "--data-dir", folder);
    const link = phoneLink(gateway.pageUrl ?? "", String(code), PHONE);
    await chromium.open(link, { width: 400, height: 850 });
    await until("the link", async () => (await textOf("link")) === "connected", 30_000);
    expect(await chromium.value<string>("location.hash")).toBe("");
    await chromium.value("document.querySelector('[value=emulator]').click()");
    await chromium.value("document.getElementById('start').click()");
    const topic = nodeTopic(base, PHONE, "behaviour");
    await until("a behaviour", () => heard.some((one) => one.topic === topic), 30_000);
    const { text } = heard.find((one) => one.topic === topic) ?? { text: "" };
    expect(JSON.parse(text)).toMatchObject({ node: PHONE, source: expect.stringMatching(/^exit/) });
    await until("the same on the page", async () => (await textOf("fact-exit")).startsWith("exit"));
    expect(chromium.problems).toEqual([]);
  });
});
