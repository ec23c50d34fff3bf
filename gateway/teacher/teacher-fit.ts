/**
 * Whether a model file fits a profile, and how windows go in and probabilities come out.
 *
 * Both teacher adapters ask here, so that one set of rules and one set of messages holds for ONNX
 * and for TensorFlow.js. A model that does not fit is refused before the first window, with the
 * place and what to do. What a file does not say and nobody declared is assumed and told in
 * `assumptions`.
 */

import { EdgeError } from "../../src/assert.ts";
import type { Profile } from "../../src/signal/profile.ts";
import type { TeacherAnswer } from "./teacher.ts";

/** What is known of a model from its own metadata or from the configuration; the latter wins. */
export type TeacherDeclaration = {
  /** Class names in the order of the model's output. */
  readonly classes?: readonly string[] | undefined;
  readonly rateHz?: number | undefined;
  /** `time-channel` is `[batch][time][channel]`. */
  readonly layout?: "time-channel" | "channel-time" | undefined;
  /** What the model was trained on. */
  readonly unit?: "g" | "m/s2" | undefined;
  readonly output?: "logits" | "probabilities" | undefined;
  /** How long bouts of its behaviours typically last. */
  readonly typicalSeconds?: number | undefined;
};

/** A named tensor of the model; a free dimension is null. */
export type TensorShape = { readonly name: string; readonly shape: readonly (number | null)[] };

export type TeacherPlan = {
  readonly input: string;
  /** The batch the model insists on, or null where any will do. */
  readonly batch: number | null;
  readonly layout: "time-channel" | "channel-time";
  /** Multiplies milli-g. */
  readonly inputScale: number;
  readonly output: string;
  /** Undefined until a first run shows it, where nobody declared it. */
  readonly outputKind: "logits" | "probabilities" | undefined;
  readonly features: string | undefined;
  /** For each class of the profile its column in the model's output. */
  readonly columns: readonly number[];
  readonly assumptions: readonly string[];
};

const METRES_PER_SECOND_SQUARED_PER_G = 9.80665;
const CLASS_OUTPUT_NAMES = ["probabilities", "logits", "probs", "softmax", "output"];

export function planTeacher(
  model: { readonly inputs: readonly TensorShape[]; readonly outputs: readonly TensorShape[] },
  declaration: TeacherDeclaration,
  profile: Profile,
  where: string,
): TeacherPlan {
  const assumptions: string[] = [];
  checkRate(declaration.rateHz, profile, where, assumptions);
  const input = onlyInput(model.inputs, where);
  const layout = layoutOf(input, declaration.layout, profile, where);
  const columns = classColumns(declaration.classes, profile, where, assumptions);
  const output = classOutput(model.outputs, profile, where);
  const features = model.outputs.find(
    (candidate) =>
      candidate.name !== output.name && /features|embedding|pooled/.test(candidate.name),
  );
  if (declaration.unit === undefined) assumptions.push("input in g");
  return {
    input: input.name,
    batch: input.shape[0] ?? null,
    layout,
    inputScale: (declaration.unit === "m/s2" ? METRES_PER_SECOND_SQUARED_PER_G : 1) / 1000,
    output: output.name,
    outputKind: declaration.output,
    features: features?.name,
    columns,
    assumptions,
  };
}

/** Int8 windows as the model's float input, `[count]` times one window in the model's layout. */
export function teacherInput(
  plan: TeacherPlan,
  profile: Pick<Profile, "windowSamples" | "channels">,
  windows: Int8Array,
  count: number,
  inputMilligPerStep: number,
): Float32Array {
  const { windowSamples, channels } = profile;
  const scale = inputMilligPerStep * plan.inputScale;
  const values = new Float32Array(count * windowSamples * channels);
  if (plan.layout === "time-channel") {
    for (let i = 0; i < values.length; i++) values[i] = (windows[i] ?? 0) * scale;
    return values;
  }
  let to = 0;
  for (let w = 0; w < count; w++) {
    const start = w * windowSamples * channels;
    for (let c = 0; c < channels; c++) {
      for (let t = 0; t < windowSamples; t++) {
        values[to++] = (windows[start + t * channels + c] ?? 0) * scale;
      }
    }
  }
  return values;
}

/** The model's rows in the profile's order of classes, as probabilities. Rows that are not finite
 * come back as uniform: the teacher knows nothing of that window. */
export function teacherAnswer(
  plan: Pick<TeacherPlan, "columns" | "outputKind">,
  rows: Float32Array,
  count: number,
  features: Float32Array | null,
): TeacherAnswer {
  const classes = plan.columns.length;
  const probabilities = new Float32Array(count * classes);
  const kind = plan.outputKind ?? outputKindOf(rows, count);
  for (let w = 0; w < count; w++) {
    const row = plan.columns.map((column) => rows[w * classes + column] ?? Number.NaN);
    const highest = Math.max(...row);
    const parts = kind === "logits" ? row.map((value) => Math.exp(value - highest)) : row;
    const sum = parts.reduce((total, part) => total + part, 0);
    const sound = Number.isFinite(sum) && sum > 0;
    parts.forEach((part, c) => {
      probabilities[w * classes + c] = sound ? part / sum : 1 / classes;
    });
  }
  return { probabilities, features };
}

