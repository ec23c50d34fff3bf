/**
 * Many lives of a node, drawn by seed: power cuts, lost connections, a dead gateway, a rough
 * network, clocks that jump, good, dull, foreign and tampered releases, in any order. A seed that
 * fails is printed and plays the same life again. `BELLWETHER_SEEDS=500` makes it a soak.
 */

import { describe, expect, it } from "vitest";
import { below, chance, type Prng, prng, uniform } from "../src/prng.ts";
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

const SEEDS = Number(process.env.BELLWETHER_SEEDS ?? 25);
const ACTS = 40;

const GOOD = [sampleContainer(2), sampleContainer(3)] as const;
const DULL = constantContainer(2);
const FOREIGN = sampleContainer(4, { cohort: "sheep" });

type Life = { readonly world: NodeWorld; readonly random: Prng; sequence: number };

/**
 * Releases that a sound node may run: the one it was made with, and those honestly signed for it.
 */
const allowed = new Map<Life, Map<string, number>>();

function release(life: Life): SignedRelease {
  life.sequence += 1 + below(life.random, 3);
  const { sequence } = life;
  const kind = below(life.random, 6);
  if (kind === 0) return signRelease(DULL, sequence);
  if (kind === 1) return signRelease(FOREIGN, sequence);
  const purpose = kind === 2 ? "rollback" : "release";
  const made = signRelease(GOOD[below(life.random, 2)] ?? GOOD[0], sequence, { purpose });
  allowed.get(life)?.set(made.manifest.modelId, sequence);
  if (kind !== 3) return made;
  // Tampered with on the way: its signature no longer holds.
  const manifestBytes = made.manifestBytes.slice();
  const at = below(life.random, manifestBytes.length);
  manifestBytes[at] = (manifestBytes[at] ?? 0) ^ 0x40;
  return { ...made, manifestBytes };
}

const ACT: readonly ((life: Life) => Promise<void>)[] = [
  async ({ world }) => world.connect(),
  async ({ world }) => world.disconnect(),
  async (life) => {
    life.world.cut();
    await life.world.boot();
  },
  async (life) => {
    await life.world.node?.stop();
    life.world.cut();
    await life.world.boot();
  },
  async ({ world, random }) => {
    world.gatewayAlive = chance(random, 0.5);
  },
  async ({ world, random }) => {
    world.trouble = chance(random, 0.5) ? ROUGH : CALM;
  },
  async ({ world, random }) => {
    world.wallMs += Math.round(uniform(random, -400, 400)) * 86_400_000;
    world.wallMs = Math.max(0, world.wallMs);
  },
  async (life) => {
    life.world.offered = release(life);
    life.world.send(offerOf(life.world.offered));
  },
  async ({ world, random }) => {
    world.send({
      kind: "setting",
      auditChanceQ16: below(random, 65536),
      burstWindows: below(random, 20),
    });
  },
];

function check(life: Life, before: number): void {
  const { world } = life;
  const status = world.node?.status();
  expect(world.conflicts).toEqual([]);
  expect(status?.outbox).toBeLessThan(1000);
  // It decides whatever else happens.
  expect(world.decided.length).toBeGreaterThan(before);
  if (status !== undefined && status.releaseSequence > 0) {
    const signed = allowed.get(life)?.get(status.modelId);
    const isDull = signRelease(DULL, 1).manifest.modelId === status.modelId;
    expect(signed !== undefined || (isDull && status.onTrial)).toBe(true);
  }
}

async function live(seed: number): Promise<void> {
  const random = prng(seed, "life");
  const settings = { trialWindows: 8, wakeMs: 600_000_000 };
  const world = new NodeWorld({ seed, factory: sampleContainer(1), settings });
  world.stepMs = 500;
  const life: Life = { world, random, sequence: 0 };
  allowed.set(life, new Map());
  await world.boot();
  for (let act = 0; act < ACTS; act++) {
    await ACT[below(random, ACT.length)]?.(life);
    const before = world.decided.length;
    await world.run(2.5 * (1 + below(random, 6)));
    check(life, before);
  }
  // Everything is well at last: what is owed is delivered, and a good release gets there.
  world.gatewayAlive = true;
  world.trouble = CALM;
  life.sequence += 1;
  world.offered = signRelease(GOOD[0], life.sequence);
  world.disconnect();
  world.connect();
  await world.run(150);
  await world.run(300, false);
  expect(world.node?.status()).toMatchObject({
    outbox: 0,
    releaseSequence: life.sequence,
    onTrial: false,
  });
  expect(world.conflicts).toEqual([]);
  const windows = world.reportedWindows();
  expect(new Set(windows).size).toBe(windows.length);
}

describe("a node", () => {
  it(`lives through ${SEEDS} lives`, async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      try {
        await live(seed);
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
  }, 600_000);

  it("lives the same life for the same seed", async () => {
    const trace = async (): Promise<unknown> => {
      const world = new NodeWorld({ seed: 77, factory: sampleContainer(1) });
      world.trouble = ROUGH;
      world.offered = signRelease(GOOD[1], 3);
      await world.boot();
      world.connect();
      await world.run(120);
      return [world.decided, world.news, world.logs, [...world.stored]];
    };
    expect(await trace()).toEqual(await trace());
  });
});
