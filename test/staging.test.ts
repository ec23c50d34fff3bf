import { describe, expect, it } from "vitest";
import type { NodeSettings } from "../device-sim/node-types.ts";
import { UNBELIEVED_SEQUENCE } from "../device-sim/staging.ts";
import { prng } from "../src/prng.ts";
import { LIMITS } from "../src/wire/limits.ts";
import {
  CALM,
  constantContainer,
  NodeWorld,
  offerOf,
  ROUGH,
  type SignedRelease,
  sampleContainer,
  signRelease,
} from "./node-world.ts";

const FACTORY = sampleContainer(1);
const BETTER = sampleContainer(2);
const OTHER = sampleContainer(3);

async function connected(
  offered?: SignedRelease,
  seed = 1,
  settings: Partial<NodeSettings> = {},
): Promise<NodeWorld> {
  const world = new NodeWorld({ seed, factory: FACTORY, settings });
  world.offered = offered;
  await world.boot();
  world.connect();
  return world;
}

const outcomes = (world: NodeWorld): string[] => world.news.map(({ outcome }) => outcome);
const running = (world: NodeWorld): number => world.node?.status().releaseSequence ?? -1;

describe("a release", () => {
  it("is pulled, checked, tried and confirmed, and told in the next hello", async () => {
    const release = signRelease(BETTER, 5);
    const world = await connected(release);
    await world.run(10);
    expect(running(world)).toBe(5);
    expect(world.node?.status()).toMatchObject({
      modelId: release.manifest.modelId,
      onTrial: true,
    });
    await world.run(60);
    expect(world.node?.status().onTrial).toBe(false);
    expect(outcomes(world)).toEqual(["activated", "confirmed"]);
    const told = world.received.filter((message) => message.kind === "outcome");
    expect(told.map((message) => message.outcome)).toEqual(["activated", "confirmed"]);
    world.disconnect();
    world.connect();
    await world.run(1);
    const hello = world.received.findLast((message) => message.kind === "hello");
    expect(hello).toMatchObject({ releaseSequence: 5, modelId: release.manifest.modelId });
    // What is reported now is reported under the new model.
    const report = world.received.findLast((message) => message.kind === "report");
    expect(report).toMatchObject({ modelId: release.manifest.modelId });
  });

  it("arrives over a network that loses, repeats and reorders, with restarts on the way", async () => {
    for (let seed = 0; seed < 6; seed++) {
      const world = await connected(signRelease(BETTER, 2), seed, { trialBoots: 9 });
      world.trouble = { ...ROUGH, loss: 0.4 };
      for (let life = 0; life < 3; life++) {
        await world.run(4);
        world.cut();
        await world.boot();
        world.connect();
      }
      await world.run(400);
      expect(running(world)).toBe(2);
      expect(world.node?.status().onTrial).toBe(false);
      const wants = world.countOf("want");
      expect(wants).toBeLessThan(60);
    }
  });

  it("does not ask again after a restart for what is already in flash", async () => {
    const world = await connected();
    const release = signRelease(BETTER, 3);
    world.offered = release;
    let chunks = 0;
    world.spoil = (_, bytes) => {
      chunks += 1;
      return bytes;
    };
    world.send(offerOf(release));
    const all = Math.ceil(release.container.length / release.manifest.chunkBytes);
    expect(all).toBeGreaterThan(2);
    world.trouble = { ...CALM, delayMsMax: 3000 };
    while (chunks < 1) await world.run(0.25);
    await world.run(2);
    world.cut();
    world.trouble = CALM;
    chunks = 0;
    await world.boot();
    world.connect();
    await world.run(10);
    expect(running(world)).toBe(3);
    expect(chunks).toBeLessThan(all);
  });

  it("is refused when it is not newer, and the old model keeps serving", async () => {
    const world = await connected(signRelease(BETTER, 5));
    await world.run(80);
    world.offered = undefined;
    for (const sequence of [4, 1, 5]) {
      world.send(offerOf(signRelease(OTHER, sequence)));
      await world.run(2);
    }
    expect(outcomes(world).slice(2)).toEqual(["stale", "stale", "stale"]);
    world.send(offerOf(signRelease(OTHER, 5 + LIMITS.sequenceJump + 1)));
    await world.run(2);
    expect(outcomes(world).at(-1)).toBe("too-far");
    expect(running(world)).toBe(5);
  });

  it("that runs already is answered with what became of it", async () => {
    const release = signRelease(BETTER, 5);
    const world = await connected(release);
    await world.run(80);
    const wants = world.countOf("want");
    world.send(offerOf(release));
    await world.run(2);
    expect(outcomes(world)).toEqual(["activated", "confirmed", "confirmed"]);
    expect(world.countOf("want")).toBe(wants);
  });

  it("for others, too large, of another format or with another promise is refused by name", async () => {
    const bad: [SignedRelease, string][] = [
      [signRelease(sampleContainer(2, { cohort: "sheep" }), 1), "wrong-cohort"],
      [signRelease(BETTER, 2, { sizeBytes: LIMITS.releaseBytes }), "bad-manifest"],
      [signRelease(BETTER, 3, { formatVersion: 99 }), "wrong-format"],
      [signRelease(BETTER, 4, { selfTest: { seed: 1, logitsHashes: [1, 2] } }), "self-test-failed"],
      [signRelease(sampleContainer(2, { rateCentihertz: 2000 }), 5), "wrong-cohort"],
    ];
    const world = await connected();
    for (const [release, outcome] of bad) {
      world.offered = release;
      world.send(offerOf(release));
      await world.run(12);
      expect([release.manifest.sequence, outcomes(world).at(-1)]).toEqual([
        release.manifest.sequence,
        outcome,
      ]);
      expect(running(world)).toBe(0);
    }
  });

  it("that a node refused for good is not pulled again", async () => {
    const broken = signRelease(BETTER, 4, { selfTest: { seed: 1, logitsHashes: [1, 2] } });
    const world = await connected(broken);
    await world.run(12);
    world.cut();
    await world.boot();
    world.connect();
    const wants = world.countOf("want");
    await world.run(12);
    expect(world.countOf("want")).toBe(wants);
    expect(outcomes(world).at(-1)).toBe("self-test-failed");
  });

  it("waits while another is on trial; a rollback does not", async () => {
    const world = await connected(signRelease(BETTER, 2));
    await world.run(8);
    expect(world.node?.status().onTrial).toBe(true);
    const next = signRelease(OTHER, 3);
    world.offered = next;
    world.send(offerOf(next));
    await world.run(5);
    expect(running(world)).toBe(2);
    await world.run(80);
    expect(running(world)).toBe(3);
    expect(outcomes(world)).toEqual(["activated", "confirmed", "activated"]);
    const back = signRelease(FACTORY, 4, { purpose: "rollback" });
    world.offered = back;
    world.send(offerOf(back));
    await world.run(8);
    expect(outcomes(world).slice(3)).toEqual(["reverted", "activated"]);
    expect(running(world)).toBe(4);
  });

  it("that answers always the same is given up, for good", async () => {
    const dull = signRelease(constantContainer(2), 6);
    const world = await connected(dull);
    await world.run(100);
    expect(outcomes(world).slice(0, 2)).toEqual(["activated", "reverted"]);
    const wants = world.countOf("want");
    world.send(offerOf(dull));
    await world.run(10);
    expect(new Set(outcomes(world).slice(1))).toEqual(new Set(["reverted"]));
    expect(running(world)).toBe(0);
    expect(world.countOf("want")).toBe(wants);
    world.cut();
    await world.boot();
    expect(world.node?.status()).toMatchObject({ releaseSequence: 0, onTrial: false });
  });

  it("gets a report of its own: no window is told under another model than answered it", async () => {
    const world = await connected(undefined, 1, { reportWindows: 7 });
    await world.run(10);
    world.offered = signRelease(BETTER, 5);
    world.send(offerOf(world.offered));
    await world.run(190);
    const reports = world.received.filter((message) => message.kind === "report");
    const models = new Set(reports.map(({ modelId }) => modelId));
    expect(models.size).toBe(2);
    for (const { modelId, entries } of reports) {
      for (const { windowIndex } of entries) {
        expect([windowIndex, world.decided[windowIndex]?.modelId]).toEqual([windowIndex, modelId]);
      }
    }
  });

  it("is not confirmed without a word from the gateway, and given up after a day", async () => {
    const world = new NodeWorld({ seed: 1, factory: FACTORY, settings: { trialMs: 300_000 } });
    world.offered = signRelease(BETTER, 5);
    await world.boot();
    world.connect();
    while (running(world) === 0) await world.run(0.25);
    world.gatewayAlive = false;
    await world.run(200);
    expect(world.node?.status().onTrial).toBe(true);
    await world.run(120);
    expect(outcomes(world)).toEqual(["activated", "reverted"]);
    expect(running(world)).toBe(0);
  });

  it("gets three starts of the node to prove itself", async () => {
    const world = await connected(signRelease(BETTER, 5));
    await world.run(8);
    const seen: number[] = [];
    for (let start = 0; start < 3; start++) {
      world.cut();
      await world.boot();
      seen.push(running(world));
    }
    expect(seen).toEqual([5, 5, 0]);
    world.connect();
    await world.run(1);
    const told = world.received.findLast((message) => message.kind === "outcome");
    expect(told).toMatchObject({ releaseSequence: 5, outcome: "reverted" });
  });
});

