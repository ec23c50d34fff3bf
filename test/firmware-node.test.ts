/**
 * The firmware in QEMU on a real gateway: it joins, reports, offloads and takes a release over the
 * air, while it is reset, its battery is pulled, its broker restarts, and somebody offers it
 * releases that the gateway never signed.
 */

import { readFileSync } from "node:fs";
import path from "node:path";
import { connectAsync, type MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FirmwareNode, startFirmwareNode } from "../deploy/firmware/tools/firmware-node.ts";
import { buildNodeImage, missingForNode } from "../deploy/firmware/tools/node-image.ts";
import { OUTBOX_LIMITS } from "../device-sim/outbox.ts";
import { Registry } from "../gateway/release/registry.ts";
import {
  gatewayCrypto,
  type ReleaseKeys,
  temporaryReleaseKeys,
} from "../gateway/release/release-keys.ts";
import { signRelease } from "../gateway/release/release-signing.ts";
import { startRollout } from "../gateway/release/rollout.ts";
import type { RunningGateway } from "../gateway/run-gateway.ts";
import type { OpenTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { readShippedEmulator } from "../recordings/shipped-emulator.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { decodeContainer } from "../src/model/container.ts";
import { createEmulator } from "../src/signal/emulator.ts";
import type { ModelId, UpMessage } from "../src/wire/messages.ts";
import { BehaviourSchema } from "../src/wire/public.ts";
import { nodeId } from "../src/wire/topics.ts";
import { untilFed } from "./firmware-kit.ts";
import { startTap, type Tap } from "./firmware-tap.ts";
import {
  base,
  cattle,
  freePort,
  gatewayOn,
  removeFolder,
  temporaryFolder,
  until,
  untrainedTeacher,
} from "./gateway-kit.ts";
import { sampleContainer } from "./node-world.ts";
import { asWindow } from "./wire-samples.ts";

const BOARD = "mps2-an386";
const missing = missingForNode(BOARD);
if (missing !== undefined) console.log(`the node on ${BOARD} is skipped: ${missing}`);

const ID = nodeId("collar-01");
const RATE_HZ = 10;
const HOP = 25;
const profiles = path.join(import.meta.dirname, "../profiles/cattle");
const factory = readFileSync(path.join(profiles, "student-plain.bwm"));
/** Another student of the same cohort, in eight chunks. */
const better = sampleContainer(4, {
  cohort: decodeContainer(factory).cohort,
  classes: cattle.classes,
  rateCentihertz: 100 * RATE_HZ,
  hopSamples: HOP,
});

let folder: string;
let port: number;
let teacher: OpenTeacher;
let keys: ReleaseKeys;
let registry: Registry;
let gateway: RunningGateway;
let node: FirmwareNode;
let tap: Tap;
let watcher: MqttClient;
const behaviours: unknown[] = [];

beforeAll(async () => {
  if (missing !== undefined) return;
  folder = temporaryFolder();
  teacher = await untrainedTeacher(folder);
  keys = temporaryReleaseKeys();
  port = await freePort();
  await startGateway();
  tap = await startTap(base, port);
  const emulator = createEmulator(await readShippedEmulator("cattle"), { seed: 2, name: ID });
  source = (count) => emulator.next(count).samples.slice();
  node = await startFirmwareNode({
    board: BOARD,
    image: buildNodeImage({ board: BOARD, factory }),
    broker: { host: "127.0.0.1", port: tap.port },
    folder: path.join(folder, "collar"),
    provision: {
      id: ID,
      base,
      publicKeys: [keys.publicKey],
      seed: 11,
      keepaliveSeconds: 2,
      connectMs: 200,
      connectMsMax: 1_000,
      settings: {
        outbox: { ...OUTBOX_LIMITS, retryMs: 1_000, retryMsMax: 4_000 },
        wantMs: 500,
        wantMsMax: 2_000,
        trialWindows: 6,
      },
    },
  });
}, 60_000);

afterAll(async () => {
  if (missing !== undefined) return;
  await node.stop();
  await tap.close();
  await watcher.endAsync(true);
  await gateway.stop();
  await teacher.close();
  removeFolder(folder);
});

async function startGateway(): Promise<void> {
  registry = new Registry({
    directory: path.join(folder, "registry"),
    publicKey: keys.publicKey,
    crypto: gatewayCrypto,
  });
  gateway = await gatewayOn(folder, teacher, {
    yaml: `
data_directory: data
broker: { port: ${port} }
releases: { soak_minutes: 0, audits_least: 0, windows_least: 0, chunk_bytes_per_second: 3000 }
`,
    dependencies: { registry, rollBack: () => expect.fail("the release went back") },
  });
  watcher = await connectAsync(gateway.url, { clientId: "watcher", protocolVersion: 4 });
  watcher.on("message", (_, payload) => {
    behaviours.push(JSON.parse(payload.toString()));
  });
  await watcher.subscribeAsync(`${base}/+/behaviour`);
}

let source: (samples: number) => Int16Array;
let taken = 0;

/** So many more windows, if the node has been running. */
async function feed(windows: number): Promise<void> {
  for (let i = 0; i < windows; i++) {
    const millig = source(HOP);
    const timeMs = Date.now();
    await node.feed({ startSample: taken, millig, channels: 3, timeMs, rateHz: RATE_HZ });
    taken += HOP;
  }
}

const known = () => gateway.nodes().find(({ node: id }) => id === ID);
const saidOf = <K extends UpMessage["kind"]>(kind: K) =>
  tap.up.filter((message): message is Extract<UpMessage, { kind: K }> => message.kind === kind);
const outcomes = () => saidOf("outcome").map(({ outcome }) => outcome);
const hellos = () => saidOf("hello");
const chunks = () => tap.down.filter(({ kind }) => kind === "chunk").length;

/** How many chunks the first `want` asked for after a hello, by that hello's number. */
const firstWantOf = (hello: number): number | undefined => {
  const begin = tap.up.indexOf(hellos()[hello] as UpMessage);
  const want = tap.up.slice(begin).find(({ kind }) => kind === "want");
  if (begin < 0 || want?.kind !== "want") return undefined;
  return [...want.bitmap].reduce(
    (sum, byte) => sum + byte.toString(2).replaceAll("0", "").length,
    0,
  );
};

const untilWithWindows = untilFed(feed);

function publishRelease(sequence: number): ModelId {
  const modelId = registry.putModel(better, undefined);
  const statement = { container: better, sequence, purpose: "release", createdMs: 1 } as const;
  registry.putRelease(signRelease(statement, referenceEngine, keys));
  const about = {
    sequence,
    purpose: "release",
    cohort: decodeContainer(better).cohort,
    formerSequence: undefined,
    expected: { agreement: 0, offloadShare: 1 },
  } as const;
  gateway.serve(startRollout(about, Date.now()), modelId);
  return modelId;
}

describe.skipIf(missing !== undefined)("the firmware on an emulated Cortex-M4", () => {
  it("joins, and its behaviours are on the public topic", async () => {
    await until("the node to join", () => known()?.online === true);
    await feed(8);
    await until("all windows", () => known()?.windows === 7);
    await until("a behaviour", () => behaviours.length > 0);
    const behaviour = BehaviourSchema.parse(behaviours.at(-1));
    expect(behaviour).toMatchObject({ node: ID, release: 0 });
    expect(hellos()[0]).toMatchObject({ firmware: "bellwether-fw 0.1.0", formatVersion: 3 });
  }, 20_000);

  it("offloads, and what the teacher says becomes soft labels and public corrections", async () => {
    gateway.send(ID, { kind: "setting", auditChanceQ16: 65_535, burstWindows: 0 });
    await untilWithWindows("soft labels", () => gateway.counters().softLabels >= 3);
    const labels = gateway.labels().softLabels();
    const offloads = saidOf("offload");
    for (const label of labels) {
      const sent = offloads.find(({ windowIndex }) => windowIndex === label.windowIndex);
      expect([...label.window]).toEqual([...asWindow(sent).window]);
    }
    const taught = behaviours.filter((one) => BehaviourSchema.parse(one).source === "teacher");
    expect(taught.length).toBeGreaterThan(0);
  }, 30_000);

  it("keeps what it owes while the broker is away, and delivers each window once", async () => {
    // None is on its way any more; the first window takes two hops.
    const windows = taken / HOP - 1;
    await until("what was fed before", () => known()?.windows === windows);
    await gateway.stop();
    await watcher.endAsync(true);
    await feed(20);
    await startGateway();
    await until("the node to come back", () => known()?.online === true, 20_000);
    await feed(5);
    await until("all windows", () => known()?.windows === windows + 25, 20_000);
    expect(saidOf("report").at(-1)?.dropped).toBe(0);
    const { total } = gateway.labels().softLabelCount();
    const keys_ = gateway
      .labels()
      .softLabels()
      .map(({ epoch, seq }) => `${epoch}:${seq}`);
    expect(new Set(keys_).size).toBe(total);
  }, 60_000);

  it("keeps in flash what nobody listens to, even when its battery is pulled meanwhile", async () => {
    const { windows = 0 } = known() ?? {};
    const epoch = hellos().at(-1)?.epoch;
    await gateway.stop();
    await watcher.endAsync(true);
    // Until it has found out by the silence.
    await new Promise((resolve) => setTimeout(resolve, 3_500));
    await feed(20);
    await new Promise((resolve) => setTimeout(resolve, 500));
    await node.powerCycle();
    await startGateway();
    await until("another life", () => ![undefined, epoch].includes(hellos().at(-1)?.epoch), 20_000);
    // All but what was still being gathered for the next report, which holds eight.
    await until("its reports", () => (known()?.windows ?? 0) > windows + 12, 20_000);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const delivered = known()?.windows;
    const ofBefore = () => saidOf("report").filter((report) => report.epoch === epoch).length;
    const reports = ofBefore();
    const lives = hellos().length;
    node.reset();
    await until("one more life", () => hellos().length > lives, 20_000);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    // What was acknowledged is not said again.
    expect(ofBefore()).toBe(reports);
    expect(known()?.windows).toBe(delivered);
  }, 60_000);

  it("takes a release over the air, reset in the middle of the transfer and of the trial", async () => {
    const modelId = publishRelease(1);
    await untilWithWindows("some chunks", () => chunks() >= 3);
    const lives = hellos().length;
    node.reset();
    await untilWithWindows("the trial", () => outcomes().includes("activated"));
    expect(hellos().length).toBeGreaterThan(lives);
    // Eight at once were asked for; what came of them, but for the last, is not asked for again.
    expect(firstWantOf(lives - 1)).toBe(8);
    expect(firstWantOf(lives)).toBeLessThanOrEqual(Math.ceil(better.length / 1024) - 2);
    node.reset();
    await untilWithWindows("its confirmation", () => outcomes().includes("confirmed"));
    await untilWithWindows("the gateway to know", () => known()?.releaseSequence === 1);
    expect(known()?.modelId).toBe(modelId);
    expect(outcomes()).not.toContain("reverted");
    // Each life has an epoch of its own, since the outbox is lost with the power.
    expect(new Set(hellos().map(({ epoch }) => epoch)).size).toBeGreaterThanOrEqual(3);
  }, 90_000);

  it("runs it after its battery was pulled, too", async () => {
    const before = hellos().length;
    await node.powerCycle();
    await until("a new hello", () => hellos().length > before, 20_000);
    expect(hellos().at(-1)).toMatchObject({ releaseSequence: 1 });
    await untilWithWindows("answers of the release", () => {
      const last = behaviours.at(-1);
      return last !== undefined && BehaviourSchema.parse(last).release === 1;
    });
  }, 40_000);

  it("refuses what the gateway has not signed", async () => {
    const offer = (by: ReleaseKeys, change: (manifest: Uint8Array) => void): void => {
      const statement = {
        container: factory,
        sequence: 2,
        purpose: "release",
        createdMs: 1,
      } as const;
      const { manifestBytes, signature } = signRelease(statement, referenceEngine, by);
      const manifest = manifestBytes.slice();
      change(manifest);
      gateway.send(ID, { kind: "offer", manifest, signature });
    };
    for (const [by, change] of [
      [temporaryReleaseKeys(), () => undefined],
      [keys, (manifest: Uint8Array) => manifest.fill(0xff, 40, 41)],
    ] as const) {
      const before = outcomes().filter((outcome) => outcome === "bad-signature").length;
      offer(by, change);
      await until(
        "its refusal",
        () => outcomes().filter((outcome) => outcome === "bad-signature").length > before,
      );
      await new Promise((resolve) => setTimeout(resolve, 1_100));
    }
    await feed(2);
    expect(known()?.releaseSequence).toBe(1);
  }, 30_000);
});
