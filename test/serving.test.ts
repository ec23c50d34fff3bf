/** A release from the registry to the nodes and back: offers in turn, chunks, outcomes, a restart. */

import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Registry } from "../gateway/release/registry.ts";
import {
  gatewayCrypto,
  type ReleaseKeys,
  temporaryReleaseKeys,
} from "../gateway/release/release-keys.ts";
import { signRelease } from "../gateway/release/release-signing.ts";
import { type Rollout, startRollout } from "../gateway/release/rollout.ts";
import type { RunningGateway } from "../gateway/run-gateway.ts";
import type { OpenTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { decodeContainer } from "../src/model/container.ts";
import { acceptChunk, createAssembly, finishAssembly, wantedChunks } from "../src/wire/assembly.ts";
import type { ModelId, ReleaseOutcome } from "../src/wire/messages.ts";
import { decodeManifest, signedBytes } from "../src/wire/release.ts";
import {
  gatewayOn,
  HandNode,
  removeFolder,
  temporaryFolder,
  until,
  untrainedTeacher,
} from "./gateway-kit.ts";
import { sampleContainer } from "./node-world.ts";

let folder: string;
let teacher: OpenTeacher;
let keys: ReleaseKeys;
let registry: Registry;
let gateway: RunningGateway;
let wentBack: { rollout: Rollout; reason: string }[];
let nodes: HandNode[];
const container = sampleContainer(3);
const { cohort } = decodeContainer(container);

const YAML = `
data_directory: data
broker: { port: 0 }
releases: { soak_minutes: 0, audits_least: 0, windows_least: 0, chunk_bytes_per_second: 100000 }
`;

async function start(): Promise<void> {
  registry = new Registry({
    directory: path.join(folder, "registry"),
    publicKey: keys.publicKey,
    crypto: gatewayCrypto,
  });
  gateway = await gatewayOn(folder, teacher, {
    yaml: YAML,
    dependencies: {
      registry,
      rollBack: (rollout, reason) => wentBack.push({ rollout, reason }),
    },
  });
}

beforeEach(async () => {
  folder = temporaryFolder();
  teacher = await untrainedTeacher(folder);
  keys = temporaryReleaseKeys();
  wentBack = [];
  nodes = [];
  await start();
});

afterEach(async () => {
  for (const node of nodes) await node.close();
  await gateway.stop();
  await teacher.close();
  removeFolder(folder);
});

/** Signed, in the registry, and its rollout begun. */
function release(sequence: number): ModelId {
  const modelId = registry.putModel(container, undefined);
  const statement = { container, sequence, purpose: "release", createdMs: 1 } as const;
  registry.putRelease(signRelease(statement, referenceEngine, keys));
  const expected = { agreement: 0.9, offloadShare: 0.1 };
  const about = {
    sequence,
    purpose: "release",
    cohort,
    formerSequence: undefined,
    expected,
  } as const;
  gateway.serve(startRollout(about, Date.now()), modelId);
  return modelId;
}

async function herd(count: number): Promise<HandNode[]> {
  for (let i = 0; i < count; i++) {
    const node = await HandNode.connect(gateway.url, `collar-${i}`);
    await node.hello({ cohort });
    nodes.push(node);
  }
  await until("everyone is known", () => gateway.nodes().length === count);
  return nodes;
}

const offered = (): HandNode[] => nodes.filter((node) => node.of("offer").length > 0);

async function says(node: HandNode, modelId: ModelId, outcome: ReleaseOutcome): Promise<void> {
  await node.send({ kind: "outcome", releaseSequence: 1, modelId, outcome });
}

describe("a release", () => {
  it("goes to one node first, is pulled in chunks, and to the others when it holds", async () => {
    await herd(4);
    await nodes[2]?.report([0], { alarm: true });
    await until("the alarm", () => gateway.nodes().some(({ alarm }) => alarm));
    const modelId = release(1);
    await until("an offer", () => offered().length === 1);
    const [canary] = offered() as [HandNode];
    // The node in alarm has most to gain.
    expect(canary.id).toBe("collar-2");
    await pull(canary, modelId);
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(offered()).toHaveLength(1);

    await says(canary, modelId, "activated");
    await says(canary, modelId, "confirmed");
    const asked = new Set([canary]);
    await until("the rest are offered, stage by stage", async () => {
      for (const node of offered().filter((one) => !asked.has(one))) {
        asked.add(node);
        await says(node, modelId, "confirmed");
      }
      return asked.size === 4;
    });
    await until("the devices know", () =>
      gateway.nodes().every(({ releaseSequence }) => releaseSequence === 1),
    );
    expect(wentBack).toEqual([]);
  });

  it("that a canary takes back goes to nobody else, and is told to whoever can go back", async () => {
    await herd(3);
    const modelId = release(1);
    await until("an offer", () => offered().length === 1);
    const [canary] = offered() as [HandNode];
    await says(canary, modelId, "activated");
    await says(canary, modelId, "reverted");
    await until("it goes back", () => wentBack.length === 1);
    expect(wentBack[0]?.rollout).toMatchObject({ sequence: 1, state: "rolled-back" });
    expect(wentBack[0]?.reason).toContain("1 of 1 nodes");
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(offered()).toHaveLength(1);
    // Nor does it get the release by asking.
    const [other] = nodes.filter((node) => node !== canary) as [HandNode];
    await other.hello({ cohort });
    await other.send(wantOf(1, modelId, [0]));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(other.of("offer")).toHaveLength(0);
    expect(other.of("chunk")).toHaveLength(0);
  });

  it("is offered again to a node that comes back without it, also after a restart", async () => {
    await herd(1);
    release(1);
    await until("an offer", () => offered().length === 1);
    await nodes[0]?.close();
    await gateway.stop();

    await start();
    const saved = JSON.parse(registry.cohortState(cohort) ?? "null") as {
      rollout: Rollout;
      modelId: ModelId;
    };
    expect(saved.rollout.nodes).toHaveProperty("collar-0");
    gateway.serve(saved.rollout, saved.modelId);
    nodes = [await HandNode.connect(gateway.url, "collar-0")];
    await nodes[0]?.hello({ cohort });
    await until("the offer again", () => offered().length === 1);
    // One that runs it already is left alone.
    const before = nodes[0]?.of("offer").length;
    await nodes[0]?.hello({ cohort, releaseSequence: 1, modelId: saved.modelId });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(nodes[0]?.of("offer")).toHaveLength(before ?? 0);
  });

  it("is not for another cohort", async () => {
    const other = await HandNode.connect(gateway.url, "phone-1");
    nodes.push(other);
    await other.hello({ cohort: "people/pocket/25.00Hz/128x3" });
    const modelId = release(1);
    await new Promise((resolve) => setTimeout(resolve, 700));
    await other.send(wantOf(1, modelId, [0]));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(other.received).toEqual([]);
  });

  it("leaves in no more bytes a second than are allowed, and verdicts do not wait for it", async () => {
    await herd(1);
    const modelId = release(1);
    const [node] = nodes as [HandNode];
    await until("an offer", () => offered().length === 1);
    const all = Array.from({ length: 8 }, (_, i) => i);
    const startMs = performance.now();
    let bytes = 0;
    for (let round = 0; bytes < 40_000; round++) {
      await node.send(wantOf(1, modelId, all));
      const before = node.of("chunk").length;
      await until("chunks", () => node.of("chunk").length > before);
      if (round === 2) await node.offload();
      bytes = node.of("chunk").reduce((sum, chunk) => sum + chunk.bytes.length, 0);
    }
    const seconds = (performance.now() - startMs) / 1000;
    // A tenth of a second's worth may be saved up.
    expect(bytes).toBeLessThan(100_000 * (seconds + 0.2) + 10_000);
    await until("the verdict", () => node.of("verdict").length === 1);
  });
});

function wantOf(releaseSequence: number, modelId: ModelId, chunks: readonly number[]) {
  const bitmap = new Uint8Array(Math.floor(Math.max(...chunks) / 8) + 1);
  for (const chunk of chunks) bitmap[chunk >> 3] = (bitmap[chunk >> 3] ?? 0) | (1 << (chunk & 7));
  return { kind: "want", releaseSequence, modelId, firstChunk: 0, bitmap } as const;
}

/** As a node does it: verifies the offer, asks for what is missing until the image is whole. */
async function pull(node: HandNode, modelId: ModelId): Promise<void> {
  const [offer] = node.of("offer");
  if (offer === undefined) throw new Error("no offer");
  const { manifest: bytes, signature } = offer;
  expect(gatewayCrypto.verify(keys.publicKey, signedBytes(bytes), signature)).toBe(true);
  const manifest = decodeManifest(bytes);
  expect(manifest.modelId).toBe(modelId);
  const assembly = createAssembly(manifest);
  let taken = 0;
  for (;;) {
    const wanted = wantedChunks(assembly, 4);
    if (wanted === undefined) break;
    await node.send({ kind: "want", releaseSequence: 1, modelId, ...wanted });
    await until("chunks", () => node.of("chunk").length > taken);
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (const chunk of node.of("chunk").slice(taken)) {
      acceptChunk(assembly, chunk, gatewayCrypto);
      taken++;
    }
  }
  expect(finishAssembly(assembly, gatewayCrypto)).toEqual({ ok: true, container });
}
