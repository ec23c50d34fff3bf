/** The firmware on a broker that is not ours, with a name and a password: Debian's mosquitto. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { connectAsync, type MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FirmwareNode, startFirmwareNode } from "../deploy/firmware/tools/firmware-node.ts";
import { buildNodeImage, missingForNode } from "../deploy/firmware/tools/node-image.ts";
import { decodeUp } from "../src/wire/frames.ts";
import { nodeId, nodeTopic, upTopic } from "../src/wire/topics.ts";
import { SCRIPT_FACTORY } from "./firmware-node-script.ts";
import { base, freePort, removeFolder, temporaryFolder, until } from "./gateway-kit.ts";
import { MOSQUITTO } from "./mosquitto.ts";

const BOARD = "mps2-an386";
const missing = MOSQUITTO === undefined ? "apt-get install mosquitto" : missingForNode(BOARD);
if (missing !== undefined) console.log(`the firmware on mosquitto is skipped: ${missing}`);

const ID = nodeId("collar-01");
let folder: string;
let port: number;
let broker: ChildProcess;
let brokerSaid = "";
let reader: MqttClient;
const seen = new Map<string, Uint8Array>();

beforeAll(async () => {
  if (missing !== undefined) return;
  folder = temporaryFolder();
  port = await freePort();
  const passwords = path.join(folder, "passwords");
  writeFileSync(passwords, "collar-01:straw and hay\nreader:reads\n", { mode: 0o600 });
  expect(spawnSync("mosquitto_passwd", ["-U", passwords]).status).toBe(0);
  const file = path.join(folder, "mosquitto.conf");
  writeFileSync(
    file,
    `listener ${port} 127.0.0.1\nallow_anonymous false\npassword_file ${passwords}\n` +
      (process.getuid?.() === 0 ? "user root\n" : ""),
  );
  broker = spawn(MOSQUITTO as string, ["-c", file], { stdio: ["ignore", "ignore", "pipe"] });
  broker.stderr?.on("data", (text) => {
    brokerSaid += String(text);
  });
  await until("mosquitto to listen", async () => {
    const options = { username: "reader", password: "reads", reconnectPeriod: 0 };
    reader = await connectAsync(`mqtt://127.0.0.1:${port}`, options).catch(() => reader);
    return reader !== undefined;
  });
  reader.on("message", (topic, payload) => seen.set(topic, payload));
  await reader.subscribeAsync(`${base}/#`);
}, 60_000);

afterAll(async () => {
  if (missing !== undefined) return;
  await reader.endAsync(true);
  broker.kill();
  await once(broker, "exit");
  removeFolder(folder);
});

function startNode(password: string): Promise<FirmwareNode> {
  return startFirmwareNode({
    board: BOARD,
    image: buildNodeImage({ board: BOARD, factory: SCRIPT_FACTORY }),
    broker: { host: "127.0.0.1", port },
    folder: path.join(folder, "collar"),
    provision: {
      id: ID,
      base,
      user: ID,
      password,
      publicKeys: [],
      seed: 3,
      keepaliveSeconds: 2,
      connectMs: 200,
    },
  });
}

describe.skipIf(missing !== undefined)("the firmware on mosquitto", () => {
  const hello = upTopic(base, ID, "hello");

  it("stays outside with a wrong password", async () => {
    const node = await startNode("straw");
    // A node that never came up would be outside as well.
    await until("mosquitto to refuse it", () => /not authorised/.test(brokerSaid), 20_000);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(seen.has(hello)).toBe(false);
    await node.stop();
  }, 30_000);

  it("joins with the right one, reports, stays, and leaves its last will", async () => {
    const node = await startNode("straw and hay");
    await until("a hello", () => seen.has(hello), 20_000);
    expect(decodeUp("hello", seen.get(hello) as Uint8Array)).toMatchObject({ releaseSequence: 0 });
    const millig = new Int16Array(3 * 50).fill(500);
    await node.feed({ startSample: 0, millig, channels: 3, timeMs: Date.now(), rateHz: 10 });
    const report = upTopic(base, ID, "report");
    await until("a report", () => seen.has(report), 10_000);
    expect(decodeUp("report", seen.get(report) as Uint8Array).entries).toHaveLength(1);
    // Two keep-alives: it answers mosquitto's silence with pings.
    seen.delete(hello);
    await new Promise((resolve) => setTimeout(resolve, 4_500));
    expect(seen.has(hello)).toBe(false);
    await node.stop();
    const will = nodeTopic(base, ID, "availability");
    await until("its last will", () => seen.has(will), 10_000);
    expect(Buffer.from(seen.get(will) as Uint8Array).toString()).toBe('{"state":"offline"}');
  }, 60_000);
});
