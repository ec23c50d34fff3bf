/** Nodes that cannot hold a release: they are left alone, people are told, and the others get it. */

import path from "node:path";
import { connectAsync, type MqttClient } from "mqtt";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Fleet, startFleet } from "../device-sim/fleet.ts";
import { createHerd } from "../device-sim/herd.ts";
import { mqttLinks } from "../device-sim/mqtt-link.ts";
import { COLLAR } from "../device-sim/node-settings.ts";
import type { NodeSettings } from "../device-sim/node-types.ts";
import { Registry } from "../gateway/release/registry.ts";
import {
  candidateFit,
  needsOf,
  needsText,
  unfitNodes,
  unfitReason,
} from "../gateway/release/release-fit.ts";
import {
  gatewayCrypto,
  type ReleaseKeys,
  temporaryReleaseKeys,
} from "../gateway/release/release-keys.ts";
import { signRelease } from "../gateway/release/release-signing.ts";
import { type Rollout, startRollout } from "../gateway/release/rollout.ts";
import type { RunningGateway } from "../gateway/run-gateway.ts";
import type { OpenTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { readShippedEmulator } from "../recordings/shipped-emulator.ts";
import { chooseEngine } from "../src/engine/choose-engine.ts";
import { prng } from "../src/prng.ts";
import { cohortOf } from "../src/signal/profile.ts";
import type { ModelId, NodeId } from "../src/wire/messages.ts";
import { type BridgeEvent, BridgeEventSchema, DevicesSchema } from "../src/wire/public.ts";
import {
  base,
  cattle,
  gatewayOn,
  HandNode,
  helloOf,
  type LogLine,
  removeFolder,
  temporaryFolder,
  until,
  untrainedTeacher,
} from "./gateway-kit.ts";
import { sampleContainer } from "./node-world.ts";

const cohort = cohortOf(cattle);
const sample = (seed: number) => sampleContainer(seed, { cohort, classes: cattle.classes });
const container = sample(3);
const needs = needsOf(container);
const YAML = `
data_directory: data
broker: { port: 0 }
releases: { soak_minutes: 0, audits_least: 0, windows_least: 0 }
`;

let folder: string;
let teacher: OpenTeacher;
let keys: ReleaseKeys;
let registry: Registry;
let gateway: RunningGateway & { readonly lines: readonly LogLine[] };
let wentBack: Rollout[];
let nodes: HandNode[];
let people: MqttClient;
let diary: BridgeEvent[];
let withheld: Record<string, string | null>;

beforeEach(async () => {
  folder = temporaryFolder();
  teacher = await untrainedTeacher(folder);
  keys = temporaryReleaseKeys();
  [wentBack, nodes, diary, withheld] = [[], [], [], {}];
  const directory = path.join(folder, "registry");
  registry = new Registry({ directory, publicKey: keys.publicKey, crypto: gatewayCrypto });
  gateway = await gatewayOn(folder, teacher, {
    yaml: YAML,
    dependencies: { registry, rollBack: (rollout) => wentBack.push(rollout) },
  });
  people = await connectAsync(gateway.url, { reconnectPeriod: 0 });
  people.on("message", (topic, payload) => {
    const value: unknown = JSON.parse(payload.toString());
    if (topic.endsWith("/event")) diary.push(BridgeEventSchema.parse(value));
    else for (const row of DevicesSchema.parse(value).devices) withheld[row.node] = row.withheld;
  });
  await people.subscribeAsync([`${base}/bridge/event`, `${base}/bridge/devices`], { qos: 1 });
});

afterEach(async () => {
  for (const node of nodes) await node.close();
  await people.endAsync(true);
  await gateway.stop();
  await teacher.close();
  removeFolder(folder);
});

async function join(id: string, more: Parameters<HandNode["hello"]>[0] = {}): Promise<HandNode> {
  const node = await HandNode.connect(gateway.url, id);
  nodes.push(node);
  await node.hello({ cohort, ...more });
  await until(`${id} is known`, () => gateway.nodes().some((row) => row.node === id));
  return node;
}

function serve(): ModelId {
  const modelId = registry.putModel(container, undefined);
  const statement = { container, sequence: 1, purpose: "release", createdMs: 1 } as const;
  registry.putRelease(signRelease(statement, chooseEngine(), keys));
  // How good it is, is not the point.
  const expected = { agreement: 0, offloadShare: 1 };
  const about = { sequence: 1, purpose: "release", cohort, expected } as const;
  gateway.serve(startRollout({ ...about, formerSequence: undefined }, Date.now()), modelId);
  return modelId;
}

const offered = (node: HandNode | undefined): number => node?.of("offer").length ?? 0;
const told = (type: BridgeEvent["type"]) => diary.filter((entry) => entry.type === type);
const savedRollout = () => {
  const json = registry.cohortState(cohort) ?? "null";
  return (JSON.parse(json) as { rollout: Rollout } | null)?.rollout;
};

async function confirms(node: HandNode, modelId: ModelId): Promise<void> {
  await until(`an offer to ${node.id}`, () => offered(node) > 0);
  for (const outcome of ["activated", "confirmed"] as const) {
    await node.send({ kind: "outcome", releaseSequence: 1, modelId, outcome });
  }
}

describe("what a release needs", () => {
  it("is its bytes, the RAM of its deepest exit and its format", () => {
    expect(needs).toEqual({
      slotBytes: container.length,
      ramBytes: expect.any(Number),
      formatVersion: 1,
    });
    const just = { ...needs };
    expect(unfitReason(just, needs)).toBeUndefined();
    expect(unfitReason({ ...just, slotBytes: needs.slotBytes - 1 }, needs)).toBe("too-large");
    expect(unfitReason({ ...just, ramBytes: needs.ramBytes - 1 }, needs)).toBe("too-large");
    expect(unfitReason({ ...just, formatVersion: 0 }, needs)).toBe("wrong-format");
  });

  it("has no operating points where a node that could run it reads none, and is not long gone", () => {
    const day = 24 * 3_600_000;
    const row = (formatVersion: number, more: object = {}) => {
      const hello = helloOf({ cohort, formatVersion });
      return { ...hello, node: "a" as NodeId, lastSeenMs: 100 * day, ...more } as never;
    };
    const everyone = (...rows: never[]) => candidateFit(rows, container, 100 * day).readsPoints;
    expect(everyone(row(3), row(4))).toBe(true);
    expect(everyone(row(3), row(1))).toBe(false);
    expect(everyone(row(3), row(1, { lastSeenMs: 92 * day }))).toBe(true);
    expect(everyone(row(3), row(1, { cohort: "people" }))).toBe(true);
    expect(everyone(row(3), row(1, { slotBytes: 1 }))).toBe(true);
  });

  it("is told with the nodes that lack it", () => {
    const row = (node: string, ramBytes: number, of = cohort) => {
      const { slotBytes, formatVersion } = needs;
      const hello = helloOf({ cohort: of, ramBytes, slotBytes, formatVersion });
      return { ...hello, node: node as NodeId } as never;
    };
    const rows = [row("a", 1), row("b", 1e6), row("c", 1, "people")];
    const { fit, unfit } = unfitNodes(rows, cohort, needs);
    expect([fit, unfit]).toEqual([[rows[1]], [rows[0]]]);
    expect(needsText(needs, unfit)).toMatch(/RAM and format 1, which a cannot give$/);
  });
});

describe("a release that some nodes cannot hold", () => {
  it("goes to another canary and to all others, and people are told why not to these", async () => {
    const small = await join("small", { ramBytes: needs.ramBytes - 1 });
    const tight = await join("tight", { slotBytes: needs.slotBytes - 1 });
    // It has most to gain and would go first.
    await small.report([0], { alarm: true });
    const rest = [await join("large-1"), await join("large-2")];
    const modelId = serve();
    for (const node of rest) await confirms(node, modelId);
    await until("it is done", () => told("release-done").length === 1);
    expect(told("release-done")[0]?.message).toBe(
      "release 1 runs everywhere but on 2 that cannot hold it",
    );
    expect(told("release-withheld").map(({ node, message }) => [node, message])).toEqual([
      ["small", "release 1 is withheld from small: too-large"],
      ["tight", "release 1 is withheld from tight: too-large"],
    ]);
    await until("the devices say so", () => withheld.small !== null && withheld.tight !== null);
    const none = { "large-1": null, "large-2": null };
    expect(withheld).toEqual({ small: "too-large", tight: "too-large", ...none });
    const lines = gateway.lines.filter(({ text }) => text.startsWith("release withheld"));
    expect(lines).toHaveLength(2);
    expect(lines[0]?.text).toContain(`"ramBytes":${needs.ramBytes}`);
    expect(savedRollout()?.unfit).toEqual({
      small: { reason: "too-large", by: "hello" },
      tight: { reason: "too-large", by: "hello" },
    });
    // Nor by asking, nor by coming back.
    await small.hello({ cohort, ramBytes: needs.ramBytes - 1 });
    const want = { releaseSequence: 1, modelId, firstChunk: 0, bitmap: Uint8Array.of(1) };
    await small.send({ kind: "want", ...want });
    const isRefusal = ({ text }: LogLine) => /^chunks refused .*"reason":"too-large"/.test(text);
    await until("the refusal", () => gateway.lines.some(isRefusal));
    expect([offered(small), small.of("chunk").length, offered(tight)]).toEqual([0, 0, 0]);
    expect(wentBack).toEqual([]);
    // A newer firmware has the room: now it is its turn.
    await small.hello({ cohort, ramBytes: needs.ramBytes, firmware: "test 2" });
    await confirms(small, modelId);
    await until("it is no longer withheld", () => withheld.small === null);
  });

  it("is withheld from a canary that answers so itself, and another takes its place", async () => {
    // It overlooked something when it joined.
    const canary = await join("canary");
    await canary.report([0], { alarm: true });
    await until("the alarm", () => gateway.nodes().some(({ alarm }) => alarm));
    const other = await join("other");
    const modelId = serve();
    await until("an offer", () => offered(canary) === 1);
    const answer = { releaseSequence: 1, modelId, outcome: "too-large" } as const;
    await canary.send({ kind: "outcome", ...answer });
    await confirms(other, modelId);
    await until("it is done", () => told("release-done").length === 1);
    expect(savedRollout()?.unfit).toEqual({ canary: { reason: "too-large", by: "answer" } });
    expect(wentBack).toEqual([]);
    expect(offered(canary)).toBe(1);
  });

  it("has failed where it fits nobody, present or away", async () => {
    await join("small-1", { slotBytes: needs.slotBytes - 1 });
    const away = await join("small-2", { slotBytes: 1 });
    await away.close();
    serve();
    await until("it goes back", () => wentBack.length === 1);
    expect(wentBack[0]).toMatchObject({
      state: "rolled-back",
      reason: "none of 2 nodes can hold it: 2 too-large",
      nodes: {},
    });
    await until("people know", () => told("rolled-back").length === 1);
    expect(told("release-done")).toEqual([]);
  });

  it("waits for a node that fits and is away", async () => {
    await join("small", { slotBytes: 1 });
    const large = await join("large");
    // It says so itself, as its last will would.
    const topic = `${base}/large/availability`;
    await large.client.publishAsync(topic, '{"state":"offline"}', { retain: true });
    await until("it is away", () => gateway.nodes().some(({ online }) => !online));
    const modelId = serve();
    await until("the word of the small one", () => told("release-withheld").length === 1);
    expect(wentBack).toEqual([]);
    await large.hello({ cohort });
    await confirms(large, modelId);
    await until("it is done", () => told("release-done").length === 1);
  });
});

describe("simulated nodes", () => {
  let fleets: Fleet[] = [];
  afterEach(async () => {
    for (const fleet of fleets) await fleet.stop();
    fleets = [];
  });

  async function collar(name: string, settings: Partial<NodeSettings>): Promise<void> {
    const parameters = await readShippedEmulator("cattle");
    const factory = sample(1);
    const [made] = createHerd({
      profile: cattle,
      nodes: 1,
      seed: 1,
      signal: { kind: "emulator", parameters },
      factory: () => factory,
      turns: [],
    });
    if (made === undefined) throw new Error("a herd of one");
    fleets.push(
      await startFleet({
        nodes: [{ ...made, id: name as NodeId }],
        seed: 1,
        settings: { ...COLLAR, publicKeys: [keys.publicKey], ...settings },
        engine: chooseEngine(),
        openLink: mqttLinks({ url: gateway.url, base, random: prng(1, name) }),
        storageDir: null,
        speed: 100,
      }),
    );
  }

  it("of one herd: the large one runs the release, the small one goes on as it was", async () => {
    await collar("small", { ramBytes: needs.ramBytes - 1 });
    await collar("large", { ramBytes: needs.ramBytes });
    await until("both are known", () => gateway.nodes().length === 2);
    serve();
    const runs = (id: string) =>
      gateway.nodes().find(({ node }) => node === id)?.releaseSequence ?? -1;
    await until("it runs on the large one", () => runs("large") === 1, 30_000);
    await until("it is done", () => told("release-done").length === 1, 30_000);
    const windows = () => gateway.nodes().find(({ node }) => node === "small")?.windows ?? 0;
    const before = windows();
    await until("windows of the small one", () => windows() > before + 5, 30_000);
    expect(runs("small")).toBe(0);
    expect(told("release-withheld").map(({ node }) => node)).toEqual(["small"]);
    expect(wentBack).toEqual([]);
  }, 90_000);
});
