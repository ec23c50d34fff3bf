/**
 * The whole node against the whole gateway, over real MQTT: a fleet keeps deciding while its
 * gateway is killed again and again, is itself restarted from its storage, and in the end every
 * window that it offloaded has one soft label.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Fleet, startFleet } from "../device-sim/fleet.ts";
import { createHerd } from "../device-sim/herd.ts";
import { mqttLinks } from "../device-sim/mqtt-link.ts";
import { COLLAR } from "../device-sim/node-settings.ts";
import { LABEL_LOG_FILE } from "../gateway/store/label-log.ts";
import { openLabelReader } from "../gateway/store/label-reader.ts";
import { readShippedEmulator } from "../recordings/shipped-emulator.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { prng } from "../src/prng.ts";
import { cohortOf } from "../src/signal/profile.ts";
import {
  base,
  cattle,
  freePort,
  gatewayEnvironment,
  removeFolder,
  temporaryFolder,
  until,
  untrainedTeacher,
} from "./gateway-kit.ts";
import { sampleContainer } from "./node-world.ts";

const ROOT = path.join(import.meta.dirname, "..");
const KILLS = 3;
const NODES = 6;

let folder: string;
let port: number;

beforeAll(async () => {
  folder = temporaryFolder();
  await (await untrainedTeacher(folder)).close();
  port = await freePort();
});
afterAll(() => removeFolder(folder));

async function startGatewayProcess(): Promise<ChildProcess> {
  const child = spawn(
    process.execPath,
    [
      path.join(ROOT, "cli/main.ts"),
      "gateway",
      ...["--data-dir", path.join(folder, "data"), "--port", String(port)],
      ...["--teacher", path.join(folder, "untrained.onnx"), "--serve-only", "--quiet"],
    ],
    { env: gatewayEnvironment(), stdio: ["ignore", "pipe", "inherit"] },
  );
  let said = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  await until("the gateway to listen", () => said.includes("listening on"), 30_000);
  return child;
}

/** What the fleet's nodes did, over all its lives. */
const offloaded = new Set<string>();

async function startHerd(life: number): Promise<Fleet> {
  const factory = sampleContainer(1, { cohort: cohortOf(cattle), classes: cattle.classes });
  const parameters = await readShippedEmulator("cattle");
  return startFleet({
    nodes: createHerd({
      profile: cattle,
      nodes: NODES,
      seed: 5 + life,
      signal: { kind: "emulator", parameters },
      factory: () => factory,
      turns: [],
    }),
    seed: 5 + life,
    settings: COLLAR,
    engine: referenceEngine,
    openLink: mqttLinks({
      url: `mqtt://127.0.0.1:${port}`,
      base,
      random: prng(1, "links"),
      retryMs: 50,
      retryMsMax: 500,
    }),
    storageDir: path.join(folder, "collars"),
    speed: 30,
    observer: {
      decided: (node, { windowIndex, offload }) => {
        if (offload !== null) offloaded.add(`${node}/${windowIndex}`);
      },
    },
  });
}

const windowsOf = (fleet: Fleet): number =>
  fleet.status().nodes.reduce((sum, node) => sum + node.windows, 0);

describe("a fleet whose gateway is killed", () => {
  it("keeps deciding, delivers afterwards, and every offload is labelled once", async () => {
    let fleet = await startHerd(0);
    for (let kill = 0; kill < KILLS; kill++) {
      const gateway = await startGatewayProcess();
      const all = () => fleet.status().nodes.every((node) => node.connected);
      await until("the fleet to connect", all, 20_000);
      await wait(400);
      gateway.kill("SIGKILL");
      await once(gateway, "exit");
      const before = windowsOf(fleet);
      await until("windows without a gateway", () => windowsOf(fleet) >= before + 4 * NODES);
      if (kill === 1) {
        await fleet.stop();
        fleet = await startHerd(1);
      }
    }
    const gateway = await startGatewayProcess();
    await until("some more windows", () => windowsOf(fleet) > 60 * NODES, 60_000);
    await fleet.stop();
    // What is still owed is delivered by the next life, before its first window is complete.
    fleet = await startHerd(2);
    const owed = () => fleet.status().nodes.reduce((sum, node) => sum + node.outbox, 0);
    await until("empty outboxes", () => owed() <= NODES, 30_000);
    const dropped = fleet.status().nodes.map((node) => node.dropped);
    const epochs = new Set(fleet.status().nodes.map((node) => node.epoch));
    await fleet.stop();
    await wait(500);
    gateway.kill("SIGTERM");
    await once(gateway, "exit");

    const reader = openLabelReader(path.join(folder, "data", LABEL_LOG_FILE));
    const labels = reader.softLabels();
    reader.close();
    const keys = labels.map(({ node, windowIndex }) => `${node}/${windowIndex}`);
    expect(new Set(keys).size).toBe(keys.length);
    expect(new Set(labels.map(({ epoch }) => epoch))).toEqual(epochs);
    expect(dropped).toEqual(Array.from({ length: NODES }, () => 0));
    // The last life may have made a few more that had no time to arrive.
    const missing = [...offloaded].filter((key) => !keys.includes(key));
    expect(keys.length).toBeGreaterThan(20);
    expect(missing.length).toBeLessThanOrEqual(NODES);
    for (const key of keys) expect(offloaded.has(key)).toBe(true);
  }, 180_000);
});
