/** What a gateway does with codes: kept always, answered by the tail that reads them, never learned from. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseConfig } from "../gateway/config/config.ts";
import { stepGateway } from "../gateway/gateway.ts";
import {
  createState,
  type GatewayEffect,
  type GatewayState,
  newDiscovery,
} from "../gateway/gateway-state.ts";
import { newBehaviourDesk } from "../gateway/herd/behaviour-state.ts";
import { DEFAULT_ROLLOUT_POLICY } from "../gateway/release/rollout.ts";
import type { WaitingOffload } from "../gateway/store/label-rows.ts";
import { fitWhenAsked } from "../gateway/teacher/tail-trust.ts";
import type { Tail, Teacher } from "../gateway/teacher/teacher.ts";
import { TeacherQueue } from "../gateway/teacher/teacher-queue.ts";
import { jointAnswer } from "../src/gate/joint-answer.ts";
import { largestIndex } from "../src/learn/metrics.ts";
import { packCodes } from "../src/wire/codes.ts";
import { encodeUp } from "../src/wire/frames.ts";
import { type EncoderId, type FeaturesOffload, NO_MODEL } from "../src/wire/messages.ts";
import { nodeId, upTopic } from "../src/wire/topics.ts";
import { base, cattle, helloOf, MODEL, offloadOf, reportOf, until } from "./gateway-kit.ts";
import { GOLDEN_FEATURES } from "./wire-samples.ts";

const node = nodeId("collar-1");
const SHAPE = {
  id: "7a117a117a117a11",
  encoder: GOLDEN_FEATURES.encoder,
  ...{ codeTime: 5, codeChannels: 2, codeBits: 4, studentWeight: 1 },
};

function made(tail: typeof SHAPE | undefined): GatewayState {
  const { behaviours } = parseConfig("", "gateway.yaml", {});
  const settings = {
    base,
    classes: cattle.classes,
    teacher: { id: "feedfeedfeedfeed", windowSamples: 50, channels: 3, rateHz: 10 },
    tail,
    version: "1",
    startedMs: 0,
    rolloutPolicy: DEFAULT_ROLLOUT_POLICY,
    silences: 2.5,
    devicesMs: 1_000,
    nodesMax: 5,
  };
  const desk = newBehaviourDesk(behaviours, cattle, { hopMs: 2_500, windowMs: 5_000 });
  return createState(settings, [], 0, desk, newDiscovery(true));
}

type Message = Parameters<typeof encodeUp>[0];
function hears(state: GatewayState, message: Message): GatewayEffect[] {
  const topic = upTopic(base, node, message.kind);
  return stepGateway(state, { kind: "message", topic, payload: encodeUp(message) }, 1_000, 1_000);
}

function storedOffload(effects: readonly GatewayEffect[]) {
  const rows = effects.flatMap((effect) => (effect.kind === "store" ? [effect.row] : []));
  const row = rows.find(({ kind }) => kind === "offload");
  if (row?.kind !== "offload") throw new Error("no offload was stored");
  return row;
}

function reasonOf(effects: readonly GatewayEffect[]): unknown {
  const log = effects.find((effect) => effect.kind === "log" && "reason" in effect.fields);
  return log?.kind === "log" ? log.fields.reason : undefined;
}

describe("codes that arrive", () => {
  it("are answered where the tail reads them, and else kept with the reason why not", () => {
    const heard = (tail: typeof SHAPE | undefined, more: Partial<FeaturesOffload> = {}) => {
      const effects = hears(made(tail), { ...GOLDEN_FEATURES, ...more });
      return [storedOffload(effects).teachable, reasonOf(effects)];
    };
    expect(heard(SHAPE)).toEqual([true, undefined]);
    expect(heard(undefined)).toEqual([false, expect.stringContaining("no tail")]);
    const encoder = "00000000" as EncoderId;
    expect(heard(SHAPE, { encoder })).toEqual([false, expect.stringContaining("of encoder 0000")]);
    const short = heard(SHAPE, { codes: Uint8Array.of(1, 2) });
    expect(short).toEqual([false, expect.stringContaining("2 bytes, 10 codes of 4 bits are 5")]);
  });

  it("in 2 bits a value are windows that only their own teacher answers", () => {
    const window = offloadOf(1, { encoding: "companded2" });
    const plain = hears(made(SHAPE), window);
    expect(storedOffload(plain).teachable).toBe(false);
    expect(reasonOf(plain)).toContain("no teacher of such windows");
    const served = made(SHAPE);
    const coarse = { id: "c0a25ec0a25ec0a2" };
    const state = { ...served, settings: { ...served.settings, coarse } };
    expect(storedOffload(hears(state, window)).teachable).toBe(true);
    const item = { offloadId: 5, node, offload: window };
    const probabilities = Float32Array.of(0.1, 0.8, 0.1);
    const event = { kind: "answered", item, probabilities, trusted: true } as const;
    const label = stepGateway(state, event, 2, 2).find(
      (effect) => effect.kind === "store" && effect.row.kind === "label",
    );
    expect(label).toMatchObject({ row: { teacherId: coarse.id } });
  });

  it("without a model are of the one that the node's hello named", () => {
    const state = made(SHAPE);
    hears(state, helloOf({}));
    const anonymous = hears(state, { ...GOLDEN_FEATURES, modelId: NO_MODEL });
    expect(storedOffload(anonymous).offload.modelId).toBe(MODEL);
    const named = hears(state, GOLDEN_FEATURES);
    expect(storedOffload(named).offload.modelId).toBe(GOLDEN_FEATURES.modelId);
  });

  it("make a verdict in the tail's name, which is not trusted while the node drifts", () => {
    const answered = (alarm: boolean, offload: WaitingOffload["offload"]) => {
      const state = made(SHAPE);
      const seen = {
        row: { kind: "report" as const, node, nowMs: 1, report: reportOf(1, [0], { alarm }) },
      };
      const stored = [{ fresh: true, offloadId: 0, freshEntries: 1 }];
      stepGateway(state, { kind: "stored", rows: [seen.row], stored }, 1, 1);
      const item = { offloadId: 5, node, offload };
      const probabilities = Float32Array.of(0.1, 0.8, 0.1);
      const event = { kind: "answered", item, probabilities, trusted: true } as const;
      const label = stepGateway(state, event, 2, 2).flatMap((effect) =>
        effect.kind === "store" && effect.row.kind === "label" ? [effect.row] : [],
      );
      return label.map(({ teacherId, trusted }) => [teacherId, trusted]);
    };
    expect(answered(false, GOLDEN_FEATURES)).toEqual([[SHAPE.id, true]]);
    expect(answered(true, GOLDEN_FEATURES)).toEqual([[SHAPE.id, false]]);
    expect(answered(true, offloadOf(1))).toEqual([["feedfeedfeedfeed", true]]);
  });
});

describe("a tail's answer", () => {
  const verdictOn = (
    offload: WaitingOffload["offload"],
    chances: readonly number[],
    studentWeight = 1,
  ) => {
    const item = { offloadId: 5, node, offload };
    const probabilities = Float32Array.from(chances);
    const event = { kind: "answered", item, probabilities, trusted: true } as const;
    const effects = stepGateway(made({ ...SHAPE, studentWeight }), event, 2, 2);
    const verdict = effects.flatMap((effect) =>
      effect.kind === "send" && effect.message.kind === "verdict" ? [effect.message] : [],
    );
    const row = effects.flatMap((effect) =>
      effect.kind === "store" && effect.row.kind === "label" ? [effect.row] : [],
    );
    return { classIndex: largestIndex(row[0]?.probabilities ?? []), sent: verdict[0], ...row[0] };
  };

  it("is stored weighed with the student's own, a teacher's is not", () => {
    const sure = { ...GOLDEN_FEATURES, classIndex: 2, confidenceQ8: 230 };
    const doubtful = { ...sure, confidenceQ8: 100 };
    expect(verdictOn(sure, [0.05, 0.5, 0.45])).toMatchObject({ classIndex: 2, agrees: false });
    expect(verdictOn(doubtful, [0.05, 0.9, 0.05])).toMatchObject({ classIndex: 1, agrees: false });
    const audit = { ...sure, reason: "audit" as const, chanceQ16: 655 };
    expect(verdictOn(audit, [0.05, 0.5, 0.45])).toMatchObject({ classIndex: 1, agrees: false });
    const window = offloadOf(1, { classIndex: 2, confidenceQ8: 230 });
    expect(verdictOn(window, [0.05, 0.5, 0.45])).toMatchObject({ classIndex: 1, agrees: false });
  });

  it("goes to the node as it is, which weighs it with all that it believes itself", () => {
    const sure = { ...GOLDEN_FEATURES, classIndex: 2, confidenceQ8: 230 };
    const probabilitiesQ8 = Uint8Array.of(13, 128, 115);
    expect(verdictOn(sure, [0.05, 0.5, 0.45]).sent).toMatchObject({
      classIndex: 1,
      probabilitiesQ8,
    });
  });

  it("is weighed by what its file says, down to standing alone", () => {
    const sure = { ...GOLDEN_FEATURES, classIndex: 2, confidenceQ8: 230 };
    const said = [1, 0.5, 0.25, 0].map((weight) => {
      return verdictOn(sure, [0.05, 0.7, 0.25], weight).probabilities ?? new Float32Array();
    });
    const shares = said.map((chances) => chances[2] as number);
    expect(shares).toEqual(shares.toSorted((a, b) => b - a));
    expect(new Set(shares).size).toBe(4);
    expect(said.at(-1)).toEqual(Float32Array.of(0.05, 0.7, 0.25));
  });

  it("is stored as it was said, so that a restart says the same", () => {
    const { probabilities } = verdictOn(GOLDEN_FEATURES, [0.05, 0.5, 0.45]);
    const { classIndex, confidenceQ8 } = GOLDEN_FEATURES;
    const chances = Float32Array.of(0.05, 0.5, 0.45);
    expect(probabilities).toEqual(jointAnswer(chances, classIndex, confidenceQ8 / 255, 1));
  });

  it("sums to one with the student's, whatever both say", () => {
    const chance = fc.double({ min: 0, max: 1, noNaN: true });
    const property = fc.property(
      fc.array(chance, { minLength: 2, maxLength: 8 }),
      chance,
      chance,
      (p, c, weight) => {
        const joint = jointAnswer(Float32Array.from(p), 1, c, weight);
        expect(joint.reduce((sum, one) => sum + one, 0)).toBeCloseTo(1, 5);
        expect(Math.min(...joint)).toBeGreaterThan(0);
      },
    );
    fc.assert(property);
  });
});

describe("the teacher's queue", () => {
  const rows = (count: number): Float32Array =>
    Float32Array.from({ length: 3 * count }, (_, i) => (i % 3 === 0 ? 1 : 0));

  it("asks the teacher windows and the tail codes, each by themselves, and loses none", async () => {
    const asked: string[] = [];
    const teacher: Teacher = {
      ...{ id: "t", classes: cattle.classes, windowSamples: 50, channels: 3, rateHz: 10 },
      predict: (_windows, count) => {
        asked.push(`${count} windows`);
        return Promise.resolve({ probabilities: rows(count), features: null });
      },
    };
    const seen: number[][] = [];
    const tail: Tail = {
      ...SHAPE,
      predict: (codes, count) => {
        asked.push(`${count} codes`);
        seen.push([...codes]);
        return Promise.resolve({ probabilities: rows(count), features: null });
      },
    };
    const coarse: Teacher = {
      ...teacher,
      predict: (_windows, count) => {
        asked.push(`${count} coarse`);
        return Promise.resolve({ probabilities: rows(count), features: null });
      },
    };
    const codes = Uint8Array.from({ length: 10 }, (_, i) => i);
    const features = { ...GOLDEN_FEATURES, codes: packCodes(codes, 4) };
    const foreign = { ...features, encoder: "99999999" as EncoderId };
    const inTwoBits = offloadOf(2, { encoding: "companded2" });
    const inStore = [features, offloadOf(1), foreign, features, inTwoBits].map((offload, i) => ({
      ...{ offloadId: i + 1, node, offload },
    }));
    const answers: number[] = [];
    let fits = 0;
    const tailTrust = fitWhenAsked(
      async () => {
        fits += 1;
        return () => false;
      },
      () => undefined,
    );
    const queue = new TeacherQueue({
      ...{ teacher, trust: () => true, tail, tailTrust, coarse },
      ...{ batchSize: 8, waitMs: 1, nodeQueueMax: 16, queueMax: 64 },
      fetch: (_node, afterId, limit) =>
        inStore.filter(({ offloadId }) => offloadId > afterId).slice(0, limit),
      onAnswer: ({ offloadId }, _row, trusted) => {
        answers.push(trusted ? offloadId : -offloadId);
      },
      onFailure: (error) => {
        throw error;
      },
    });
    expect(fits).toBe(0);
    queue.resume(node);
    await until("four answers", () => answers.length === 4);
    await queue.stop();
    expect(answers).toEqual([-1, 2, -4, 5]);
    expect(asked).toEqual(["1 codes", "1 windows", "1 codes", "1 coarse"]);
    expect(seen).toEqual([[...codes], [...codes]]);
    expect(fits).toBe(1);
  });
});
