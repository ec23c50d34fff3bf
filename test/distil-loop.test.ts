/** The loop with a real gateway, broker and teacher; only the nodes are played by hand. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { connectAsync } from "mqtt";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { DISTIL_RECIPE, distilAugmentation } from "../gateway/distil/distil.ts";
import { DEFAULT_LABEL_RULE } from "../gateway/distil/distil-labels.ts";
import { type DistilLoop, openDistilLoop } from "../gateway/distil/distil-loop.ts";
import type { LoopReport } from "../gateway/distil/distil-loop-parts.ts";
import { DEFAULT_PUBLISH_RULE } from "../gateway/distil/distil-measure.ts";
import { DEFAULT_TRIGGER_RULE } from "../gateway/distil/distil-trigger.ts";
import type { KeptStudent } from "../gateway/release/release-desk.ts";
import { gatewayCrypto, openReleaseKeys } from "../gateway/release/release-keys.ts";
import type { RunningGateway } from "../gateway/run-gateway.ts";
import type { OpenTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { DEFAULT_TRUST_RULE } from "../gateway/teacher/teacher-trust.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { packStudent } from "../src/gate/pack-student.ts";
import { recipeFor } from "../src/learn/recipes.ts";
import { studentOnnx } from "../src/learn/student-network.ts";
import { decodeContainer, encodeContainer } from "../src/model/container.ts";
import { NO_AUGMENTATION } from "../src/signal/augment.ts";
import { cohortOf } from "../src/signal/profile.ts";
import { type Rotation, turnAbout } from "../src/signal/turn.ts";
import { windowAt } from "../src/signal/window-set.ts";
import { openRelease } from "../src/wire/release.ts";
import { modelIdOf } from "../src/wire/topics.ts";
import { gatewayOn, HandNode, until } from "./gateway-kit.ts";
import {
  cattle,
  plainStudent,
  turningAnchor,
  turningHerd,
  turningTeacher,
} from "./turning-herd.ts";

const anchor = turningAnchor();
const cohort = cohortOf(cattle);
const shared = mkdtempSync(path.join(tmpdir(), "loop-shared-"));
let teacher: OpenTeacher;
let factory: KeptStudent;

beforeAll(async () => {
  teacher = await turningTeacher(shared, anchor);
  const student = await plainStudent(anchor);
  const { bytes } = packStudent({
    profile: cattle,
    student,
    trained: anchor.replay,
    held: anchor.heldOut,
    augmentation: NO_AUGMENTATION,
    engine: referenceEngine,
    seed: 1,
  });
  factory = { container: bytes, student: studentOnnx(student) };
});
afterAll(async () => {
  await teacher.close();
  rmSync(shared, { recursive: true, force: true });
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "loop-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

type Running = { gateway: RunningGateway; loop: DistilLoop; reports: LoopReport[] };

async function start(): Promise<Running> {
  const reports: LoopReport[] = [];
  const loop = await openDistilLoop({
    directory: path.join(folder, "data"),
    profile: cattle,
    teacher,
    teacherAugmentation: recipeFor(cattle).teacher.augmentation,
    anchor,
    factory,
    recipe: { ...DISTIL_RECIPE, epochs: 8, augmentation: distilAugmentation("none") },
    trigger: { ...DEFAULT_TRIGGER_RULE, labelsWanted: 40, trust: DEFAULT_TRUST_RULE },
    labels: DEFAULT_LABEL_RULE,
    publish: DEFAULT_PUBLISH_RULE,
    lookMs: 50,
    seed: 1,
    log: () => undefined,
    onReport: (report) => reports.push(report),
  });
  const yaml = `
data_directory: data
broker: { port: 0 }
releases: { soak_minutes: 0, audits_least: 0, windows_least: 0 }
`;
  const gateway = await gatewayOn(folder, teacher, { yaml, dependencies: loop.dependencies });
  loop.attach(gateway);
  return { gateway, loop, reports };
}

async function stop({ gateway, loop }: Running): Promise<void> {
  await loop.stop();
  await gateway.stop();
}

const factoryModel = () => modelIdOf(gatewayCrypto.sha256(factory.container));

/** A collar that has been turned: it raises its alarm and offloads windows of many bouts. */
async function turnedCollar(
  url: string,
  id: string,
  rotation: Rotation,
  more: Parameters<HandNode["hello"]>[0] = {},
): Promise<HandNode> {
  const node = await HandNode.connect(url, id);
  await node.hello({ cohort, modelId: factoryModel(), ...more });
  await node.report([0], { alarm: true, modelId: factoryModel() });
  const herd = turningHerd(7, 9, rotation);
  for (let i = 0; i < herd.count; i += 4) {
    await node.offload({
      window: windowAt(herd, i),
      windowIndex: 20 * i,
      reason: "burst",
      modelId: factoryModel(),
    });
  }
  return node;
}

