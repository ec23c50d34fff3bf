/**
 * A teacher in a TensorFlow.js file: LayersModel, GraphModel or, natively, SavedModel.
 *
 * The path names a `model.json` (or its folder) or a SavedModel folder. Shapes, classes and rate are
 * checked by the same rules as for ONNX. A LayersModel also gives the input of its last dense layer
 * as features, which the novelty test needs; a GraphModel or SavedModel does so through a second
 * output named `features`.
 */

import { createHash } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import type { GraphModel } from "@tensorflow/tfjs-converter";
import type { io, Tensor } from "@tensorflow/tfjs-core";
import type { LayersModel, SymbolicTensor } from "@tensorflow/tfjs-layers";
import { z } from "zod";
import { EdgeError } from "../../src/assert.ts";
import type { Profile } from "../../src/signal/profile.ts";
import type { OpenTeacher } from "./onnx-teacher.ts";
import {
  joinRows,
  planTeacher,
  type TeacherDeclaration,
  type TensorShape,
  teacherAnswer,
  teacherInput,
} from "./teacher-fit.ts";
import { type TensorflowRuntime, tensorflowRuntime } from "./tensorflow-teacher-runtime.ts";

/** One loaded model, whatever its format. */
type Executable = {
  readonly inputs: readonly TensorShape[];
  /** Outputs by name, `[batch, …]` each; the caller disposes of them. */
  run(input: Tensor): Promise<Record<string, Tensor>>;
  dispose(): void;
};

const ModelJson = z.object({
  format: z.string().optional(),
  modelTopology: z.record(z.string(), z.unknown()),
  weightsManifest: z
    .array(z.object({ paths: z.array(z.string()), weights: z.array(z.unknown()) }))
    .optional(),
  signature: z.unknown().optional(),
  userDefinedMetadata: z.unknown().optional(),
});
type ModelJson = z.infer<typeof ModelJson>;

export type TensorflowTeacher = OpenTeacher & Pick<TensorflowRuntime, "backend" | "fallbackReason">;

/**
 * @throws EdgeError `teacher-missing`, `tensorflow-format`, `tensorflow-refused`,
 * `saved-model-needs-native` and those of `planTeacher`
 */
export async function openTensorflowTeacher(
  location: string,
  profile: Profile,
  declaration: TeacherDeclaration = {},
  wish: "native-first" | "wasm" = "native-first",
): Promise<TensorflowTeacher> {
  const runtime = await tensorflowRuntime(wish);
  const { model, id } = await load(location, runtime);
  try {
    const { windowSamples, channels } = profile;
    const outputs = await outputShapes(model, runtime, profile);
    const plan = planTeacher({ inputs: model.inputs, outputs }, declaration, profile, location);
    const dimensions =
      plan.layout === "time-channel" ? [windowSamples, channels] : [channels, windowSamples];
    const featureCount = outputs.find((o) => o.name === plan.features)?.shape[1] ?? 0;
    return {
      id,
      classes: profile.classes,
      windowSamples,
      channels,
      rateHz: profile.rateHz,
      assumptions: plan.assumptions,
      featureCount,
      backend: runtime.backend,
      fallbackReason: runtime.fallbackReason,
      predict: async (windows, count, step) => {
        const batch = plan.batch ?? count;
        const rows: Float32Array[] = [];
        const features: Float32Array[] = [];
        for (let at = 0; at < count; at += batch) {
          const size = Math.min(batch, count - at);
          const part = windows.subarray(at * windowSamples * channels);
          const data = new Float32Array(batch * windowSamples * channels);
          data.set(teacherInput(plan, profile, part, size, step));
          const input = runtime.api.tensor(data, [batch, ...dimensions], "float32");
          const answer = await values(model, input);
          rows.push(taken(answer[plan.output], batch, size));
          features.push(taken(answer[plan.features ?? ""], batch, size));
        }
        const known = plan.features === undefined ? null : joinRows(features);
        return teacherAnswer(plan, joinRows(rows), count, known);
      },
      close: () => Promise.resolve(model.dispose()),
    };
  } catch (error) {
    model.dispose();
    throw error;
  }
}

