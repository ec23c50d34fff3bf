/**
 * The forms of a payload for which a network is trained of its own: codes of an encoder, and windows
 * with fewer samples and bits.
 *
 * Each has a tail of the same size, that learned from the same views and the same answers of the
 * teacher for as long: between two of them lies only what they carry. Codes are those of the encoder's
 * integers, as a node would send them. `coarse` is the teacher of whole windows in 2 bits that `train
 * --coarse` makes, of the teacher's own size. It and the tails of codes have their weights in half
 * precision, as profiles ship them.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { loadEncoder } from "../src/engine/encode.ts";
import { Graph, type Value } from "../src/learn/graph.ts";
import { inferenceLayers, type Network } from "../src/learn/network.ts";
import { halfWeights } from "../src/learn/onnx-half.ts";
import { BATCH, onnxTensors } from "../src/learn/onnx-model.ts";
import { recipeAsked } from "../src/learn/recipes.ts";
import { codeShapeOf, splitNetwork } from "../src/learn/split-network.ts";
import { type SplitRecipe, splitRecipeFor, tailSize } from "../src/learn/split-recipes.ts";
import { tailOnnx } from "../src/learn/tail-network.ts";
import { type TeacherDesign, teacherNetwork } from "../src/learn/teacher-network.ts";
import { trainSplit, type Views } from "../src/learn/train-split.ts";
import { encoderMacs } from "../src/model/encoder.ts";
import { quantizeEncoder } from "../src/model/quantize-encoder.ts";
import type { Tensor } from "../src/model/student-spec.ts";
import type { Profile } from "../src/signal/profile.ts";
import { type WindowSet, windowAt } from "../src/signal/window-set.ts";
import { packedCodeBytes } from "../src/wire/codes.ts";
import { type CompandedBits, compandedBytes } from "../src/wire/companded.ts";
import { keepFile } from "./kept-files.ts";
import { reducedWindow, spansWithin } from "./split-payloads.ts";

/** What networks can be trained for, by name. */
export const LEARNED_KINDS = ["features", "companded4", "companded2", "coarse"];
/** Bits a value of windows with fewer samples. */
const REDUCED_BITS = [4, 2] as const;

type CodeForm = Shape & { readonly kind: "features"; readonly bits: number };
/** Means over equal spans, as `companded.ts` has them. */
type ReducedForm = Shape & {
  readonly kind: "reduced" | "coarse";
  readonly bits: CompandedBits;
};
export type LearnedForm = CodeForm | ReducedForm;

type Shape = {
  readonly bytes: number;
  /** Samples of time and values of each that travel. */
  readonly time: number;
  readonly channels: number;
};

/** For each budget the code, and the windows that have as many samples as it holds; then whole windows
 * in 2 bits, which are of one size, for their own teacher. */
export function learnedForms(
  profile: Profile,
  kinds: readonly string[],
  budgets: readonly number[],
): readonly LearnedForm[] {
  const { windowSamples: time, channels } = profile;
  const coarse: ReducedForm = {
    ...{ kind: "coarse", bits: 2, time, channels },
    bytes: compandedBytes(time, channels, 2),
  };
  const within = budgets.flatMap((budget) => {
    const forms: LearnedForm[] = [];
    if (kinds.includes("features")) forms.push(featuresForm(profile, budget));
    for (const bits of REDUCED_BITS) {
      if (!kinds.includes(`companded${bits}`)) continue;
      const { samples, bytes } = spansWithin(profile, bits, budget);
      if (samples > 0) forms.push({ kind: "reduced", bytes, bits, time: samples, channels });
    }
    return forms;
  });
  return kinds.includes("coarse") ? [...within, coarse] : within;
}

function featuresForm(profile: Profile, budget: number): CodeForm {
  const { encoder } = splitRecipeFor(profile, budget).design;
  const { time, channels } = codeShapeOf(encoder);
  const bits = encoder.codeBits;
  return { kind: "features", bytes: packedCodeBytes(time * channels, bits), bits, time, channels };
}

export type LearnedAsked = {
  readonly profile: Profile;
  readonly train: WindowSet;
  /** What is to be answered. */
  readonly asked: WindowSet;
  readonly views: () => Promise<Views>;
  readonly seed: number;
  readonly quick: boolean;
  /** Of the training; undefined for as many as the recipe has. */
  readonly passes: number | undefined;
  /** Trained networks are kept there, under a name that says all they depend on. */
  readonly keep?: string | undefined;
};

export type LearnedAnswers = {
  /** Logits `[window][class]`. */
  readonly logits: Float32Array;
  /** Multiply-accumulates of the encoder; 0 for a window that is only made smaller. */
  readonly macs: number;
  /** Bytes of an average window of `asked` by a static table; the form's where there is no code. */
  readonly tableBytes: number;
};

export async function answersThrough(
  form: LearnedForm,
  asked: LearnedAsked,
): Promise<LearnedAnswers> {
  return form.kind === "features" ? throughCode(form, asked) : throughReduced(form, asked);
}

async function throughCode(form: CodeForm, asked: LearnedAsked): Promise<LearnedAnswers> {
  const { profile, train } = asked;
  const recipe = splitRecipeFor(profile, form.bytes, asked);
  const { design } = recipe;
  const tensors = await keptTensors(asked, form, splitNetwork(design));
  const encoder = quantizeEncoder(
    { spec: design.encoder, tensors },
    train,
    profile.inputMilligPerStep,
  );
  const encode = loadEncoder(encoder);
  const codesOf = (windows: WindowSet): Float32Array => {
    const codes = new Float32Array(windows.count * form.time * form.channels);
    for (let i = 0; i < windows.count; i++) {
      codes.set(encode(windowAt(windows, i)), i * form.time * form.channels);
    }
    return codes;
  };
  const codes = codesOf(asked.asked);
  const tableBytes = byTable(codesOf(train), codes, form);
  const { classes, rateHz } = profile;
  const tail = halfWeights(tailOnnx({ design, tensors }, { classes, rateHz, encoder: "" }));
  const logits = await logitsOf(tail, "code", codes, form, classes.length);
  return { logits, macs: encoderMacs(encoder), tableBytes };
}

