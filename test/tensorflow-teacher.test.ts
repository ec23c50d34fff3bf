import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import "@tensorflow/tfjs-backend-cpu";
import * as core from "@tensorflow/tfjs-core";
import * as tf from "@tensorflow/tfjs-layers";
import { afterAll, describe, expect, test } from "vitest";
import { openTensorflowTeacher } from "../gateway/teacher/tensorflow-teacher.ts";
import { tensorflowRuntime } from "../gateway/teacher/tensorflow-teacher-runtime.ts";
import { EdgeError } from "../src/assert.ts";
import { below, prng } from "../src/prng.ts";
import { shippedProfile } from "../src/signal/profiles.ts";

const folder = mkdtempSync(path.join(tmpdir(), "tensorflow-teacher-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const cattle = shippedProfile("cattle");

const WINDOWS = 4;
const random = prng(1);
const windows = Int8Array.from({ length: WINDOWS * 150 }, () => below(random, 255) - 127);
const inputG = Float32Array.from(windows, (value) => (value * 16) / 1000);

async function save(name: string, artifacts: core.io.ModelArtifacts): Promise<string> {
  const place = path.join(folder, name);
  mkdirSync(place, { recursive: true });
  const data = Buffer.from(artifacts.weightData as ArrayBuffer);
  // Two shards that split in the middle of a tensor, as the converter makes them.
  writeFileSync(path.join(place, "group1-shard1of2.bin"), data.subarray(0, data.length >> 1));
  writeFileSync(path.join(place, "group1-shard2of2.bin"), data.subarray(data.length >> 1));
  const paths = ["group1-shard1of2.bin", "group1-shard2of2.bin"];
  const { modelTopology, format, signature } = artifacts;
  const json = {
    format,
    // Files from Keras name the orthogonal start, which is the one that is hard to load.
    modelTopology: JSON.parse(
      JSON.stringify(modelTopology),
      (key, value: { class_name?: string }) =>
        key === "recurrent_initializer"
          ? { class_name: "Orthogonal", config: { gain: 1, seed: null } }
          : value,
    ),
    signature,
    weightsManifest: [{ paths, weights: artifacts.weightSpecs }],
  };
  writeFileSync(path.join(place, "model.json"), JSON.stringify(json));
  return place;
}

/** A small convolutional or recurrent LayersModel, on disk, with its answers on the cpu backend. */
async function layersModel(
  kind: "conv" | "gru",
  classes = 3,
  samples = 50,
): Promise<{ place: string; expected: Float32Array }> {
  await core.setBackend("cpu");
  const body =
    kind === "conv"
      ? [
          tf.layers.conv1d({
            inputShape: [samples, 3],
            filters: 8,
            kernelSize: 5,
            strides: 2,
            padding: "same",
            activation: "relu",
          }),
          tf.layers.batchNormalization(),
          tf.layers.globalAveragePooling1d({}),
        ]
      : [
          tf.layers.gru({
            inputShape: [samples, 3],
            units: 6,
            recurrentInitializer: "glorotUniform",
          }),
        ];
  const model = tf.sequential({
    layers: [...body, tf.layers.dense({ units: classes, activation: "softmax" })],
  });
  let place = "";
  await model.save(
    core.io.withSaveHandler(async (artifacts) => {
      place = await save(`${kind}-${classes}-${samples}`, { ...artifacts, format: "layers-model" });
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" } };
    }),
  );
  const answer =
    samples === 50
      ? (model.predict(core.tensor(inputG, [WINDOWS, 50, 3])) as core.Tensor).dataSync()
      : new Float32Array();
  return { place, expected: Float32Array.from(answer) };
}

/** Mean over time, a matrix product and softmax as a frozen graph, with the mean named as features. */
function graphModel(): Promise<string> {
  const type = { type: "DT_FLOAT" };
  const size = (n: number) => ({ size: String(n) });
  const constant = (name: string, dtype: string) => ({
    name,
    op: "Const",
    attr: { dtype: { type: dtype } },
  });
  const node = [
    {
      name: "x",
      op: "Placeholder",
      attr: { dtype: type, shape: { shape: { dim: [size(-1), size(50), size(3)] } } },
    },
    constant("axis", "DT_INT32"),
    constant("w", "DT_FLOAT"),
    { name: "mean", op: "Mean", input: ["x", "axis"], attr: { keep_dims: { b: false }, T: type } },
    { name: "product", op: "MatMul", input: ["mean", "w"], attr: { T: type } },
    { name: "Identity", op: "Softmax", input: ["product"], attr: { T: type } },
  ];
  const weights = new Float32Array([1, 0, -1, 0.5, -2, 1, 0, 3, -1]);
  const data = Buffer.concat([Buffer.from(Int32Array.of(1).buffer), Buffer.from(weights.buffer)]);
  return save("graph", {
    format: "graph-model",
    modelTopology: { node, library: {}, versions: { producer: 1087 } },
    weightSpecs: [
      { name: "axis", shape: [], dtype: "int32" },
      { name: "w", shape: [3, 3], dtype: "float32" },
    ],
    weightData: new Uint8Array(data).buffer,
    signature: {
      inputs: { x: { name: "x:0" } },
      outputs: { probabilities: { name: "Identity:0" }, features: { name: "mean:0" } },
    },
  });
}

async function refusal(location: string, declaration = {}): Promise<EdgeError> {
  const problem = await openTensorflowTeacher(location, cattle, declaration, "wasm").catch(
    (error: unknown) => error,
  );
  expect(problem).toBeInstanceOf(EdgeError);
  return problem as EdgeError;
}

describe("a teacher in TensorFlow.js", () => {
  test.each(["conv", "gru"] as const)("a LayersModel (%s) answers as on cpu", async (kind) => {
    const { place, expected } = await layersModel(kind);
    const teacher = await openTensorflowTeacher(place, cattle, {}, "wasm");
    expect(teacher.backend).toBe("wasm");
    const before = core.memory().numTensors;
    const { probabilities, features } = await teacher.predict(windows, WINDOWS, 16);
    expect(core.memory().numTensors).toBe(before);
    expected.forEach((value, i) => {
      expect(probabilities[i]).toBeCloseTo(value, 4);
    });
    expect(features?.length).toBe(WINDOWS * (kind === "conv" ? 8 : 6));
    expect(teacher.featureCount).toBe(kind === "conv" ? 8 : 6);
    await teacher.close();
  });

  test("a GraphModel answers and gives the features its signature names", async () => {
    const teacher = await openTensorflowTeacher(
      path.join(await graphModel(), "model.json"),
      cattle,
      {},
      "wasm",
    );
    const { probabilities, features } = await teacher.predict(windows, WINDOWS, 16);
    const means = [0, 1, 2].map((c) => {
      let sum = 0;
      for (let t = 0; t < 50; t++) sum += inputG[t * 3 + c] ?? 0;
      return sum / 50;
    });
    means.forEach((mean, c) => {
      expect(features?.[c]).toBeCloseTo(mean, 4);
    });
    const [x = 0, y = 0, z = 0] = means;
    const parts = [x + 0.5 * y, -2 * y + 3 * z, -x + y - z].map(Math.exp);
    parts.forEach((part, c) => {
      expect(probabilities[c]).toBeCloseTo(part / parts.reduce((a, b) => a + b), 4);
    });
    await teacher.close();
  });

  test("refuses what does not fit, with a hint", async () => {
    expect((await refusal((await layersModel("conv", 4)).place)).code).toBe("teacher-classes");
    expect((await refusal((await layersModel("conv", 3, 64)).place)).code).toBe("teacher-shape");
    const { place } = await layersModel("conv");
    expect((await refusal(place, { rateHz: 25 })).code).toBe("teacher-rate");
    expect((await refusal(path.join(folder, "nowhere"))).code).toBe("teacher-missing");
    const strange = path.join(folder, "strange.json");
    writeFileSync(strange, '{"hello": 1}');
    expect((await refusal(strange)).code).toBe("tensorflow-format");
  });

  test("a SavedModel without the native build is refused with the way to convert it", async () => {
    const place = path.join(folder, "saved");
    mkdirSync(place);
    writeFileSync(path.join(place, "saved_model.pb"), "");
    const problem = await refusal(place);
    expect(problem.code).toBe("saved-model-needs-native");
    expect(problem.hint).toMatch(/tensorflowjs_converter/);
  });

  test("says why it fell back, where the native build is not installed", async () => {
    const runtime = await tensorflowRuntime();
    if (runtime.backend === "wasm") expect(runtime.fallbackReason).toMatch(/tfjs-node/);
    else expect(runtime.fallbackReason).toBeUndefined();
  });
});
