/**
 * Node-RED itself with our example flow, on the broker of a gateway: it is loaded whole, and what its
 * debug node shows is what the gateway's topics say. Runs where `BELLWETHER_NODE_RED` names the script
 * that starts one: `red.js` of the npm package `node-red`.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import WebSocket from "ws";
import type { RunningGateway } from "../gateway/run-gateway.ts";
import type { OpenTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { ALERTING_YAML, storeOneDay, YESTERDAY } from "./alert-kit.ts";
import { Chromium, findChromium } from "./chromium.ts";
import {
  freePort,
  gatewayOn,
  HandNode,
  removeFolder,
  temporaryFolder,
  until,
  untrainedTeacher,
} from "./gateway-kit.ts";

const RED = process.env.BELLWETHER_NODE_RED;
if (RED === undefined) {
  console.log("Node-RED is skipped: BELLWETHER_NODE_RED names no red.js that starts one");
}
const FLOW = "deploy/node-red/flow.json";

type Told = { readonly topic: string; readonly data?: { readonly msg: string } };

let folder: string;
let teacher: OpenTeacher;
let gateway: RunningGateway;
let red: ChildProcess;
let url: string;
let log = "";

beforeAll(async () => {
  if (RED === undefined) return;
  folder = temporaryFolder();
  storeOneDay(path.join(folder, "data"));
  teacher = await untrainedTeacher(folder);
  const yaml = `broker: { port: 0 }\ndata_directory: data\n${ALERTING_YAML}`;
  gateway = await gatewayOn(folder, teacher, { yaml });
  // The example names the usual port; this gateway has one of its own.
  const { port } = new URL(gateway.url);
  const flow = readFileSync(FLOW, "utf8").replace('"port": "1883"', `"port": "${port}"`);
  writeFileSync(path.join(folder, "flow.json"), flow);
  const own = await freePort();
  const settings = {
    ...{ uiHost: "127.0.0.1", uiPort: own, flowFile: "flow.json" },
    ...{ telemetry: { enabled: false }, editorTheme: { tours: false } },
  };
  writeFileSync(path.join(folder, "settings.cjs"), `module.exports = ${JSON.stringify(settings)}`);
  const words = ["--userDir", folder, "--settings", path.join(folder, "settings.cjs")];
  red = spawn(process.execPath, [RED, ...words], { stdio: ["ignore", "pipe", "pipe"] });
  for (const stream of [red.stdout, red.stderr]) {
    stream?.on("data", (bytes: Buffer) => (log += bytes.toString()));
  }
  url = `http://127.0.0.1:${own}`;
  await until("Node-RED", () => log.includes("Connected to broker"), 60_000).catch(
    (error: Error) => {
      throw new Error(`${error.message}\n${log}`);
    },
  );
}, 90_000);

afterAll(async () => {
  if (RED === undefined) return;
  const ended = new Promise((resolve) => red.once("exit", resolve));
  red.kill();
  await ended;
  await gateway?.stop();
  await teacher?.close();
  removeFolder(folder);
});

describe.skipIf(RED === undefined)("Node-RED", { timeout: 60_000 }, () => {
  it("loads every node of the flow", async () => {
    const loaded = (await (await fetch(`${url}/flows`)).json()) as { readonly id: string }[];
    const ours = JSON.parse(readFileSync(FLOW, "utf8")) as { readonly id: string }[];
    expect(loaded.map(({ id }) => id)).toEqual(ours.map(({ id }) => id));
    expect(log).toContain("Started flows");
    expect(log).not.toMatch(/\[error\]|missing/i);
  });

  it("tells of a behaviour that is not sure and of a day that differs, and of nothing else", async () => {
    const shown: string[] = [];
    const sidebar = new WebSocket(`${url.replace("http", "ws")}/comms`);
    await new Promise((resolve) => sidebar.once("open", resolve));
    sidebar.on("message", (bytes: Buffer) => {
      const all = [JSON.parse(bytes.toString())].flat() as Told[];
      shown.push(
        ...all.flatMap(({ topic, data }) => (topic === "debug" && data ? [data.msg] : [])),
      );
    });
    sidebar.send(JSON.stringify({ subscribe: "debug" }));
    const chromium = await openEditor();
    const doubtful = await HandNode.connect(gateway.url, "collar-1");
    await doubtful.hello();
    const entry = { windowIndex: 0, timeMs: Date.now(), classIndex: 0, exit: 1, offloaded: false };
    await doubtful.report([], { entries: [{ ...entry, confidenceQ8: 100 }] });
    await until("the doubt", () => shown.length === 1);
    const later = { ...entry, windowIndex: 1, timeMs: entry.timeMs + 2_500 };
    await doubtful.report([], { entries: [{ ...later, confidenceQ8: 250 }] });
    const animal = await HandNode.connect(gateway.url, "cow-7");
    await animal.hello();
    await animal.report([], { entries: YESTERDAY });
    await until("the day", () => shown.length === 2, 20_000);
    expect(shown).toEqual([
      expect.stringMatching(/^collar-1 may be \w+ \(confidence 0\.\d+, by exit 2\)$/),
      expect.stringMatching(/^cow-7: .*grazing/),
    ]);
    await keepPicture(chromium);
    sidebar.close();
    await doubtful.close();
    await animal.close();
  });
});

/** `BELLWETHER_PICTURES=docs` keeps what the documentation shows: the flow in Node-RED's editor. */
async function openEditor(): Promise<Chromium | undefined> {
  if (process.env.BELLWETHER_PICTURES === undefined) return undefined;
  const program = findChromium();
  if (program === undefined) return undefined;
  const chromium = await Chromium.start(program);
  await chromium.open(url, { width: 1_300, height: 420 });
  await until("the editor", () =>
    chromium.value<boolean>("document.querySelectorAll('.red-ui-flow-node').length > 0"),
  );
  await chromium.value("RED.sidebar.show('debug')");
  return chromium;
}

async function keepPicture(chromium: Chromium | undefined): Promise<void> {
  const directory = process.env.BELLWETHER_PICTURES;
  if (chromium === undefined || directory === undefined) return;
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  writeFileSync(path.join(directory, "node-red.png"), await chromium.picture());
  await chromium.close();
}