async function throughReduced(form: ReducedForm, asked: LearnedAsked): Promise<LearnedAnswers> {
  const { profile, asked: windows } = asked;
  const { channels, classes, inputMilligPerStep } = profile;
  const reduce = (window: Int8Array): Int8Array =>
    reducedWindow(window, form.time, form.bits, channels);
  const network = teacherNetwork({
    ...sizeFor(form, asked),
    windowSamples: form.time,
    channels,
    classes: classes.length,
  });
  const tensors = await keptTensors(asked, form, network, reduce);
  const samples = new Float32Array(windows.count * form.time * channels);
  const gPerStep = inputMilligPerStep / 1000;
  for (let i = 0; i < windows.count; i++) {
    const read = Float32Array.from(reduce(windowAt(windows, i)), (step) => step * gPerStep);
    samples.set(read, i * form.time * channels);
  }
  const whole = networkOnnx(network, tensors);
  const file = form.kind === "coarse" ? halfWeights(whole) : whole;
  const logits = await logitsOf(file, "window", samples, form, classes.length);
  return { logits, macs: 0, tableBytes: form.bytes };
}

/** Of what answers a form. */
function sizeFor(
  { kind }: LearnedForm,
  { profile, quick }: LearnedAsked,
): Pick<TeacherDesign, "widths" | "strides" | "kernels"> {
  if (kind !== "coarse") return tailSize(profile, quick);
  const { widths, strides, kernels } = recipeAsked(profile, { quick }).teacher;
  return { widths, strides, kernels };
}

/** Ideal lengths of codes, `-log2` of how often each comes in its channel in training. */
function byTable(
  trained: Float32Array,
  sent: Float32Array,
  { bits, time, channels }: LearnedForm,
): number {
  const levels = 2 ** bits;
  const counts = new Float64Array(channels * levels).fill(1);
  const cell = (code: number, i: number): number => (i % channels) * levels + code;
  trained.forEach((code, i) => {
    counts[cell(code, i)] = (counts[cell(code, i)] as number) + 1;
  });
  const total = trained.length / channels + levels;
  let sum = 0;
  sent.forEach((code, i) => {
    sum -= Math.log2((counts[cell(code, i)] as number) / total);
  });
  return ((sum / sent.length) * time * channels) / 8;
}

/** Of every form alike. */
export function trainingFor(
  profile: Profile,
  { quick, passes }: Pick<LearnedAsked, "quick" | "passes">,
): Pick<SplitRecipe, "objective" | "options"> {
  const { objective, options } = splitRecipeFor(profile, 1, { quick });
  return { objective, options: { ...options, epochs: passes ?? options.epochs } };
}

/** As kept by an earlier run, else trained. */
async function keptTensors(
  asked: LearnedAsked,
  form: LearnedForm,
  network: Network,
  reduce?: (window: Int8Array) => Int8Array,
): Promise<ReadonlyMap<string, Tensor>> {
  const { profile, train, seed, quick, keep } = asked;
  const { design } = splitRecipeFor(profile, Math.max(1, form.bytes), asked);
  const { objective, options } = trainingFor(profile, asked);
  const tail = sizeFor(form, asked);
  const what = {
    ...{ profile, form, objective, options, tail, seed, quick, windows: train.count },
    encoder: form.kind === "features" ? design.encoder : null,
    subjects: [...new Set(train.subjects)],
  };
  const name = createHash("sha256").update(JSON.stringify(what)).digest("hex").slice(0, 24);
  const file = keep === undefined ? undefined : join(keep, `${name}.split.onnx`);
  if (file !== undefined && existsSync(file)) return onnxTensors(readFileSync(file));
  const tensors = await trainSplit(onnxRuntime(), {
    ...{ network, views: await asked.views(), seed, objective, options },
    ...(reduce && { reduce }),
  });
  if (file !== undefined) keepFile(file, networkOnnx(network, tensors));
  return tensors;
}

function networkOnnx(network: Network, tensors: ReadonlyMap<string, Tensor>): Uint8Array {
  const graph = new Graph();
  const window = graph.input("window", [BATCH, network.windowSamples, network.channels]);
  const { logits } = network.forward(graph, window, inferenceLayers(graph, tensors));
  graph.output("logits", logits[0] as Value);
  return graph.toOnnx();
}

const BATCH_WINDOWS = 256;

async function logitsOf(
  onnx: Uint8Array,
  input: string,
  rows: Float32Array,
  { time, channels }: LearnedForm,
  classes: number,
): Promise<Float32Array> {
  const program = await onnxRuntime().compile(onnx);
  const size = time * channels;
  const count = rows.length / size;
  const all = new Float32Array(count * classes);
  for (let first = 0; first < count; first += BATCH_WINDOWS) {
    const windows = Math.min(BATCH_WINDOWS, count - first);
    const data = rows.slice(first * size, (first + windows) * size);
    const { logits } = await program.run({ [input]: { shape: [windows, time, channels], data } });
    all.set(logits?.data ?? [], first * classes);
  }
  await program.release();
  return all;
}
