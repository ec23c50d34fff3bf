import { beforeAll, describe, expect, test } from "vitest";
import { DISTIL_RECIPE, distil, distilAugmentation } from "../gateway/distil/distil.ts";
import type { SoftWindows } from "../gateway/distil/distil-labels.ts";
import {
  DEFAULT_PUBLISH_RULE,
  type Measure,
  measureStudent,
  reasonsAgainst,
} from "../gateway/distil/distil-measure.ts";
import { runDistilTask } from "../gateway/distil/distil-task.ts";
import { Distiller } from "../gateway/distil/distiller.ts";
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { OPERATING_SHARES } from "../src/gate/fit-points.ts";
import { decodeGate, encodeGate, gateOf } from "../src/gate/gate-bytes.ts";
import { packStudent } from "../src/gate/pack-student.ts";
import { DEFAULT_PLAN, planOf } from "../src/learn/quantization-plan.ts";
import { studentOnnx } from "../src/learn/student-network.ts";
import { type Container, decodeContainer, encodeContainer } from "../src/model/container.ts";
import { quantizeStudent } from "../src/model/quantize.ts";
import type { FloatStudent } from "../src/model/student-spec.ts";
import { NO_AUGMENTATION } from "../src/signal/augment.ts";
import { turnAbout } from "../src/signal/turn.ts";
import { pickWindows, type WindowSet } from "../src/signal/window-set.ts";
import { ENCODER_SPEC, randomEncoder } from "./encoder-samples.ts";
import { cattle, plainStudent, turningAnchor, turningHerd } from "./turning-herd.ts";

const anchor = turningAnchor();
const turned = turnAbout([0, 0, 1], 180);
let current: { container: Container; student: FloatStudent };

beforeAll(async () => {
  const student = await plainStudent(anchor);
  const { container } = packStudent({
    profile: cattle,
    student,
    trained: anchor.replay,
    held: anchor.heldOut,
    augmentation: NO_AUGMENTATION,
    engine: referenceEngine,
    seed: 1,
    encoder: randomEncoder(ENCODER_SPEC, 1),
  });
  const gate = { ...decodeGate(container.gate), auditChanceQ16: 4321 };
  current = { container: { ...container, gate: encodeGate(gate) }, student };
});

/** Every fourth window, answered by somebody who knows. */
function answered(
  set: WindowSet,
  label: (truth: number) => number = (truth) => truth,
): SoftWindows {
  const some = Array.from({ length: set.count >> 2 }, (_, i) => 4 * i);
  const picked = pickWindows(set, some);
  const windows = { ...picked, labels: picked.labels.map(label) };
  const probabilities = new Float32Array(3 * windows.count).fill(0.05);
  windows.labels.forEach((answer, i) => {
    probabilities[3 * i + answer] = 0.9;
  });
  return { windows, probabilities, weights: new Float32Array(windows.count).fill(1) };
}

const recipe = {
  ...DISTIL_RECIPE,
  epochs: 8,
  softShares: [0.5],
  augmentation: distilAugmentation("none"),
};
const input = (train: SoftWindows, heldOut: SoftWindows) => ({
  profile: cattle,
  anchor,
  labels: { train, heldOut },
  current,
  readsPoints: true,
  recipe,
  rule: DEFAULT_PUBLISH_RULE,
  seed: 1,
});

