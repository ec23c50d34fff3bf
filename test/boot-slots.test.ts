/**
 * The loop of MCUboot's simulator: an update is run once to count its writes to flash, then again
 * with the power cut at each of them, before it, in the middle of it and after it.
 */

import { describe, expect, it } from "vitest";
import { memoryStorage } from "../device-sim/memory-storage.ts";
import { COLLAR } from "../device-sim/node-settings.ts";
import { encodeFloor, encodeSlotRecord } from "../device-sim/slot-record.ts";
import type { Flash, FlashWrite, NodeStorage, SlotNumber } from "../device-sim/storage.ts";
import { prng } from "../src/prng.ts";
import { constantContainer, NodeWorld, sampleContainer, signRelease } from "./node-world.ts";

const FACTORY = sampleContainer(1);
const FIRST = signRelease(sampleContainer(2), 5);
const SECOND = signRelease(sampleContainer(3), 6);
const DULL = signRelease(constantContainer(2), 6);

/** A short trial, so that hundreds of lives take seconds; eight windows tell a dull model. */
const QUICK = { trialWindows: 8 };

type Cut = { readonly at: number; readonly how: "before" | "torn" | "after" };

/** Flash that dies at a write. What it held then is still there when it is used without a cut. */
function dyingFlash(flash: Flash, cut: Cut) {
  let writes = 0;
  const tearable = new Set<number>();
  let dead = false;
  const gone = new Promise<never>(() => {});
  return {
    writes: () => writes,
    tearable,
    flash: {
      ...flash,
      write: (write: FlashWrite) => {
        if (dead) return gone;
        writes += 1;
        if (torn(write) !== write) tearable.add(writes);
        if (writes !== cut.at) return flash.write(write);
        dead = true;
        if (cut.how === "before") return gone;
        return flash.write(cut.how === "torn" ? torn(write) : write).then(() => gone);
      },
      read: (slot: SlotNumber) => (dead ? gone : flash.read(slot)),
    } satisfies Flash,
  };
}

/** Half of what can be torn; records and the floor are written whole or not at all. */
function torn(write: FlashWrite): FlashWrite {
  if (write.region !== "header" && write.region !== "image") return write;
  return { ...write, bytes: write.bytes.subarray(0, write.bytes.length >> 1) };
}

/** Lives until the flash dies, or to the end of the scene. `settle` would wait for dead flash. */
class MortalWorld extends NodeWorld {
  override async settle(): Promise<void> {
    for (let i = 0; i < 8; i++) await Promise.resolve();
  }
}

type Scene = {
  readonly name: string;
  /** Plays it; flash may die at any moment. */
  readonly play: (world: NodeWorld) => Promise<void>;
  /** Releases that may run after a cut, and the one that must run in the end. */
  readonly allowed: readonly number[];
  readonly end: number;
};

async function install(world: NodeWorld, release: typeof FIRST, seconds: number): Promise<void> {
  world.offered = release;
  if (world.node?.status().connected === true) world.disconnect();
  world.connect();
  await world.run(seconds);
}

const SCENES: readonly Scene[] = [
  {
    name: "a first release",
    play: (world) => install(world, FIRST, 25),
    allowed: [0, 5],
    end: 5,
  },
  {
    name: "a second release",
    play: async (world) => {
      await install(world, FIRST, 25);
      await install(world, SECOND, 25);
    },
    allowed: [0, 5, 6],
    end: 6,
  },
  {
    name: "a release that is given up",
    play: async (world) => {
      await install(world, FIRST, 25);
      await install(world, DULL, 25);
    },
    allowed: [0, 5, 6],
    end: 5,
  },
];

async function playWithCut(
  scene: Scene,
  cut: Cut,
): Promise<{ writes: number; tearable: ReadonlySet<number>; ran: number }> {
  const world = new MortalWorld({ seed: 1, factory: FACTORY, settings: QUICK });
  world.stepMs = 500;
  const whole = memoryStorage(COLLAR.slotBytes);
  const dying = dyingFlash(whole.flash, cut);
  await world.boot({ ...whole, flash: dying.flash });
  await scene.play(world);
  const writes = dying.writes();
  world.cut();
  // The power is back.
  await world.boot(whole);
  const ran = world.node?.status().releaseSequence ?? -1;
  const decided = world.decided.length;
  await scene.play(world);
  await world.run(10);
  expect(world.decided.length).toBeGreaterThan(decided);
  expect([cut, world.node?.status().releaseSequence]).toEqual([cut, scene.end]);
  expect(world.node?.status().onTrial).toBe(false);
  return { writes, tearable: dying.tearable, ran };
}

describe("an update that is cut off", () => {
  for (const scene of SCENES) {
    it(`${scene.name}: boots a valid model after a cut at every write, and gets there`, async () => {
      const whole = await playWithCut(scene, { at: Number.POSITIVE_INFINITY, how: "after" });
      const { writes, tearable } = whole;
      expect(writes).toBeGreaterThan(8);
      const seen = new Set<number>();
      seen.add((await playWithCut(scene, { at: 1, how: "before" })).ran);
      for (let at = 1; at <= writes; at++) {
        // Before a write is after the one before it; records are whole or not there at all.
        for (const how of tearable.has(at) ? (["torn", "after"] as const) : (["after"] as const)) {
          seen.add((await playWithCut(scene, { at, how })).ran);
        }
      }
      for (const sequence of seen) expect(scene.allowed).toContain(sequence);
      // The loop did meet both sides of the point of no return.
      expect(seen.size).toBeGreaterThan(1);
    });
  }
});