/** Probabilities where every row is within 0..1 and sums to 1, else logits. */
export function outputKindOf(rows: Float32Array, count: number): "logits" | "probabilities" {
  const classes = rows.length / Math.max(1, count);
  for (let w = 0; w < count; w++) {
    const row = rows.subarray(w * classes, (w + 1) * classes);
    const sum = row.reduce((total, value) => total + value, 0);
    if (row.some((value) => value < 0 || value > 1) || Math.abs(sum - 1) > 1e-3) return "logits";
  }
  return "probabilities";
}

/** Throws `EdgeError` `teacher-rate`. */
export function checkRate(
  rateHz: number | undefined,
  profile: Profile,
  where: string,
  assumptions: string[],
): void {
  if (rateHz === undefined) {
    assumptions.push(`trained at ${profile.rateHz} Hz`);
  } else if (Math.abs(rateHz - profile.rateHz) > 0.001 * profile.rateHz) {
    throw new EdgeError({
      code: "teacher-rate",
      message: `was trained at ${rateHz} Hz; profile ${profile.name} samples at ${profile.rateHz} Hz`,
      where,
      hint: "Choose the profile with the teacher's rate, or train the teacher on resampled recordings.",
    });
  }
}

function onlyInput(inputs: readonly TensorShape[], where: string): TensorShape {
  const [input] = inputs;
  if (inputs.length === 1 && input !== undefined && input.shape.length === 3) return input;
  throw new EdgeError({
    code: "teacher-input",
    message: `takes ${inputs.map(describe).join(" and ") || "no input"}`,
    where,
    hint: "A teacher takes one float input: [batch, time, channel] or [batch, channel, time].",
  });
}

function layoutOf(
  input: TensorShape,
  declared: TeacherPlan["layout"] | undefined,
  profile: Profile,
  where: string,
): TeacherPlan["layout"] {
  const { windowSamples, channels } = profile;
  const fits = (time: number | null | undefined, channel: number | null | undefined): boolean =>
    (time === null || time === windowSamples) && (channel === null || channel === channels);
  const [, second, third] = input.shape;
  const timeFirst = fits(second, third);
  const channelFirst = fits(third, second);
  if (declared === "time-channel" && timeFirst) return declared;
  if (declared === "channel-time" && channelFirst) return declared;
  if (declared === undefined && timeFirst !== channelFirst) {
    return timeFirst ? "time-channel" : "channel-time";
  }
  const both = declared === undefined && timeFirst;
  throw new EdgeError({
    code: both ? "teacher-layout" : "teacher-shape",
    message: both
      ? `${describe(input)} may be time first or channel first`
      : `takes ${describe(input)}; profile ${profile.name} has windows of ${windowSamples} samples on ${channels} channels`,
    where,
    hint: both
      ? "Say which with the teacher's `layout`: time-channel or channel-time."
      : "Use a teacher made for this window, or a profile with the teacher's `windowSamples`.",
  });
}

function classOutput(
  outputs: readonly TensorShape[],
  profile: Profile,
  where: string,
): TensorShape {
  const classes = profile.classes.length;
  const flat = outputs.filter((output) => output.shape.length === 2);
  const fitting = flat.filter((output) => output.shape[1] === classes || output.shape[1] === null);
  const named = CLASS_OUTPUT_NAMES.flatMap((name) => fitting.filter((o) => o.name === name))[0];
  const chosen = named ?? (fitting.length === 1 ? fitting[0] : undefined);
  if (chosen !== undefined) return chosen;
  throw new EdgeError({
    code: "teacher-classes",
    message:
      `gives ${outputs.map(describe).join(" and ") || "no output"}; profile ${profile.name} has ` +
      `${classes} classes: ${profile.classes.join(", ")}`,
    where,
    hint:
      fitting.length > 1
        ? `Name one of the outputs \`probabilities\` or \`logits\`.`
        : "The output is [batch, classes]. Merge labels in the profile so that the classes agree.",
  });
}

/** For each class of the profile its column. Throws `EdgeError` `teacher-classes`. */
export function classColumns(
  names: readonly string[] | undefined,
  profile: Profile,
  where: string,
  assumptions: string[],
): number[] {
  if (names === undefined) {
    assumptions.push(`classes in the order ${profile.classes.join(", ")}`);
    return profile.classes.map((_, i) => i);
  }
  const columns = profile.classes.map((name) => names.indexOf(name));
  if (names.length === profile.classes.length && !columns.includes(-1)) return columns;
  throw new EdgeError({
    code: "teacher-classes",
    message: `knows ${names.join(", ")}; profile ${profile.name} has ${profile.classes.join(", ")}`,
    where,
    hint: "Rename or merge labels in the profile's `labelClass` so that both have the same classes.",
  });
}

/** Rows of several batches, one after another. One that has its buffer to itself is handed on as it is;
 * a part of a larger buffer would be posted between threads with all of it. */
export function joinRows(parts: readonly Float32Array[]): Float32Array {
  const [only] = parts;
  if (parts.length === 1 && only?.byteLength === only?.buffer.byteLength)
    return only as Float32Array;
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function describe(tensor: TensorShape): string {
  return `${tensor.name}[${tensor.shape.map((size) => size ?? "?").join(", ")}]`;
}
