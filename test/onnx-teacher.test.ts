import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { probeOnnxRuntime } from "../gateway/teacher/onnx-probe.ts";
import { openOnnxTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { EdgeError } from "../src/assert.ts";
import { BATCH, type OnnxGraph, onnxModel, withOnnxMetadata } from "../src/learn/onnx-model.ts";
import { shippedProfile } from "../src/signal/profiles.ts";

const folder = mkdtempSync(path.join(tmpdir(), "onnx-teacher-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const cattle = shippedProfile("cattle");

/** Mean over time as features, then one dense layer: small enough to compute by hand. */
function model(options: {
  layout?: "time-channel" | "channel-time";
  batch?: number;
  samples?: number;
  classes?: number;
  softmax?: boolean;
  features?: boolean;
  metadata?: Record<string, string>;
}): string {
  const { layout = "time-channel", batch = BATCH, samples = 50, classes = 3 } = options;
  const weights = Float32Array.from({ length: 3 * classes }, (_, i) => ((i * 7) % 5) - 2);
  const timeFirst = layout === "time-channel";
  const graph: OnnxGraph = {
    nodes: [
      {
        operator: "ReduceMean",
        inputs: ["x"],
        outputs: ["features"],
        attributes: { axes: { integers: [timeFirst ? 1 : 2] }, keepdims: { integer: 0 } },
      },
      { operator: "MatMul", inputs: ["features", "w"], outputs: ["logits"], attributes: {} },
      ...(options.softmax === true
        ? [{ operator: "Softmax", inputs: ["logits"], outputs: ["probabilities"], attributes: {} }]
        : []),
    ],
    constants: new Map([["w", { shape: [3, classes], floats: weights }]]),
    inputs: [{ name: "x", shape: timeFirst ? [batch, samples, 3] : [batch, 3, samples] }],
    outputs: [
      { name: options.softmax === true ? "probabilities" : "logits", shape: [batch, classes] },
      ...(options.features === true ? [{ name: "features", shape: [batch, 3] }] : []),
    ],
    metadata: options.metadata ?? {},
  };
  const file = path.join(folder, `${JSON.stringify(options).replace(/\W+/g, "-")}.onnx`);
  writeFileSync(file, onnxModel(graph));
  return file;
}

/** Two windows at rest, gravity along different axes. */
function windows(): Int8Array {
  const values = new Int8Array(2 * 150);
  for (let t = 0; t < 50; t++) {
    values[t * 3] = 62;
    values[150 + t * 3 + 1] = -62;
  }
  return values;
}

function byHand(order: readonly number[]): number[] {
  const weights = Array.from({ length: 9 }, (_, i) => ((i * 7) % 5) - 2);
  const g = (62 * 16) / 1000;
  return [weights.slice(0, 3).map((w) => w * g), weights.slice(3, 6).map((w) => -w * g)].flatMap(
    (logits) => {
      const parts = logits.map(Math.exp);
      const sum = parts.reduce((a, b) => a + b);
      return order.map((column) => (parts[column] ?? 0) / sum);
    },
  );
}

async function refusal(file: string, declaration = {}): Promise<EdgeError> {
  const problem = await openOnnxTeacher(file, cattle, declaration).catch((error: unknown) => error);
  expect(problem).toBeInstanceOf(EdgeError);
  return problem as EdgeError;
}

describe("a teacher in an ONNX file", () => {
  test.each([
    { layout: "time-channel" },
    { layout: "channel-time" },
    { layout: "time-channel", softmax: true },
    { layout: "channel-time", batch: 1 },
    { layout: "time-channel", batch: 8 },
  ] as const)("answers with probabilities: %j", async (options) => {
    const teacher = await openOnnxTeacher(model(options), cattle);
    const { probabilities } = await teacher.predict(windows(), 2, 16);
    byHand([0, 1, 2]).forEach((expected, i) => {
      expect(probabilities[i]).toBeCloseTo(expected, 5);
    });
    await teacher.close();
  });

  test("puts its classes into the profile's order and gives features", async () => {
    const metadata = { "bellwether.classes": JSON.stringify(["walking", "grazing", "still"]) };
    const teacher = await openOnnxTeacher(model({ metadata, features: true }), cattle);
    const answer = await teacher.predict(windows(), 2, 16);
    byHand([1, 2, 0]).forEach((expected, i) => {
      expect(answer.probabilities[i]).toBeCloseTo(expected, 5);
    });
    expect(teacher.featureCount).toBe(3);
    expect(answer.features?.[0]).toBeCloseTo(0.992, 3);
    expect(teacher.assumptions).not.toContain(expect.stringContaining("classes"));
    await teacher.close();
  });

  test("says how long bouts last where its file does, also one that was told so later", async () => {
    const silent = model({});
    const later = path.join(folder, "later.onnx");
    writeFileSync(
      later,
      withOnnxMetadata(readFileSync(silent), { "bellwether.typicalSeconds": "20" }),
    );
    for (const [file, typicalMs] of [[silent, undefined] as const, [later, 20_000] as const]) {
      const teacher = await openOnnxTeacher(file, cattle);
      expect(teacher.typicalMs).toBe(typicalMs);
      const { probabilities } = await teacher.predict(windows(), 2, 16);
      expect([...probabilities]).toEqual(byHand([0, 1, 2]).map((p) => expect.closeTo(p, 5)));
      await teacher.close();
    }
    const never = model({ metadata: { "bellwether.typicalSeconds": "0" } });
    expect((await refusal(never)).code).toBe("teacher-metadata");
  });

  test("scales to the unit that the model was trained on", async () => {
    const file = model({ features: true });
    const teacher = await openOnnxTeacher(file, cattle, { unit: "m/s2" });
    const { features } = await teacher.predict(windows(), 2, 16);
    expect(features?.[0]).toBeCloseTo(0.992 * 9.80665, 3);
    await teacher.close();
  });

  test("refuses what does not fit, with a hint", async () => {
    expect((await refusal(model({ samples: 64 }))).code).toBe("teacher-shape");
    expect((await refusal(model({ classes: 4 }))).code).toBe("teacher-classes");
    const wrongRate = await refusal(model({ metadata: { "bellwether.rateHz": "25" } }));
    expect(wrongRate.code).toBe("teacher-rate");
    expect(wrongRate.hint).toMatch(/rate/);
    expect((await refusal(model({}), { rateHz: 20 })).code).toBe("teacher-rate");
    const names = ["walking", "grazing", "drinking"];
    expect((await refusal(model({}), { classes: names })).code).toBe("teacher-classes");
    const broken = model({ metadata: { "bellwether.classes": "[walking" } });
    expect((await refusal(broken)).code).toBe("teacher-metadata");
    expect((await refusal(path.join(folder, "none.onnx"))).code).toBe("teacher-missing");
    const noise = path.join(folder, "noise.onnx");
    writeFileSync(noise, "this is not a model");
    expect((await refusal(noise)).code).toBe("onnx-refused");
  });
});

describe("the probe of the native runtime", () => {
  test("passes where the runtime works and names what fails", async () => {
    await probeOnnxRuntime(model({}));
    const noise = path.join(folder, "noise.onnx");
    writeFileSync(noise, "this is not a model");
    await expect(probeOnnxRuntime(noise)).rejects.toMatchObject({ code: "onnx-runtime-failed" });
  });

  test("survives a child that is killed by a signal", async () => {
    const crash = path.join(folder, "crash.ts");
    writeFileSync(crash, 'process.kill(process.pid, "SIGILL");');
    await expect(probeOnnxRuntime(model({}), crash)).rejects.toMatchObject({
      code: "onnx-runtime-crashed",
    });
  });
});
