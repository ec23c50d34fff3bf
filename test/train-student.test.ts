/** Training as a whole, on a problem that anything able to learn solves. */
import { describe, expect, it } from "vitest";
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { metricsOf, softmaxRows } from "../src/learn/metrics.ts";
import { onnxMetadata } from "../src/learn/onnx-model.ts";
import { predictStudent, predictTeacher } from "../src/learn/predict.ts";
import {
  studentFromOnnx,
  studentOnnx,
  studentParameterCount,
} from "../src/learn/student-network.ts";
import { teacherOnnx } from "../src/learn/teacher-network.ts";
import { type Objective, type StudentTraining, trainStudent } from "../src/learn/train-student.ts";
import { trainTeacher } from "../src/learn/train-teacher.ts";
import type { StudentSpec } from "../src/model/student-spec.ts";
import { normal, prng } from "../src/prng.ts";
import { NO_AUGMENTATION } from "../src/signal/augment.ts";
import { pickWindows, type WindowSet } from "../src/signal/window-set.ts";

const runtime = onnxRuntime();
const MILLIG = 16;
const TIME = 24;

const CONV: StudentSpec = {
  windowSamples: TIME,
  channels: 3,
  classes: 3,
  stages: [
    { layers: [{ kind: "conv", filters: 6, kernel: 5, stride: 2 }], exit: { hidden: 0 } },
    { layers: [{ kind: "separable", filters: 8, kernel: 3, stride: 2 }], exit: { hidden: 8 } },
  ],
};
const GRU: StudentSpec = {
  ...CONV,
  stages: [false, true].map((continues) => ({
    layers: [{ kind: "gru", patchSamples: 4, hidden: 8, patches: 3, continues }],
    exit: { hidden: 0 },
  })),
};
const HARD: Objective = { hardWeight: 1, temperature: 1 };
const OPTIONS = {
  augmentation: NO_AUGMENTATION,
  epochs: 12,
  batchSize: 16,
  learningRate: 0.01,
  weightDecay: 0.01,
  labelSmoothing: 0,
  balance: 1,
};

/** Standing still, a slow and a fast swing; any phase, with noise. */
function swings(count: number, seed: number): WindowSet {
  const random = prng(seed, "swings");
  const samples = new Int8Array(count * TIME * 3);
  const labels = Uint8Array.from({ length: count }, (_, i) => i % 3);
  labels.forEach((label, w) => {
    const phase = 6 * normal(random);
    for (let t = 0; t < TIME; t++) {
      const swing = label === 0 ? 0 : 30 * Math.sin(phase + (label === 1 ? 0.5 : 1.6) * t);
      for (let c = 0; c < 3; c++) {
        const value = (c === 2 ? 60 : swing) + 3 * normal(random);
        samples[(w * TIME + t) * 3 + c] = Math.round(value);
      }
    }
  });
  const subjects = Array.from(labels, () => "one");
  const bouts = Int32Array.from(labels, (_, i) => i);
  return { count, windowSamples: TIME, channels: 3, samples, labels, subjects, bouts };
}

const TRAIN = swings(192, 1);
const TEST = swings(90, 2);

function training(spec: StudentSpec, changes: Partial<StudentTraining> = {}): StudentTraining {
  return {
    spec,
    windows: TRAIN,
    inputMilligPerStep: MILLIG,
    seed: 3,
    objective: HARD,
    options: OPTIONS,
    ...changes,
  };
}

const accuracyOf = (logits: Float32Array | undefined): number =>
  metricsOf({
    classes: 3,
    probabilities: softmaxRows(logits ?? [], 3),
    labels: TEST.labels,
  }).accuracy;

