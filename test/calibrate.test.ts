import { beforeAll, describe, expect, it } from "vitest";
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import type { LoadedStudent } from "../src/engine/engine.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { randomBoutOrder } from "../src/gate/bout-order.ts";
import { type Calibration, type CalibrationRequest, calibrateGate } from "../src/gate/calibrate.ts";
import { gateExit, gateWindow } from "../src/gate/decide.ts";
import { encodeGate, gateOf } from "../src/gate/gate-bytes.ts";
import { NEVER_Q8 } from "../src/gate/gate-parameters.ts";
import { initialGateState } from "../src/gate/gate-state.ts";
import { turnedViews } from "../src/gate/novelty-samples.ts";
import { windowStatistics } from "../src/gate/window-statistics.ts";
import { trainStudent } from "../src/learn/train-student.ts";
import type { Container } from "../src/model/container.ts";
import { quantizeStudent } from "../src/model/quantize.ts";
import { below, normal, prng, uniform } from "../src/prng.ts";
import { NO_AUGMENTATION } from "../src/signal/augment.ts";
import { type WindowSet, windowAt } from "../src/signal/window-set.ts";
import { COLLAR_SPEC } from "./student-samples.ts";

const MILLIG_PER_STEP = 16;

/** A collar that hangs still, nods or swings, each bout a little differently; nodding and swinging
 * overlap, so that no student gets them all right. */
function windowsOf(bouts: number, seed: number, turned = false): WindowSet {
  const random = prng(seed, "calibration-herd");
  const perBout = 12;
  const count = bouts * perBout;
  const samples = new Int8Array(count * 150);
  const labels = new Uint8Array(count);
  const boutOf = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const bout = Math.floor(i / perBout);
    const label = bout % 3;
    const own = prng(seed * 1000 + bout, "bout");
    const hertz = [0, 0.9, 1.3][label] as number;
    const amplitude = label === 0 ? 0 : uniform(own, 6, 16);
    const rate = hertz + uniform(own, -0.28, 0.28);
    const phase = uniform(random, 0, 6.3);
    labels[i] = label;
    boutOf[i] = bout;
    for (let t = 0; t < 50; t++) {
      const swing = amplitude * Math.sin(phase + (2 * Math.PI * rate * t) / 10);
      const values = [12 + swing, -35 + 0.5 * swing, -45 - 0.3 * swing];
      values.forEach((value, axis) => {
        const noisy = value + 5 * normal(random);
        const sign = turned && axis > 0 ? -1 : 1;
        samples[i * 150 + t * 3 + axis] = Math.max(-127, Math.min(127, Math.round(sign * noisy)));
      });
    }
  }
  const subjects = Array.from({ length: count }, (_, i) => `cow${(boutOf[i] as number) % 4}`);
  return { count, windowSamples: 50, channels: 3, samples, labels, subjects, bouts: boutOf };
}

const trained = windowsOf(60, 1);
const held = windowsOf(48, 2);
let container: Container;
let student: LoadedStudent;
let request: CalibrationRequest;
let calibration: Calibration;

beforeAll(async () => {
  const float = await trainStudent(onnxRuntime(), {
    spec: COLLAR_SPEC,
    windows: trained,
    inputMilligPerStep: MILLIG_PER_STEP,
    seed: 1,
    objective: { hardWeight: 1, temperature: 1 },
    options: {
      augmentation: NO_AUGMENTATION,
      epochs: 6,
      batchSize: 32,
      learningRate: 5e-3,
      weightDecay: 0.01,
      labelSmoothing: 0,
      balance: 1,
    },
  });
  container = {
    student: quantizeStudent(float, trained, MILLIG_PER_STEP),
    classes: ["still", "nodding", "swinging"],
    cohort: "collar",
    rateCentihertz: 1000,
    hopSamples: 25,
    inputMilligPerStep: MILLIG_PER_STEP,
    gate: new Uint8Array(0),
  };
  student = referenceEngine.load(container);
  request = {
    student,
    trained,
    held,
    target: { kind: "offload-share", share: 0.1 },
    windowsPerNodeDay: 17280,
  };
  calibration = calibrateGate(request);
});

/** The calibrated gate over windows, each subject a node. */
function live(windows: WindowSet) {
  const { parameters } = calibration;
  const nodes = new Map(windows.subjects.map((name) => [name, initialGateState(parameters)]));
  const random = prng(3, "live");
  let unsure = 0;
  let right = 0;
  let confidence = 0;
  let early = 0;
  let alarms = 0;
  let alarmAt = -1;
  for (let i = 0; i < windows.count; i++) {
    const subject = windows.subjects[i] as string;
    const state = nodes.get(subject) ?? initialGateState(parameters);
    student.begin(windowAt(windows, i));
    const exits = [student.nextExit()];
    while (gateExit(parameters, state, exits) === "next") exits.push(student.nextExit());
    const statistics = windowStatistics(windowAt(windows, i), 3);
    const decision = gateWindow(parameters, state, { exits, statistics, windowIndex: i }, random);
    nodes.set(subject, decision.nextState);
    if (decision.offload === "unsure") unsure++;
    if (decision.classIndex === windows.labels[i]) right++;
    confidence += decision.confidenceQ8 / 255;
    if (decision.exit === 0) early++;
    if (decision.alarm && !state.drift.alarm) alarms++;
    if (decision.alarm && alarmAt < 0) alarmAt = i;
  }
  const { count } = windows;
  return {
    unsure: unsure / count,
    accuracy: right / count,
    confidence: confidence / count,
    early: early / count,
    alarms,
    alarmAt,
  };
}