async function load(
  location: string,
  runtime: TensorflowRuntime,
): Promise<{ model: Executable; id: string }> {
  if (existsSync(path.join(location, "saved_model.pb"))) return loadSaved(location, runtime);
  const isFolder = existsSync(location) && statSync(location).isDirectory();
  const file = isFolder ? path.join(location, "model.json") : location;
  const { json, weights, id } = await readModelFiles(file);
  const artifacts = {
    ...json,
    weightSpecs: (json.weightsManifest ?? []).flatMap((group) => group.weights),
    weightData: weights.slice().buffer,
  } as io.ModelArtifacts;
  const handler: io.IOHandler = { load: () => Promise.resolve(artifacts) };
  try {
    const model =
      json.format === "graph-model"
        ? fromGraph(await runtime.api.loadGraphModel(handler), needsAsync(json))
        : fromLayers(await runtime.api.loadLayersModel(handler), runtime);
    return { model, id };
  } catch (error) {
    throw new EdgeError({
      code: "tensorflow-refused",
      message: `TensorFlow.js does not accept the model: ${messageOf(error)}`,
      where: file,
      hint: "Custom layers and operators cannot be served: convert the model to ONNX, or save it with standard layers.",
    });
  }
}

function fromLayers(model: LayersModel, runtime: TensorflowRuntime): Executable {
  const dense = model.layers.findLast((layer) => layer.getClassName() === "Dense");
  const read = dense?.input;
  const features = read === undefined || Array.isArray(read) ? [] : flat(read);
  const whole = runtime.api.model({
    inputs: model.inputs,
    outputs: [...model.outputs, ...features],
  });
  const names = model.outputs.map((output, i) => `output${i || ""}:${output.name}`);
  return {
    inputs: model.inputs.map(({ name, shape }) => ({ name, shape: free(shape) })),
    run: async (input) => {
      const answers = [whole.predict(input)].flat();
      return Object.fromEntries(
        answers.map((tensor, i) => [i < names.length ? (names[i] ?? "") : "features", tensor]),
      );
    },
    dispose: () => {
      model.dispose();
    },
  };
}

/** A tensor that is one row of features a window, else nothing. */
function flat(tensor: SymbolicTensor): SymbolicTensor[] {
  return tensor.shape.length === 2 ? [tensor] : [];
}

function fromGraph(model: GraphModel, isAsync: boolean): Executable {
  const labels = graphOutputNames(model);
  return {
    inputs: model.inputs.map(({ name, shape }) => ({ name, shape: free(shape ?? []) })),
    run: async (input) => {
      const answer = isAsync
        ? await model.executeAsync(input)
        : model.execute(input, model.outputNodes);
      const answers = [answer].flat();
      return Object.fromEntries(answers.map((tensor, i) => [labels[i] ?? `output${i}`, tensor]));
    },
    dispose: () => model.dispose(),
  };
}

/** Loops, conditions and outputs whose shape depends on values: what recurrent layers leave behind. */
function needsAsync(json: ModelJson): boolean {
  return /"op":"(Switch|Merge|Enter|Exit|NextIteration|LoopCond|(Stateless)?(While|If)|Where)"/.test(
    JSON.stringify(json.modelTopology),
  );
}

/** The names that the signature gives to the output nodes, where it does: `features`, not `Identity_1`. */
function graphOutputNames(model: GraphModel): string[] {
  const signature = model.modelSignature as
    | { readonly outputs?: Readonly<Record<string, { readonly name?: string }>> }
    | undefined;
  const named = Object.entries(signature?.outputs ?? {});
  const node = (name: string) => name.replace(/:0$/, "");
  return model.outputNodes.map(
    (output) => named.find(([, { name }]) => node(name ?? "") === node(output))?.[0] ?? output,
  );
}

async function loadSaved(
  folder: string,
  runtime: TensorflowRuntime,
): Promise<{ model: Executable; id: string }> {
  if (runtime.loadSavedModel === undefined) {
    throw new EdgeError({
      code: "saved-model-needs-native",
      message: `a SavedModel needs @tensorflow/tfjs-node, and ${runtime.fallbackReason}`,
      where: folder,
      hint: "Install @tensorflow/tfjs-node, or convert the model: `tensorflowjs_converter --input_format tf_saved_model FOLDER OUT`, or `python -m tf2onnx.convert --saved-model FOLDER --output teacher.onnx`.",
    });
  }
  const hash = createHash("sha256").update(await readFile(path.join(folder, "saved_model.pb")));
  try {
    const model = await runtime.loadSavedModel(folder);
    return {
      id: hash.digest("hex").slice(0, 16),
      model: {
        inputs: [model.input],
        run: (input) => Promise.resolve(model.predict(input)),
        dispose: () => model.dispose(),
      },
    };
  } catch (error) {
    throw new EdgeError({
      code: "tensorflow-refused",
      message: `TensorFlow does not load the SavedModel: ${messageOf(error)}`,
      where: folder,
      hint: "Save it with TensorFlow 2.9 or older, or convert it to ONNX.",
    });
  }
}