describe("training a student", () => {
  it.each([
    ["convolutions", CONV],
    ["a GRU", GRU],
  ])("learns with %s, at every exit", async (_, spec) => {
    const options = { ...OPTIONS, epochs: 30 };
    const student = await trainStudent(runtime, training(spec, { options }));
    const [early, late, ...more] = await predictStudent(runtime, student, TEST, MILLIG);
    expect(accuracyOf(early)).toBeGreaterThan(0.9);
    expect(accuracyOf(late)).toBeGreaterThan(0.95);
    expect(more).toEqual([]);
  });

  it("gives the same bits for the same seed and others for another", async () => {
    const options = { ...OPTIONS, epochs: 2 };
    const once = await trainStudent(runtime, training(CONV, { options }));
    const again = await trainStudent(runtime, training(CONV, { options }));
    const other = await trainStudent(runtime, training(CONV, { options, seed: 4 }));
    const name = "stage0.layer0.weight";
    expect(again.tensors).toEqual(once.tensors);
    expect(other.tensors.get(name)).not.toEqual(once.tensors.get(name));
  });

  it("has the tensors that its documentation names, and no other", async () => {
    const options = { ...OPTIONS, epochs: 0.1 };
    const { tensors } = await trainStudent(runtime, training(CONV, { options }));
    const shapes = Object.fromEntries([...tensors].map(([name, { shape }]) => [name, shape]));
    const normalise = (layer: string, width: number) =>
      Object.fromEntries(
        ["scale", "shift", "mean", "variance"].map((part) => [
          `${layer}.normalise.${part}`,
          [width],
        ]),
      );
    expect(shapes).toEqual({
      "stage0.layer0.weight": [6, 3, 5],
      ...normalise("stage0.layer0", 6),
      "stage0.exit.logits.weight": [3, 6],
      "stage0.exit.logits.bias": [3],
      "stage1.layer0.depthwise.weight": [6, 3],
      ...normalise("stage1.layer0.depthwise", 6),
      "stage1.layer0.pointwise.weight": [8, 6],
      ...normalise("stage1.layer0.pointwise", 8),
      "stage1.exit.hidden.weight": [8, 8],
      "stage1.exit.hidden.bias": [8],
      "stage1.exit.logits.weight": [3, 8],
      "stage1.exit.logits.bias": [3],
    });
    expect(studentParameterCount(CONV)).toBe(90 + 12 + 21 + 18 + 12 + 48 + 16 + 72 + 27);
  });

  it("comes back from its ONNX file as it was", async () => {
    const student = await trainStudent(
      runtime,
      training(GRU, { options: { ...OPTIONS, epochs: 1 } }),
    );
    const file = studentOnnx(student, { note: "züchtig" });
    expect(studentFromOnnx(file)).toEqual(student);
    expect(onnxMetadata(file).get("note")).toBe("züchtig");
  });

  it("goes on from where it was instead of starting again", async () => {
    const initial = await trainStudent(runtime, training(CONV));
    const options = { ...OPTIONS, epochs: 0.1, learningRate: 1e-5 };
    const fresh = await trainStudent(runtime, training(CONV, { options }));
    const further = await trainStudent(runtime, training(CONV, { options, initial }));
    const [, early] = await predictStudent(runtime, fresh, TEST, MILLIG);
    const [, late] = await predictStudent(runtime, further, TEST, MILLIG);
    expect(accuracyOf(late)).toBeGreaterThan(0.95);
    expect(accuracyOf(early)).toBeLessThan(accuracyOf(late));
  });

  it("learns from soft labels alone, and not from windows of weight 0", async () => {
    const softLabels = new Float32Array(TRAIN.count * 3);
    const sampleWeights = new Float32Array(TRAIN.count).fill(1);
    TRAIN.labels.forEach((label, i) => {
      // A third of the soft labels are wrong, and weigh nothing.
      const wrong = i % 9 < 3;
      softLabels[3 * i + (wrong ? (label + 1) % 3 : label)] = 1;
      if (wrong) sampleWeights[i] = 0;
    });
    const objective = { hardWeight: 0, temperature: 2 };
    const student = await trainStudent(
      runtime,
      training(CONV, { objective, softLabels, sampleWeights }),
    );
    const [, last] = await predictStudent(runtime, student, TEST, MILLIG);
    expect(accuracyOf(last)).toBeGreaterThan(0.95);
  });

  it("stops when it is told to", async () => {
    let steps = 0;
    await trainStudent(
      runtime,
      training(CONV, { onProgress: () => steps++, shouldStop: () => steps >= 3 }),
    );
    expect(steps).toBe(3);
  });
});

describe("training a teacher", () => {
  const options = { ...OPTIONS, widths: [8, 8], strides: [2, 1], kernels: [5, 3], epochs: 6 };
  const request = {
    windows: TRAIN,
    classes: ["still", "slow", "fast"],
    rateHz: 10,
    inputMilligPerStep: MILLIG,
    seed: 1,
    options,
  };

  it("learns, and its file says what it is for", async () => {
    const teacher = await trainTeacher(runtime, request);
    const { logits, features } = await predictTeacher(runtime, teacher, TEST);
    expect(accuracyOf(logits)).toBeGreaterThan(0.95);
    expect(features.width).toBe(8);
    const metadata = onnxMetadata(teacherOnnx(teacher));
    expect(JSON.parse(metadata.get("classes") as string)).toEqual(["still", "slow", "fast"]);
    expect(metadata.get("rateHz")).toBe("10");
    expect(metadata.get("windowSamples")).toBe("24");
    expect(metadata.get("inputMilligPerStep")).toBe("16");
  });

  it("teaches: a student learns from its answers to the same views", async () => {
    const teacher = await trainTeacher(runtime, request);
    const program = await runtime.compile(teacherOnnx(teacher));
    // Labels that say nothing: all there is to learn comes from the teacher.
    const blind = { ...pickWindows(TRAIN, [...TRAIN.labels.keys()]), labels: new Uint8Array(192) };
    const student = await trainStudent(
      runtime,
      training(CONV, {
        windows: blind,
        teacher: program,
        objective: { hardWeight: 0, temperature: 2 },
        options: { ...OPTIONS, augmentation: { ...NO_AUGMENTATION, shiftSamples: 3 } },
      }),
    );
    await program.release();
    const [, last] = await predictStudent(runtime, student, TEST, MILLIG);
    expect(accuracyOf(last)).toBeGreaterThan(0.95);
  });
});