describe("calibrateGate", () => {
  it("fits the student that it was made with, through bytes", () => {
    const packed = { ...container, gate: encodeGate(calibration.parameters) };
    expect(gateOf(packed)).toEqual(calibration.parameters);
    const narrower = { ...container.student, classes: 2 };
    expect(() => gateOf({ ...packed, student: narrower })).toThrow("gate-mismatch");
  });

  it("holds the offload share on windows that it has not seen", () => {
    expect(calibration.expected.offloadShare).toBeGreaterThan(0.05);
    expect(calibration.expected.offloadShare).toBeLessThanOrEqual(0.1);
    const { unsure } = live(windowsOf(96, 5));
    expect(unsure).toBeGreaterThan(0.04);
    expect(unsure).toBeLessThan(0.16);
  });

  it("is about as confident as it is right", () => {
    const { accuracy, confidence } = live(windowsOf(96, 6));
    expect(accuracy).toBeGreaterThan(0.75);
    expect(Math.abs(accuracy - confidence)).toBeLessThan(0.08);
  });

  it("answers early where that costs nothing", () => {
    const { accuracy, early } = live(windowsOf(96, 7));
    const never = calibration.parameters.exits.map((exit) => ({ ...exit, sureMarginQ8: NEVER_Q8 }));
    const before = calibration;
    calibration = { ...before, parameters: { ...before.parameters, exits: never } };
    const full = live(windowsOf(96, 7));
    calibration = before;
    expect(early).toBeGreaterThan(0.2);
    expect(full.early).toBe(0);
    expect(full.accuracy - accuracy).toBeLessThan(0.02);
  });

  it("alarms within a few windows of a turn, and rarely without one", () => {
    // Four nodes, each with its own: about one each at most, against one after the other when turned.
    expect(live(windowsOf(96, 8)).alarms).toBeLessThanOrEqual(4);
    const { alarmAt } = live(windowsOf(96, 8, true));
    expect(alarmAt).toBeGreaterThanOrEqual(0);
    expect(alarmAt).toBeLessThan(12);
    expect(calibration.expected.falseAlarms?.upperPerNodeDay).toBeLessThanOrEqual(2);
  });

  it("knows turns that the student was trained on", () => {
    const flips = { turn: "flips", tiltDegrees: 0 } as const;
    const gate = calibrateGate({ ...request, augmentation: flips }).parameters;
    const before = calibration;
    calibration = { ...before, parameters: gate };
    const views = turnedViews(windowsOf(24, 9), flips, 4);
    const knowing = live(views);
    calibration = before;
    const unknowing = live(views);
    expect(views.count).toBeGreaterThan(24 * 12);
    // Four nodes, each with its own, as above.
    expect(knowing.alarms).toBeLessThanOrEqual(4);
    expect(unknowing.alarmAt).toBeLessThan(60);
    expect(unknowing.alarms).toBeGreaterThan(2 * knowing.alarms);
  });

  it("asks a perfect teacher until the accuracy wanted is reached, and no more", () => {
    const teacherProbabilities = new Float32Array(held.count * 3);
    held.labels.forEach((label, i) => {
      teacherProbabilities[i * 3 + label] = 1;
    });
    const shareFor = (points: number): number =>
      calibrateGate({
        ...request,
        teacherProbabilities,
        target: { kind: "points-below-teacher", points },
        noveltyExit: null,
      }).parameters.offload.targetShareQ16 / 65535;
    expect(shareFor(100)).toBe(0);
    expect(shareFor(5)).toBeLessThan(shareFor(1));
    expect(shareFor(0)).toBeLessThan(1);
  });

  it.each([
    { kind: "bytes-per-day", bytes: 17280 * 20, bytesPerOffload: 400 },
    { kind: "millijoules-per-day", millijoules: 17280 * 0.6, millijoulesPerOffload: 12 },
  ] as const)(
    "turns what a day may cost into a share, and a budget into a bucket: %j",
    (target) => {
      const { parameters } = calibrateGate({
        ...request,
        target,
        budgetShare: 0.08,
        noveltyExit: null,
      });
      expect(parameters.offload.targetShareQ16 / 65535).toBeCloseTo(0.05, 3);
      expect(256 / parameters.bucket.windowsPerTokenQ8).toBeLessThanOrEqual(0.08);
      expect(parameters.novelty).toBeNull();
    },
  );

  it("gives the same gate for the same recordings and seed", () => {
    const again = calibrateGate(request).parameters;
    expect(encodeGate(again)).toEqual(encodeGate(calibration.parameters));
  });
});

describe("randomBoutOrder", () => {
  it("keeps each window once and each bout whole and in order", () => {
    const order = randomBoutOrder(held, prng(below(prng(1), 99)));
    expect([...order].sort((a, b) => a - b)).toEqual(
      Array.from({ length: held.count }, (_, i) => i),
    );
    order.forEach((window, i) => {
      const before = order[i - 1];
      if (before === undefined || held.bouts[before] !== held.bouts[window]) return;
      expect(window).toBe(before + 1);
    });
    const bouts = order.map((window) => held.bouts[window]);
    const runs = bouts.filter((bout, i) => bout !== bouts[i - 1]).length;
    expect(runs).toBe(new Set(bouts).size);
  });
});
