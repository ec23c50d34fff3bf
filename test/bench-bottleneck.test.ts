/** Codes from the student's own layers: their shapes, a trunk that stays, and the benchmark, tiny. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../bench/bottleneck.ts";
import { frozenNetwork, jointNetwork, mapShape } from "../bench/bottleneck-network.ts";
import { leastShare } from "../bench/split-reach.ts";
import { WORK_SHARES } from "../bench/split-work.ts";
import { recipeFor } from "../src/learn/recipes.ts";
import { studentNetwork } from "../src/learn/student-network.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import { quickOptions } from "./benchmark-options.ts";
import { writeSwingingHerd } from "./swinging-herd.ts";

const data = mkdtempSync(join(tmpdir(), "swinging-bottleneck-"));
beforeAll(() => writeSwingingHerd(join(data, "cows"), "cows", ["1", "2", "3"]));
afterAll(() => rmSync(data, { recursive: true }));

const { spec } = recipeFor(shippedProfile("cattle")).student;
const tail = { widths: [4], strides: [1], kernels: [3] };

describe("a bottleneck on the student's layers", () => {
  it("reads what its stage leaves", () => {
    expect(mapShape(spec, 0)).toEqual({ time: 25, channels: 16 });
    expect(mapShape(spec, 1)).toEqual({ time: 13, channels: 24 });
  });

  it("trains the exits where they go together, and none of their tensors on a trunk that stays", () => {
    const design = { spec, stage: 0, codeChannels: 3, codeBits: 2, tail };
    const names = (network: { parameters: readonly { name: string }[] }) =>
      network.parameters.map(({ name }) => name);
    const joint = names(jointNetwork(design));
    const frozen = names(frozenNetwork(design, new Map()));
    const student = names(studentNetwork(spec));
    expect(new Set(joint)).toEqual(new Set([...student, ...frozen]));
    expect(frozen.filter((name) => student.includes(name))).toEqual([]);
    expect(frozen).toContain("bottleneck.weight");
  });
});

describe("the share that reaches an accuracy", () => {
  it("lies between the shares that were tried", () => {
    const accuracies = WORK_SHARES.map((share) => 0.9 + share / 1000);
    expect(leastShare(accuracies, 0.907)).toBeCloseTo(0.07, 12);
    expect(leastShare(accuracies, 0.9)).toBe(0);
    expect(leastShare(accuracies, 1.01)).toBeNull();
  });
});

describe("bench bottleneck", () => {
  it("sets every place and way beside the student that was trained alone", async () => {
    const asked = quickOptions({ data, dataset: "cows", test: ["3"], extra: { bytes: "24" } });
    const { ok, figures, lines } = await run(asked);
    expect(ok).toBe(true);
    const { ways } = figures as {
      ways: { name: string; bytes: number; macsRatio: number; exits: unknown[] }[];
    };
    expect(ways.map(({ exits }) => exits.length)).toEqual([0, 0, 2, 0, 2]);
    for (const { bytes, macsRatio } of ways) {
      expect(bytes).toBeLessThanOrEqual(24);
      expect(bytes).toBeGreaterThan(12);
      expect(macsRatio).toBeGreaterThan(0);
    }
    expect(lines.join("\n")).toContain("behind stage 2, with the exits");
  });
});
