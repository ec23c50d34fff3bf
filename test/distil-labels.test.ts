import { describe, expect, test } from "vitest";
import {
  chooseLabels,
  DEFAULT_LABEL_RULE,
  type LabelRule,
} from "../gateway/distil/distil-labels.ts";
import type { SoftLabel } from "../gateway/store/label-rows.ts";
import { below, prng } from "../src/prng.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import type { ModelId, NodeId } from "../src/wire/messages.ts";

const profile = shippedProfile("cattle");
const context = { profile, teacherId: "teacher", unknownNodes: [] as string[], seed: 1 };
const random = prng(5);
let nextId = 1;

function row(more: Partial<SoftLabel> = {}): SoftLabel {
  const offloadId = nextId++;
  const level = below(random, 200) - 100;
  return {
    offloadId,
    node: "a" as NodeId,
    epoch: 1,
    seq: offloadId,
    modelId: "0123456789abcdef" as ModelId,
    reason: "burst",
    chanceQ16: 65535,
    windowIndex: offloadId * 20,
    timeMs: 0,
    classIndex: 0,
    confidenceQ8: 0,
    teacherId: "teacher",
    trusted: true,
    answeredMs: 0,
    probabilities: Float32Array.of(0.1, 0.8, 0.1),
    window: Int8Array.from({ length: 150 }, () => level + below(random, 20) - 10),
    windowSamples: 50,
    channels: 3,
    inputMilligPerStep: 16,
    rateCentihertz: 1000,
    encoding: "int8",
    ...more,
  };
}

const rows = (count: number, more: Partial<SoftLabel> = {}) =>
  Array.from({ length: count }, () => row(more));

const chosen = (from: SoftLabel[], rule: Partial<LabelRule> = {}, more = {}) =>
  chooseLabels(from, { ...context, ...more }, { ...DEFAULT_LABEL_RULE, ...rule });

describe("the labels that are learned from", () => {
  test("leave out an axis that sticks while others move, and keep one that lies still", () => {
    const axisOf = (spread: number) =>
      Int8Array.from({ length: 150 }, (_, i) => (i % 3 === 1 ? 7 : below(random, spread + 1)));
    const left = (window: Int8Array) => chosen([row({ window }), ...rows(5)]).leftOut;
    expect(left(axisOf(60))).toMatchObject({ "dead-sensor": 1 });
    expect(left(axisOf(4))).toMatchObject({ "dead-sensor": 0 });
  });

  test("leave out what is strange, dead, repeated or not trusted, and say so", () => {
    const good = rows(10);
    const bad = [
      row({ windowSamples: 64 }),
      row({ rateCentihertz: 2500 }),
      row({ teacherId: "another" }),
      row({ trusted: false }),
      row({ node: "lost" as NodeId }),
      row({ window: new Int8Array(150).fill(3) }),
      row({ window: Int8Array.from({ length: 150 }, (_, i) => (i % 2 === 0 ? 127 : -127)) }),
      { ...(good[0] as SoftLabel), offloadId: 999, node: "b" as NodeId },
    ];
    const choice = chosen([...good, ...bad], {}, { unknownNodes: ["lost"] });
    expect(choice.leftOut).toEqual({
      "other-shape": 2,
      "other-teacher": 1,
      "not-trusted": 2,
      "dead-sensor": 2,
      repeated: 1,
      "over-share": 0,
    });
    expect(choice.train.windows.count + choice.heldOut.windows.count).toBe(10);
  });

  test("are no more than asked for, and no node gives more than its share", () => {
    const choice = chosen([...rows(500), ...rows(30, { node: "b" as NodeId })], { labelsMost: 60 });
    const nodes = [...choice.train.windows.subjects, ...choice.heldOut.windows.subjects];
    expect(nodes.filter((node) => node === "a")).toHaveLength(24);
    expect(nodes.filter((node) => node === "b")).toHaveLength(24);
    expect(choice.leftOut["over-share"]).toBe(482);
    const alone = chosen(rows(500), { labelsMost: 60 });
    expect(alone.train.windows.count + alone.heldOut.windows.count).toBe(60);
  });

  test("are the most unlike each other", () => {
    const same = rows(200, { window: Int8Array.from({ length: 150 }, (_, i) => i % 7) });
    same.forEach((r, i) => {
      r.window.set([i & 63, i >> 6]);
    });
    const rare = rows(5);
    const choice = chosen([...same, ...rare], { labelsMost: 8 });
    const kept = new Set([...choice.train.windows.samples, ...choice.heldOut.windows.samples]);
    for (const r of rare) expect(kept.has(r.window[75] as number)).toBe(true);
  });

  test("are held out by whole bouts", () => {
    const of = (start: number, probabilities: Float32Array) =>
      Array.from({ length: 5 }, (_, i) => row({ windowIndex: start + 3 * i, probabilities }));
    const grazing = Float32Array.of(0.9, 0.1, 0);
    const still = Float32Array.of(0, 0.9, 0.1);
    const from = Array.from({ length: 12 }, (_, b) => of(100 * b, b % 2 === 0 ? grazing : still));
    const { train, heldOut } = chosen(from.flat());
    expect(heldOut.windows.count).toBeGreaterThanOrEqual(10);
    expect(heldOut.windows.count).toBeLessThanOrEqual(20);
    expect(heldOut.windows.count % 5).toBe(0);
    expect(train.windows.count).toBe(60 - heldOut.windows.count);
    const bouts = new Set(heldOut.windows.bouts);
    expect(train.windows.bouts.some((bout) => bouts.has(bout))).toBe(false);
    expect(new Set(heldOut.windows.labels)).toEqual(new Set([0, 1]));
    expect(train.probabilities.length).toBe(3 * train.windows.count);
  });

  test("stand for as many windows as their chance says, within reason", () => {
    const { train, heldOut } = chosen([...rows(20), ...rows(20, { chanceQ16: 655 })]);
    expect(new Set([...train.weights, ...heldOut.weights])).toEqual(new Set([1, 4]));
  });

  test("of nothing are nothing", () => {
    const { train, heldOut } = chosen([]);
    expect(train.windows.count + heldOut.windows.count).toBe(0);
  });
});