describe("tampered releases", () => {
  it("are never run, whatever bit is flipped in the offer", async () => {
    const release = signRelease(BETTER, 5);
    const world = await connected();
    const random = prng(11, "flips");
    for (let i = 0; i < 300; i++) {
      const offer = offerOf(release);
      const manifest = offer.manifest.slice();
      const signature = offer.signature.slice();
      const bit = random.uint32() % ((manifest.length + signature.length) * 8);
      const byte = bit >> 3;
      if (byte < manifest.length) manifest[byte] = (manifest[byte] ?? 0) ^ (1 << (bit & 7));
      else {
        const at = byte - manifest.length;
        signature[at] = (signature[at] ?? 0) ^ (1 << (bit & 7));
      }
      world.send({ kind: "offer", manifest, signature });
      await world.run(0.25, false);
    }
    await world.run(10);
    expect(running(world)).toBe(0);
    expect(world.countOf("want")).toBe(0);
    const told = world.received.filter((message) => message.kind === "outcome");
    expect(told.length).toBeGreaterThan(10);
    for (const outcome of told) {
      expect(outcome).toMatchObject({
        outcome: "bad-signature",
        releaseSequence: UNBELIEVED_SEQUENCE,
      });
    }
  });

  it("are never run, whatever happens to their chunks on the way", async () => {
    const release = signRelease(BETTER, 5);
    const random = prng(12, "chunks");
    const world = await connected(release);
    world.spoil = (_, bytes) => {
      const at = random.uint32() % bytes.length;
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (random.uint32() & 7));
      return bytes;
    };
    await world.run(60);
    expect(running(world)).toBe(0);
    world.spoil = (index, bytes) => (index % 2 === 0 ? bytes.slice(1) : bytes);
    await world.run(60);
    expect(running(world)).toBe(0);
    // The healthy chunks that come at last are enough.
    world.spoil = (_, bytes) => bytes;
    await world.run(400);
    expect(running(world)).toBe(5);
  });

  it("with chunks of another release mixed in are put together right or not at all", async () => {
    const release = signRelease(BETTER, 5);
    const world = await connected(release);
    const other = signRelease(OTHER, 5);
    let calls = 0;
    world.spoil = (index, bytes) => {
      calls += 1;
      const start = index * other.manifest.chunkBytes;
      return calls % 3 === 0 ? other.container.slice(start, start + bytes.length) : bytes;
    };
    await world.run(200);
    expect(world.node?.status()).toMatchObject({
      releaseSequence: 5,
      modelId: release.manifest.modelId,
    });
  });
});