describe("a distillation", () => {
  test("learns the turned collars, keeps the old ones and the settings that people chose", async () => {
    const shares: number[] = [];
    const result = await distil(
      onnxRuntime(),
      referenceEngine,
      input(answered(turningHerd(2, 8, turned)), answered(turningHerd(3, 4, turned))),
      (_stage, share) => shares.push(share),
    );
    if (result.kind !== "candidate") throw new Error(result.reasons.join());
    const { before, after, sameClassShare } = result.report;
    expect(before.agreement).toBeLessThan(0.8);
    expect(after.agreement).toBeGreaterThan(0.9);
    expect(after.anchorAccuracy).toBeGreaterThan(before.anchorAccuracy - 0.011);
    expect(sameClassShare).toBeGreaterThan(0.95);
    const container = decodeContainer(result.container);
    expect(decodeGate(container.gate).auditChanceQ16).toBe(4321);
    // Windows that nobody has labelled.
    const fresh = answered(turningHerd(4, 8, turned));
    const measured = measureStudent(referenceEngine, container, anchor.heldOut, fresh);
    expect(measured.agreement).toBeGreaterThan(0.9);
    expect(shares.at(-1)).toBe(1);
    expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  });

  test("stays in the integers that the nodes run: powers of two, four bits", async () => {
    const learned = answered(turningHerd(2, 4, turned));
    const { container, student } = current;
    const options = { scheme: "dynamic-fixed-point", weightBits: 4 } as const;
    const lean = quantizeStudent(student, anchor.replay, cattle.inputMilligPerStep, options);
    const result = await distil(onnxRuntime(), referenceEngine, {
      ...input(learned, answered(turningHerd(3, 2, turned))),
      current: { container: { ...container, student: lean }, student },
      rule: { ...DEFAULT_PUBLISH_RULE, anchorLossMost: 1, recallLossMost: 1, gainLeast: -1 },
    });
    if (result.kind !== "candidate") throw new Error(result.reasons.join());
    const plan = { scheme: "dynamic-fixed-point", weightBits: 4, fineTune: true };
    expect(planOf(decodeContainer(result.container).student)).toEqual(plan);
    expect(planOf(container.student)).toEqual(DEFAULT_PLAN);
    expect(result.report.after.agreement).toBeGreaterThan(0.85);
  });

  test("is refused where there is nothing to gain", async () => {
    const known = input(answered(turningHerd(2, 8)), answered(turningHerd(3, 4)));
    const result = await distil(onnxRuntime(), referenceEngine, known);
    if (result.kind === "candidate") {
      // Only a real gain may be published.
      const { before, after } = result.report;
      expect(after.agreement).toBeGreaterThan(before.agreement);
    } else expect(result.reasons.join()).toMatch(/agrees with the teacher/);
  });

  test("is refused where the answers are wrong on what people have labelled", async () => {
    const shifted = (truth: number): number => (truth + 1) % 3;
    const poisoned = input(
      answered(turningHerd(2, 8), shifted),
      answered(turningHerd(3, 4), shifted),
    );
    const result = await distil(onnxRuntime(), referenceEngine, poisoned);
    expect(result.kind).toBe("refused");
  });

  test("gives the same in its thread as here, and can be stopped", async () => {
    const plain = input(answered(turningHerd(2, 2, turned)), answered(turningHerd(3, 2, turned)));
    const task = {
      ...plain,
      recipe: { ...recipe, epochs: 2 },
      rule: { ...DEFAULT_PUBLISH_RULE, anchorLossMost: 1, recallLossMost: 1, gainLeast: -1 },
      current: {
        container: encodeContainer(current.container),
        student: studentOnnx(current.student),
      },
    };
    const here = await runDistilTask(onnxRuntime(), task, () => {});
    const distiller = new Distiller();
    const told: number[] = [];
    const there = await distiller.run(task, (_stage, share) => told.push(share));
    expect(there).toEqual(here);
    if (here.kind !== "candidate") throw new Error(`a candidate, not ${here.kind}`);
    // The gateway's tail goes on reading what nodes send.
    const { encoder } = current.container;
    expect(encoder).toBeDefined();
    const candidate = decodeContainer(here.container);
    expect(candidate.encoder).toEqual(encoder);
    // Solved anew for it, at the shares that nodes may be at.
    const sharesOf = (container: Container) =>
      gateOf(container).operatingPoints.map((point) => point.targetShareQ16);
    expect(sharesOf(candidate)).toEqual(sharesOf(current.container));
    expect(sharesOf(candidate)).toHaveLength(OPERATING_SHARES.length);
    expect(candidate.points).not.toEqual(current.container.points);
    const older = await runDistilTask(onnxRuntime(), { ...task, readsPoints: false }, () => {});
    if (older.kind !== "candidate") throw new Error(`a candidate, not ${older.kind}`);
    expect(decodeContainer(older.container)).toMatchObject({ gate: candidate.gate, encoder });
    expect(decodeContainer(older.container).points).toBeUndefined();
    expect(told.length).toBeGreaterThan(3);
    const ended = distiller.run({ ...task, recipe: { ...recipe, epochs: 1000 } }, () => {
      void distiller.stop();
    });
    expect(await ended).toMatchObject({ kind: "failed" });
    expect(distiller.busy).toBe(false);
  });
});

describe("the publish gate", () => {
  const good: Measure = {
    anchorAccuracy: 0.97,
    anchorRecall: [0.97, 0.98, 0.9],
    agreement: 0.8,
    peopleAgreement: Number.NaN,
  };
  const against = (candidate: Partial<Measure>, same = 1): string[] =>
    reasonsAgainst(
      good,
      { ...good, agreement: 0.85, ...candidate },
      same,
      anchor.heldOut,
      cattle.classes,
      DEFAULT_PUBLISH_RULE,
    );

  test("lets a better one pass and names each reason against another", () => {
    expect(against({})).toEqual([]);
    expect(against({ anchorAccuracy: 0.961 })).toEqual([]);
    expect(against({ anchorAccuracy: 0.955 })[0]).toMatch(/1\.5 points on the anchor set/);
    expect(against({ anchorRecall: [0.97, 0.7, 0.9] })[0]).toMatch(/of still/);
    expect(against({ agreement: 0.8 })[0]).toMatch(/80\.0 %/);
    expect(against({}, 0.9)[0]).toMatch(/integers/);
  });

  test("says so where no label is held out, whatever gain is asked for", () => {
    const none = { ...good, agreement: Number.NaN };
    for (const gainLeast of [0, -1]) {
      const rule = { ...DEFAULT_PUBLISH_RULE, gainLeast };
      const reasons = reasonsAgainst(none, none, 1, anchor.heldOut, cattle.classes, rule);
      expect(reasons).toEqual([expect.stringMatching(/no soft label is held out/)]);
      expect(reasons.join()).not.toContain("NaN");
    }
    const { container } = current;
    const empty = answered(pickWindows(anchor.heldOut, []));
    const measured = measureStudent(referenceEngine, container, anchor.heldOut, empty);
    expect(measured.agreement).toBeNaN();
  });

  test("lets nothing pass that is not a number", () => {
    expect(against({ agreement: Number.NaN })).toHaveLength(1);
    expect(against({ anchorAccuracy: Number.NaN })).toHaveLength(1);
    expect(against({ anchorRecall: [0.97, Number.NaN, 0.9] })).toHaveLength(1);
    expect(against({}, Number.NaN)).toHaveLength(1);
  });
});
