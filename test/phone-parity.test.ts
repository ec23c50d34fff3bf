/**
 * One node in two worlds: the modules that the gateway serves, run by Chromium over IndexedDB, decide on
 * a signal as the same sources do in Node over memory, window for window, and owe the very same bytes.
 */

import { readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { memoryStorage } from "../device-sim/memory-storage.ts";
import { modelLoader } from "../device-sim/models.ts";
import { nodeCrypto } from "../device-sim/node-crypto.ts";
import { startNode } from "../device-sim/node-runtime.ts";
import { COLLAR } from "../device-sim/node-settings.ts";
import type { Decided } from "../device-sim/node-types.ts";
import type { NodeStorage } from "../device-sim/storage.ts";
import { readShippedEmulator } from "../recordings/shipped-emulator.ts";
import { chooseEngine } from "../src/engine/choose-engine.ts";
import { prng } from "../src/prng.ts";
import { createEmulator } from "../src/signal/emulator.ts";
import type { Crypto } from "../src/wire/release.ts";
import { nodeId } from "../src/wire/topics.ts";
import { findChromium } from "./chromium.ts";
import { ROOT } from "./house-sources.ts";
import { PageStorages } from "./page-storage.ts";

const program = findChromium();
const factory = readFileSync(path.join(ROOT, "profiles/people/student.bwm"));
const WINDOWS = 240;
const HOP = 64;

/** What a life needs of its world. */
type World = {
  readonly modelLoader: typeof modelLoader;
  readonly chooseEngine: typeof chooseEngine;
  readonly startNode: typeof startNode;
  readonly prng: typeof prng;
  readonly settings: typeof COLLAR;
  readonly crypto: Crypto;
  readonly storage: NodeStorage;
  readonly factory: Uint8Array;
  readonly samples: Int16Array;
  readonly node: ReturnType<typeof nodeId>;
  readonly hop: number;
};
type Life = { readonly decided: readonly Decided[]; readonly owed: readonly number[][] };

/** Names nothing but what it is given: its text is run in the page as well. */
async function live(world: World): Promise<Life> {
  const { crypto, storage, hop } = world;
  const decided: Decided[] = [];
  let nowMs = 1_700_000_000_000;
  const runtime = await world.startNode({
    id: world.node,
    factory: world.factory,
    settings: world.settings,
    tools: {
      crypto,
      random: world.prng(5, "node"),
      jitter: world.prng(6, "jitter"),
      load: world.modelLoader(world.chooseEngine(), crypto),
    },
    storage,
    openLink: undefined,
    clock: () => ({ uptimeMs: nowMs - 1_700_000_000_000, wallMs: nowMs }),
    newEpoch: () => 77,
    observer: { decided: (_node, one) => decided.push({ ...one }) },
  });
  for (let at = 0; at < world.samples.length; at += 3 * hop) {
    nowMs += 2_560;
    const millig = world.samples.slice(at, at + 3 * hop);
    runtime.step({ kind: "samples", startSample: at / 3, millig });
  }
  await runtime.stop();
  const listener = { durable: () => undefined, failing: () => undefined };
  const { image } = await storage.openOutbox({ newEpoch: () => 1, listener });
  return { decided, owed: image.entries.map(({ frame }) => [...frame]) };
}

const pages = new PageStorages();
beforeAll(async () => {
  if (program !== undefined) await pages.start(program);
}, 60_000);
afterAll(() => pages.stop(), 30_000);

it.skipIf(program === undefined)(
  "decides and owes the same in a browser and in Node",
  { timeout: 60_000 },
  async () => {
    const parameters = await readShippedEmulator("people");
    const { samples } = createEmulator(parameters, { seed: 9, boutScale: 0.2 }).next(WINDOWS * HOP);
    const node = nodeId("phone-1");
    const here = await live({
      modelLoader,
      chooseEngine,
      startNode,
      prng,
      settings: COLLAR,
      crypto: nodeCrypto,
      storage: memoryStorage(COLLAR.slotBytes),
      factory,
      samples,
      node,
      hop: HOP,
    });
    const there = await pages.value<Life>(`(async () => {
      const from = (path) => import("/node/m/" + path);
      const { openIndexedStorage } = await from("device-sim/browser/indexed-storage.ts");
      const settings = (await from("device-sim/node-settings.ts")).COLLAR;
      const bytes = await (await fetch("/node/factory.bwm")).arrayBuffer();
      return (${live.toString()})({
        ...(await from("device-sim/models.ts")),
        ...(await from("src/engine/choose-engine.ts")),
        ...(await from("device-sim/node-runtime.ts")),
        ...(await from("src/prng.ts")),
        settings,
        crypto: (await from("device-sim/browser/page-crypto.ts")).pageCrypto,
        storage: await openIndexedStorage("parity", settings.slotBytes),
        factory: new Uint8Array(bytes),
        samples: Int16Array.from(${JSON.stringify([...samples])}),
        node: ${JSON.stringify(node)},
        hop: ${HOP},
      });
    })()`);
    expect(here.decided).toHaveLength(WINDOWS - 1);
    expect(new Set(here.decided.map(({ classIndex }) => classIndex)).size).toBeGreaterThan(2);
    expect(here.decided.some(({ offload }) => offload !== null)).toBe(true);
    expect(there.decided).toEqual(here.decided);
    expect(here.owed.length).toBeGreaterThan(20);
    expect(there.owed).toEqual(here.owed);
  },
);
