/**
 * A teacher in an ONNX file: our own, or one that people bring.
 *
 * Any model with one float input `[batch, time, channel]` or `[batch, channel, time]` and one output
 * `[batch, class]` will do; a second output named `features` feeds the novelty test. What the file
 * says in its metadata is believed, what the configuration declares goes before it:
 *
 *     bellwether.classes   JSON list of class names in the order of the output
 *     bellwether.rateHz    samples a second that it was trained on
 *     bellwether.layout    time-channel or channel-time
 *     bellwether.unit      g or m/s2
 *     bellwether.output    logits or probabilities
 *     bellwether.typicalSeconds   how long bouts typically last, 1 to 86400
 *
 * A file of our own making, with `kind` = `bellwether-teacher`, has them without the prefix.
 */

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { EdgeError } from "../../src/assert.ts";
import { onnxMetadata } from "../../src/learn/onnx-model.ts";
import type { Profile } from "../../src/signal/profile.ts";

import { choiceOf, type Metadata, numberOf, RATE_HZ_LEAST, textsOf } from "./model-metadata.ts";
import { type LoadedProgram, onnxRuntime } from "./onnx-runtime.ts";
import type { Teacher, TeacherAnswer } from "./teacher.ts";
import {
  joinRows,
  planTeacher,
  type TeacherDeclaration,
  type TeacherPlan,
  teacherAnswer,
  teacherInput,
} from "./teacher-fit.ts";

const DAY_SECONDS = 86_400;

/** A teacher, what had to be assumed of its file, and how to let go of it. */
export type OpenTeacher = Teacher & {
  readonly assumptions: readonly string[];
  /** Features a window, 0 where the model gives none. */
  readonly featureCount: number;
  close(): Promise<void>;
};

/**
 * @throws EdgeError `teacher-missing`, `onnx-refused`, `teacher-input`, `teacher-shape`,
 * `teacher-layout`, `teacher-classes`, `teacher-rate`, `teacher-metadata`
 */
export async function openOnnxTeacher(
  file: string,
  profile: Profile,
  declaration: TeacherDeclaration = {},
  options: { readonly threads?: number } = {},
): Promise<OpenTeacher> {
  const bytes = await readModel(file);
  const program = await onnxRuntime(options).compile(bytes);
  const numeric = (dimension: number | string) =>
    typeof dimension === "number" && dimension > 0 ? dimension : null;
  const shapes = (tensors: LoadedProgram["inputs"]) =>
    tensors.map(({ name, shape }) => ({ name, shape: shape.map(numeric) }));
  try {
    const declared = { ...metadataDeclaration(bytes, file), ...declaration };
    const { inputs, outputs } = program;
    const model = { inputs: shapes(inputs), outputs: shapes(outputs) };
    const plan = planTeacher(model, declared, profile, file);
    const predict = predictor(program, plan, profile);
    const silence = new Int8Array(profile.windowSamples * profile.channels);
    const first = await predict(silence, 1, profile.inputMilligPerStep);
    return {
      id: createHash("sha256").update(bytes).digest("hex").slice(0, 16),
      classes: profile.classes,
      windowSamples: profile.windowSamples,
      channels: profile.channels,
      rateHz: profile.rateHz,
      typicalMs: declared.typicalSeconds && 1000 * declared.typicalSeconds,
      assumptions: plan.assumptions,
      featureCount: first.features?.length ?? 0,
      predict,
      close: () => program.release(),
    };
  } catch (error) {
    await program.release();
    throw error;
  }
}

function predictor(
  program: LoadedProgram,
  plan: TeacherPlan,
  profile: Profile,
): Teacher["predict"] {
  const windowLength = profile.windowSamples * profile.channels;
  const dimensions =
    plan.layout === "time-channel"
      ? [profile.windowSamples, profile.channels]
      : [profile.channels, profile.windowSamples];

  const runBatch = async (windows: Int8Array, count: number, step: number) => {
    const batch = plan.batch ?? count;
    const data = new Float32Array(batch * windowLength);
    data.set(teacherInput(plan, profile, windows, count, step));
    const outputs = await program.run({ [plan.input]: { shape: [batch, ...dimensions], data } });
    const taken = (name: string) => {
      const values = outputs[name]?.data ?? new Float32Array();
      return values.subarray(0, (values.length / batch) * count);
    };
    return {
      rows: taken(plan.output),
      features: plan.features === undefined ? null : taken(plan.features),
    };
  };

  return async (windows, count, step): Promise<TeacherAnswer> => {
    const most = plan.batch ?? Math.max(1, count);
    const batches = [];
    for (let at = 0; at < count; at += most) {
      const size = Math.min(most, count - at);
      const part = windows.subarray(at * windowLength, (at + size) * windowLength);
      batches.push(await runBatch(part, size, step));
    }
    const features = batches.flatMap((b) => (b.features === null ? [] : [b.features]));
    return teacherAnswer(
      plan,
      joinRows(batches.map((b) => b.rows)),
      count,
      plan.features === undefined ? null : joinRows(features),
    );
  };
}

/** Throws `EdgeError` `teacher-missing`. */
export async function readModel(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new EdgeError({
      code: "teacher-missing",
      message: `cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      where: file,
      hint: "Give the path of an .onnx file, of a TensorFlow.js model.json or of a SavedModel folder.",
    });
  }
}

function metadataDeclaration(bytes: Uint8Array, where: string): TeacherDeclaration {
  const metadata = onnxMetadata(bytes);
  // Names as common as `classes` mean something else in other people's files.
  const prefix = metadata.get("kind") === "bellwether-teacher" ? "" : "bellwether.";
  const said: Metadata = (key) => metadata.get(`${prefix}${key}`);
  try {
    return {
      classes: textsOf(said, "classes"),
      rateHz: numberOf(said, "rateHz", { low: RATE_HZ_LEAST }),
      layout: choiceOf(said, "layout", ["time-channel", "channel-time"]),
      unit: choiceOf(said, "unit", ["g", "m/s2"]),
      output: choiceOf(said, "output", ["logits", "probabilities"]),
      typicalSeconds: numberOf(said, "typicalSeconds", { low: 1, high: DAY_SECONDS }),
    };
  } catch (error) {
    throw new EdgeError({
      code: "teacher-metadata",
      message: `its bellwether metadata cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      where,
      hint: "docs/TEACHERS.md lists the properties and their values.",
    });
  }
}