async function readModelFiles(
  file: string,
): Promise<{ json: ModelJson; weights: Uint8Array; id: string }> {
  const text = await readOr(file, "Give a TensorFlow.js model.json or its folder.");
  const json = parseModelJson(text, file);
  const hash = createHash("sha256").update(text);
  const shards: Uint8Array[] = [];
  for (const name of (json.weightsManifest ?? []).flatMap((group) => group.paths)) {
    // Only files beside the model: a manifest from elsewhere must not read the disk.
    const shard = path.join(path.dirname(file), path.basename(name));
    const bytes = await readOr(shard, "Copy the weight files beside model.json.");
    hash.update(bytes);
    shards.push(bytes);
  }
  return {
    json,
    weights: new Uint8Array(Buffer.concat(shards)),
    id: hash.digest("hex").slice(0, 16),
  };
}

function parseModelJson(text: Uint8Array, file: string): ModelJson {
  try {
    const json = ModelJson.parse(JSON.parse(Buffer.from(text).toString("utf8"), zeroInitializer));
    if (json.format === undefined || /^(layers|graph)-model$/.test(json.format)) return json;
  } catch {
    // Told below, together with formats that nobody knows.
  }
  throw new EdgeError({
    code: "tensorflow-format",
    message: "is not a TensorFlow.js LayersModel or GraphModel",
    where: file,
    hint: "Make it with `model.save('file://…')` or with tensorflowjs_converter.",
  });
}

/** Every weight is read from the file, so how it once was drawn does not matter. It matters that an
 * orthogonal start, the default of recurrent layers, needs operators that only the whole TensorFlow.js
 * bundle registers, and takes minutes for wide layers. */
function zeroInitializer(key: string, value: unknown): unknown {
  if (!key.endsWith("_initializer") || value === null) return value;
  return { class_name: "Zeros", config: {} };
}

async function readOr(file: string, hint: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new EdgeError({
      code: "teacher-missing",
      message: `cannot be read: ${messageOf(error)}`,
      where: file,
      hint,
    });
  }
}

/** The shapes that one run on silence shows: graphs do not always announce them. */
async function outputShapes(
  model: Executable,
  runtime: TensorflowRuntime,
  profile: Profile,
): Promise<TensorShape[]> {
  const [input] = model.inputs;
  const { windowSamples, channels } = profile;
  // A shape that does not fit is `planTeacher`'s to refuse; here it only must not be run.
  const dimensions = (input?.shape ?? []).slice(1);
  const rest = [windowSamples, channels];
  const timeFirst = dimensions[0] === null || dimensions[0] === windowSamples;
  const guess = timeFirst ? rest : rest.toReversed();
  const runnable =
    dimensions.length === 2 && dimensions.every((size, i) => size === null || size === guess[i]);
  if (!runnable) return [];
  const batch = input?.shape[0] ?? 1;
  const silence = new Float32Array(batch * windowSamples * channels);
  const tensor = runtime.api.tensor(silence, [batch, ...guess], "float32");
  const outputs = await model.run(tensor).finally(() => tensor.dispose());
  return Object.entries(outputs).map(([name, output]) => {
    output.dispose();
    return { name, shape: [null, ...output.shape.slice(1)] };
  });
}

async function values(model: Executable, input: Tensor): Promise<Record<string, Float32Array>> {
  const outputs = await model.run(input).finally(() => input.dispose());
  const read: Record<string, Float32Array> = {};
  for (const [name, tensor] of Object.entries(outputs)) {
    read[name] = Float32Array.from(await tensor.data());
    tensor.dispose();
  }
  return read;
}

function taken(rows: Float32Array | undefined, batch: number, size: number): Float32Array {
  const all = rows ?? new Float32Array();
  return all.subarray(0, (all.length / batch) * size);
}

function free(shape: readonly (number | null)[]): (number | null)[] {
  return shape.map((size) => (size === null || size < 1 ? null : size));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
