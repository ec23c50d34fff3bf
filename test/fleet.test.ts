import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type FleetOptions, startFleet, type Truth } from "../device-sim/fleet.ts";
import { mqttLinks } from "../device-sim/mqtt-link.ts";
import { COLLAR } from "../device-sim/node-settings.ts";
import { type Sensor, sensorOver } from "../device-sim/sensor.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { normal, prng } from "../src/prng.ts";
import { DEFAULT_BASE, nodeId } from "../src/wire/topics.ts";
import { acknowledgingBroker } from "./acknowledging-broker.ts";
import { sampleContainer } from "./node-world.ts";

const folder = mkdtempSync(join(tmpdir(), "bellwether-fleet-"));
afterAll(() => rmSync(folder, { recursive: true }));

const CONTAINER = sampleContainer(1);

/** Noise about gravity; its class changes every 40 samples. */
function noiseSensor(seed: number): Sensor {
  const random = prng(seed, "noise");
  let at = 0;
  const next = (count: number) => {
    const samples = Int16Array.from({ length: count * 3 }, (_, i) =>
      Math.round((i % 3 === 2 ? 1000 : 0) + 300 * normal(random)),
    );
    const classes = Uint8Array.from({ length: count }, () => Math.floor(at++ / 40) % 3);
    return [{ seam: false, samples, classes }];
  };
  return sensorOver({ rateHz: 10, next }, [], seed);
}

function fleetOf(count: number, change: Partial<FleetOptions> = {}): FleetOptions {
  return {
    nodes: Array.from({ length: count }, (_, i) => ({
      id: nodeId(`collar-${i}`),
      factory: CONTAINER,
      sensor: noiseSensor(i),
    })),
    seed: 3,
    settings: COLLAR,
    engine: referenceEngine,
    openLink: undefined,
    storageDir: null,
    speed: 200,
    ...change,
  };
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !condition(); i++) await new Promise((go) => setTimeout(go, 10));
  expect(condition()).toBe(true);
}

/** What the first windows of each node came to, by node. */
async function firstAnswers(options: FleetOptions, windows: number) {
  const answers = new Map<string, Truth[]>();
  const fleet = await startFleet({
    ...options,
    onTruth: (truth) => {
      const list = answers.get(truth.node) ?? [];
      answers.set(truth.node, [...list, truth]);
    },
  });
  const all = () => [...answers.values()];
  await until(
    () => all().length === options.nodes.length && all().every((a) => a.length >= windows),
  );
  await fleet.stop();
  return new Map(
    [...answers].map(([node, list]) => [
      node,
      list.slice(0, windows).map(({ decided, truth }) => {
        const { timeMs: _, ...answer } = decided;
        return { ...answer, truth };
      }),
    ]),
  );
}

describe("a fleet", () => {
  it("answers the same windows the same way for the same seed, whatever the machine does", async () => {
    const first = await firstAnswers(fleetOf(3), 60);
    const second = await firstAnswers(fleetOf(3, { speed: 350 }), 60);
    expect(second).toEqual(first);
    const other = await firstAnswers(fleetOf(3, { seed: 4 }), 60);
    expect(other).not.toEqual(first);
  });

  it("tells the truth beside the answer", async () => {
    const answers = await firstAnswers(fleetOf(1), 20);
    for (const { endSample, truth } of answers.get("collar-0") ?? []) {
      // Windows of 50 samples over classes of 40: the truth is what most of it shows.
      const end = endSample ?? 0;
      const counts = [0, 0, 0];
      for (let i = end - 50; i < end; i++) {
        const label = Math.floor(i / 40) % 3;
        counts[label] = (counts[label] ?? 0) + 1;
      }
      const most = counts.findIndex((count) => count > 25);
      expect(truth).toBe(most < 0 ? undefined : most);
    }
  });

  it("delivers over MQTT what it measured, goes on from its folder, and repeats nothing", async () => {
    const { link, received } = await acknowledgingBroker();
    const openLink = mqttLinks({ url: link.url, base: DEFAULT_BASE, random: prng(1) });
    for (let life = 0; life < 2; life++) {
      const fleet = await startFleet(fleetOf(4, { openLink, storageDir: folder, speed: 50 }));
      const enough = () => fleet.status().nodes.every((node) => node.windows >= 30 * (life + 1));
      await until(enough);
      await until(() => fleet.status().nodes.every((node) => node.outbox <= 2));
      await fleet.stop();
    }
    await link.close();
    for (let i = 0; i < 4; i++) {
      const mine = received.filter(({ node }) => node === `collar-${i}`);
      const hellos = mine.flatMap(({ message }) => (message.kind === "hello" ? [message] : []));
      expect(hellos).toHaveLength(2);
      expect(hellos[1]?.epoch).toBe(hellos[0]?.epoch);
      const windows = mine.flatMap(({ message }) =>
        message.kind === "report" ? message.entries.map((entry) => entry.windowIndex) : [],
      );
      const known = [...new Set(windows)].sort((a, b) => a - b);
      expect(known).toEqual(Array.from({ length: known.length }, (_, at) => at));
      expect(known.length).toBeGreaterThanOrEqual(59);
    }
  });
});
