/** A node that is moved to an operating point: what it says of it, and through what it keeps it. */

import { describe, expect, it } from "vitest";
import { encodePoints } from "../src/gate/operating-points.ts";
import { encodeDown } from "../src/wire/frames.ts";
import { NodeWorld, offerOf, sampleContainer, signRelease } from "./node-world.ts";
import { gateWithPoints, OPERATING_POINTS } from "./operating-point-samples.ts";

const pointsOf = (...which: number[]) => {
  const operatingPoints = which.flatMap((i) => OPERATING_POINTS[i - 1] ?? []);
  const points = encodePoints({ ...gateWithPoints(), operatingPoints });
  return points === undefined ? {} : { points };
};
/** 2 % and 30 %. */
const [LOW, HIGH] = OPERATING_POINTS.map((point) => point.targetShareQ16) as [number, number];

async function started(): Promise<NodeWorld> {
  const world = new NodeWorld({ seed: 1, factory: sampleContainer(1, pointsOf(1, 2)) });
  await world.boot();
  world.connect();
  await world.run(60);
  return world;
}

const reports = (world: NodeWorld) =>
  world.received.flatMap((message) => (message.kind === "report" ? [message] : []));
const pointNow = (world: NodeWorld) => reports(world).at(-1)?.operatingPoint;

describe("a node at an operating point", () => {
  it("was moved by four bytes, says so in its reports, each of one point, and offloads so", async () => {
    const world = await started();
    expect(world.received[0]).toMatchObject({ kind: "hello", formatVersion: 3 });
    expect(encodeDown({ kind: "point", shareQ16: HIGH })).toHaveLength(4);
    const offloads = () => world.decided.filter(({ offload }) => offload !== null).length;
    const shareOf = async (shareQ16: number) => {
      world.send({ kind: "point", shareQ16 });
      await world.run(2000);
      const before = { offloads: offloads(), windows: world.decided.length };
      await world.run(5000);
      return (offloads() - before.offloads) / (world.decided.length - before.windows);
    };
    // Noise and random weights: what each point's budget lets through, not what its target says.
    const high = await shareOf(HIGH);
    expect(pointNow(world)).toBe(2);
    const low = await shareOf(LOW);
    expect(pointNow(world)).toBe(1);
    expect(low).toBeLessThanOrEqual(0.04);
    expect(high).toBeGreaterThan(4 * low);
    expect(new Set(reports(world).map(({ operatingPoint }) => operatingPoint))).toEqual(
      new Set([0, 1, 2]),
    );
    await world.run(20, false);
    expect(world.reportedWindows()).toHaveLength(world.decided.length);
    world.send({ kind: "point", shareQ16: 0 });
    await world.run(60);
    expect(pointNow(world)).toBe(0);
  });

  it("stays there when its power is cut, and at the new model's own point after a release", async () => {
    const world = await started();
    world.send({ kind: "point", shareQ16: HIGH });
    await world.run(1);
    world.cut();
    await world.boot();
    world.connect();
    await world.run(60);
    expect(pointNow(world)).toBe(2);
    // Of a model with that point alone it is the first.
    const release = signRelease(sampleContainer(2, pointsOf(2)), 1);
    world.offered = release;
    world.send(offerOf(release));
    await world.run(120);
    expect(reports(world).at(-1)).toMatchObject({
      modelId: release.manifest.modelId,
      operatingPoint: 1,
    });
    // One without points has nothing to move to; the share is remembered for the next.
    for (const [sequence, points, point] of [
      [2, [], 0],
      [3, [1, 2], 2],
    ] as const) {
      const next = signRelease(sampleContainer(sequence + 1, pointsOf(...points)), sequence);
      world.offered = next;
      world.send(offerOf(next));
      await world.run(120);
      expect(reports(world).at(-1)).toMatchObject({
        modelId: next.manifest.modelId,
        operatingPoint: point,
      });
    }
  });
});