describe("the loop", () => {
  test("distils after an alarm, releases, and goes on after a restart", async () => {
    const first = await start();
    const node = await turnedCollar(first.gateway.url, "collar-1", turnAbout([0, 0, 1], 180));
    await until("an offer", () => node.of("offer").length > 0, 60_000);
    const [report] = first.reports;
    if (report?.kind !== "distilled") throw new Error("distilled first");
    const { before, after } = report.answer.report;
    expect(report.cause).toBe("drift");
    expect(after.agreement).toBeGreaterThan(before.agreement);
    const { publicKey } = openReleaseKeys(path.join(folder, "data", "keys"));
    const context = {
      crypto: gatewayCrypto,
      publicKeys: [publicKey],
      cohort,
      runningSequence: 0,
      formatVersion: 1,
      slotBytes: 65_536,
    };
    const [offer] = node.of("offer");
    const opened = openRelease(offer as NonNullable<typeof offer>, context);
    expect(opened).toMatchObject({ ok: true, manifest: { sequence: 1, purpose: "release" } });
    if (!opened.ok) return;
    const { modelId } = opened.manifest;
    await node.send({ kind: "outcome", releaseSequence: 1, modelId, outcome: "activated" });
    await until("more audits of the canary", () => node.of("setting").length > 0);
    expect(node.of("setting")[0]?.auditChanceQ16).toBe(6554);
    await node.close();
    await stop(first);

    // The rollout is unfinished: the node has not confirmed.
    const second = await start();
    const again = await HandNode.connect(second.gateway.url, "collar-1");
    await again.hello({ cohort, modelId, releaseSequence: 1 });
    await again.send({ kind: "outcome", releaseSequence: 1, modelId, outcome: "confirmed" });
    const other = await HandNode.connect(second.gateway.url, "collar-2");
    await other.hello({ cohort, modelId: factoryModel() });
    await until("the other node's offer", () => other.of("offer").length > 0, 20_000);
    expect(second.reports).toEqual([]);
    await again.close();
    await other.close();
    await stop(second);
  }, 120_000);

  test("says that it does not trust the teacher, and releases nothing", async () => {
    const running = await start();
    const node = await turnedCollar(running.gateway.url, "collar-1", turnAbout([1, 0, 0], 180));
    await until("a decision", () => running.reports.length > 0, 30_000);
    expect(running.reports).toEqual([
      {
        kind: "not-trusted",
        verdict: { trusted: false, unknownShare: expect.any(Number), unknownNodes: ["collar-1"] },
      },
    ]);
    expect(running.loop.dependencies.registry.releases()).toEqual([]);
    expect(node.of("offer")).toEqual([]);
    expect(node.of("verdict").some((verdict) => verdict.trusted)).toBe(false);
    await node.close();
    await stop(running);
  }, 60_000);

  test("makes no student that no node could hold, and says so", async () => {
    const running = await start();
    const diary: string[] = [];
    const people = await connectAsync(running.gateway.url, { reconnectPeriod: 0 });
    people.on("message", (_, payload) => void diary.push(payload.toString()));
    await people.subscribeAsync("bellwether/bridge/event", { qos: 1 });
    const half = turnAbout([0, 0, 1], 180);
    const node = await turnedCollar(running.gateway.url, "collar-1", half, { ramBytes: 300 });
    await until(
      "the refusal",
      () => diary.some((line) => line.includes("candidate-refused")),
      60_000,
    );
    expect(diary.find((line) => line.includes("candidate-refused"))).toMatch(
      /no node could hold the candidate: it needs a slot of \d+ bytes.* collar-1 cannot give/,
    );
    expect(running.reports).toEqual([]);
    expect(running.loop.dependencies.registry.releases()).toEqual([]);
    await node.close();
    await people.endAsync(true);
    await stop(running);
  }, 90_000);

  test("ends one that was told to begin a moment ago before it has begun", async () => {
    const running = await start();
    const { control } = running.loop.dependencies;
    control?.hold();
    const diary: string[] = [];
    const people = await connectAsync(running.gateway.url, { reconnectPeriod: 0 });
    people.on("message", (_, payload) => void diary.push(payload.toString()));
    await people.subscribeAsync("bellwether/bridge/event", { qos: 1 });
    const half = turnAbout([0, 0, 1], 180);
    const node = await turnedCollar(running.gateway.url, "collar-1", half);
    await until("answers enough", () => running.gateway.counters().softLabels >= 40, 30_000);
    expect(control?.begin()).toBeGreaterThan(0);
    expect(control?.hold()).toBe(true);
    await stop(running);
    expect(diary.some((line) => line.includes("distill-started"))).toBe(false);
    await node.close().catch(() => undefined);
    await people.endAsync(true);
  }, 90_000);

  test("is not begun by hand where the teacher does not know the windows, and stays held", async () => {
    const running = await start();
    const { control } = running.loop.dependencies;
    control?.hold();
    const { url } = running.gateway;
    // Answers enough are trusted, but fewer than are not.
    const known = await turnedCollar(url, "collar-1", turnAbout([0, 0, 1], 180));
    const lost = await Promise.all(
      ["collar-2", "collar-3", "collar-4"].map((id) =>
        turnedCollar(url, id, turnAbout([1, 0, 0], 180)),
      ),
    );
    const trusted = () => running.gateway.labels().softLabelCount().trusted;
    const total = () => running.gateway.labels().softLabelCount().total;
    await until("answers enough", () => total() >= 160 && trusted() >= 24, 30_000);
    const code = expect.objectContaining({ code: "teacher-not-trusted" }) as unknown;
    expect(() => control?.begin()).toThrow(code as Error);
    const progress: unknown = JSON.parse(
      readFileSync(path.join(folder, "data", "loop.json"), "utf8"),
    );
    expect(progress).toMatchObject({ held: true, usedOffloadId: 0 });
    expect(running.reports).toEqual([]);
    for (const node of [known, ...lost]) await node.close();
    await stop(running);
  }, 90_000);

  test("goes back when the canary refuses the release", async () => {
    const running = await start();
    const node = await turnedCollar(running.gateway.url, "collar-1", turnAbout([0, 0, 1], 180));
    await until("an offer", () => node.of("offer").length > 0, 60_000);
    const { registry } = running.loop.dependencies;
    const modelId = registry.releases()[0]?.manifest.modelId ?? factoryModel();
    await node.send({ kind: "outcome", releaseSequence: 1, modelId, outcome: "reverted" });
    await until("the way back", () => node.of("offer").length > 1, 10_000);
    const [release, back] = registry.releases();
    expect(release?.manifest).toMatchObject({ sequence: 1, purpose: "release" });
    expect(back?.manifest).toMatchObject({ sequence: 2, purpose: "rollback", formatVersion: 1 });
    // This collar reads no operating points: it gets the student that it came from without them.
    const { points, ...former } = decodeContainer(factory.container);
    expect(points).toBeDefined();
    const container = registry.container(back?.manifest.modelId ?? factoryModel());
    expect(container).toEqual(Buffer.from(encodeContainer(former)));
    await node.close();
    await stop(running);
  }, 120_000);
});