describe("slots that are damaged", () => {
  const installed = async (): Promise<NodeStorage> => {
    const world = new NodeWorld({ seed: 1, factory: FACTORY });
    await world.boot();
    await install(world, FIRST, 70);
    await install(world, SECOND, 70);
    expect(world.node?.status()).toMatchObject({ releaseSequence: 6, onTrial: false });
    return world.storage;
  };
  const bootOn = async (storage: NodeStorage): Promise<NodeWorld> => {
    const world = new NodeWorld({ seed: 1, factory: FACTORY });
    await world.boot(storage);
    await world.run(5);
    expect(world.decided.length).toBeGreaterThan(0);
    return world;
  };
  const sequenceOn = async (storage: NodeStorage): Promise<number> =>
    (await bootOn(storage)).node?.status().releaseSequence ?? -1;

  it("give way to the release before, and then to the model that the node was made with", async () => {
    const storage = await installed();
    expect(await sequenceOn(storage)).toBe(6);
    const byte = { region: "image", offset: 700, bytes: Uint8Array.of(0xa5, 0x5a) } as const;
    await storage.flash.write({ ...byte, slot: 1 });
    expect(await sequenceOn(storage)).toBe(5);
    await storage.flash.write({ ...byte, slot: 0 });
    expect(await sequenceOn(storage)).toBe(0);
  });

  it("are found out by any single byte of header, image or record", async () => {
    const random = prng(4, "damage");
    for (let i = 0; i < 60; i++) {
      const storage = await installedOnce(installed);
      const { slots } = await storage.flash.load();
      const part = (["header", "image", "record"] as const)[i % 3] ?? "image";
      const bytes = (slots[1][part] ?? new Uint8Array(1)).slice(0, SECOND.container.length);
      const at = random.uint32() % bytes.length;
      bytes[at] = (bytes[at] ?? 0) ^ (1 + (random.uint32() % 255));
      if (part === "image") {
        await storage.flash.write({ region: part, slot: 1, offset: 0, bytes });
      } else {
        await storage.flash.write({ region: part, slot: 1, bytes });
      }
      expect([part, at, await sequenceOn(storage)]).toEqual([part, at, 5]);
    }
  });

  it("cannot be talked into running what was never signed", async () => {
    const storage = await installed();
    const image = sampleContainer(9);
    const state = { state: "confirmed", sequence: 99, boots: 0, outcome: "confirmed" } as const;
    await storage.flash.write({ region: "image", slot: 1, offset: 0, bytes: image });
    await storage.flash.write({ region: "record", slot: 1, bytes: encodeSlotRecord(state) });
    expect(await sequenceOn(storage)).toBe(5);
  });

  it("do not lower the floor: an old release stays refused", async () => {
    const storage = await installed();
    const empty = { state: "empty", sequence: 0, boots: 0, outcome: "stale" } as const;
    for (const slot of [0, 1] as const) {
      await storage.flash.write({ region: "record", slot, bytes: encodeSlotRecord(empty) });
    }
    const world = await bootOn(storage);
    world.offered = FIRST;
    world.connect();
    await world.run(10);
    expect(world.node?.status().releaseSequence).toBe(0);
    expect(world.news.at(-1)?.outcome).toBe("stale");
    // Only a floor that is lost as well lets it in again.
    await storage.flash.write({ region: "floor", bytes: encodeFloor(0) });
    const other = await bootOn(storage);
    await install(other, FIRST, 70);
    expect(other.node?.status().releaseSequence).toBe(5);
  });
});

/** A copy of what was installed once: sixty installations would take a while. */
async function installedOnce(make: () => Promise<NodeStorage>): Promise<NodeStorage> {
  model ??= await (await make()).flash.load();
  const copy = memoryStorage(COLLAR.slotBytes);
  for (const slot of [0, 1] as const) {
    const { record, header, image } = model.slots[slot];
    await copy.flash.write({ region: "image", slot, offset: 0, bytes: image });
    if (header !== null) await copy.flash.write({ region: "header", slot, bytes: header });
    if (record !== null) await copy.flash.write({ region: "record", slot, bytes: record });
  }
  return copy;
}
let model: Awaited<ReturnType<Flash["load"]>> | undefined;

describe("flash that refuses one write", () => {
  /** Refuses the write number `at`, once, and is well again. */
  function refusing(flash: Flash, at: number): { flash: Flash; writes: () => number } {
    let writes = 0;
    const write = (what: FlashWrite): Promise<void> => {
      writes += 1;
      if (writes === at) return Promise.reject(new Error("EIO"));
      return flash.write(what);
    };
    return { flash: { ...flash, write }, writes: () => writes };
  }

  it("never stops a node, and the release gets there at a later offer", async () => {
    let all = Number.POSITIVE_INFINITY;
    for (let at = 0; at <= all; at++) {
      const world = new NodeWorld({ seed: 1, factory: FACTORY, settings: QUICK });
      world.stepMs = 500;
      const whole = memoryStorage(COLLAR.slotBytes);
      const weak = refusing(whole.flash, at);
      await world.boot({ ...whole, flash: weak.flash });
      await install(world, FIRST, 90);
      if (at === 0) all = weak.writes();
      const status = world.node?.status();
      expect([at, status?.releaseSequence, status?.onTrial]).toEqual([at, 5, false]);
      expect(world.decided).toHaveLength(36);
      expect(world.logs.some((line) => line.startsWith("flash-failed"))).toBe(at > 0);
    }
    expect(all).toBeGreaterThan(8);
  });
});
