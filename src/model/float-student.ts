/**
 * A float student with its normalisation folded in: the same chain of layers as the integer one.
 *
 * This is what quantization starts from and is compared with. It is a plain forward pass over flat
 * arrays, sums in doubles; it neither trains nor aims to be fast.
 */

import { assert, EdgeError } from "../assert.ts";
import { NORMALISE_EPSILON } from "../learn/normalise.ts";
import type { ConvLayer, DenseLayer, DepthwiseLayer, GruLayer } from "./student.ts";
import type { FloatStudent, LayerSpec, StudentSpec } from "./student-spec.ts";

/** `name` is that of the tensors which a layer comes from, without `.weight` or `.bias`; a GRU that
 * continues has the name of the one that it goes on from. */
type Named = { readonly name: string };
type Floats<Layer, Names extends keyof Layer> = Omit<Layer, Names | "requantization"> &
  Named & {
    readonly weights: Float32Array;
    readonly bias: Float32Array;
  };
/** Weights laid out as in the integer layers of the same name. */
export type FloatConv = Floats<ConvLayer, "weights" | "bias">;
export type FloatDepthwise = Floats<DepthwiseLayer, "weights" | "bias">;
export type FloatDense = Floats<DenseLayer, "weights" | "bias">;
export type FloatGru = Pick<
  GruLayer,
  "kind" | "patchSamples" | "channels" | "hidden" | "firstPatch" | "patches" | "continues"
> &
  Named & {
    readonly inputWeights: Float32Array;
    readonly stateWeights: Float32Array;
    readonly inputBias: Float32Array;
    readonly stateBias: Float32Array;
  };
export type FloatStage = {
  readonly layers: readonly (FloatConv | FloatDepthwise | FloatGru)[];
  readonly pool: "mean" | "state";
  readonly features: number;
  readonly head: readonly FloatDense[];
};
export type FoldedStudent = {
  readonly windowSamples: number;
  readonly channels: number;
  readonly classes: number;
  readonly stages: readonly FloatStage[];
};

/** Multiplies every normalisation into the weights before it. */
export function foldStudent(student: FloatStudent): FoldedStudent {
  const { spec } = student;
  let shape = { time: spec.windowSamples, channels: spec.channels };
  let gru: FloatGru | undefined;
  const stages = spec.stages.map((stage, s): FloatStage => {
    const layers: (FloatConv | FloatDepthwise | FloatGru)[] = [];
    stage.layers.forEach((layer, l) => {
      if (layer.kind === "gru") {
        gru = foldGru(student, `stage${s}.layer${l}`, layer, gru);
        layers.push(gru);
        return;
      }
      const folded = foldConvolution(student, `stage${s}.layer${l}`, layer, shape);
      layers.push(...folded);
      shape = { time: folded.at(-1)?.outTime ?? 0, channels: layer.filters };
    });
    const features = gru?.hidden ?? shape.channels;
    return {
      layers,
      pool: gru === undefined ? "mean" : "state",
      features,
      head: foldHead(student, s, features, stage.exit.hidden),
    };
  });
  return { ...shapeOf(spec), stages };
}

function shapeOf(spec: StudentSpec): Omit<FoldedStudent, "stages"> {
  return { windowSamples: spec.windowSamples, channels: spec.channels, classes: spec.classes };
}

function foldConvolution(
  student: FloatStudent,
  name: string,
  layer: Exclude<LayerSpec, { kind: "gru" }>,
  shape: { readonly time: number; readonly channels: number },
): readonly (FloatConv | FloatDepthwise)[] {
  const { kernel, stride, filters } = layer;
  const outTime = Math.ceil(shape.time / stride);
  const padding = Math.max(0, (outTime - 1) * stride + kernel - shape.time);
  const timing = { inTime: shape.time, outTime, kernel, stride, padLeft: padding >> 1 };
  const inChannels = shape.channels;
  if (layer.kind === "conv") {
    const weight = tensor(student, `${name}.weight`, filters * inChannels * kernel);
    const fold = normalisation(student, name, filters);
    const weights = new Float32Array(weight.length);
    for (let o = 0, to = 0; o < filters; o++) {
      for (let k = 0; k < kernel; k++) {
        for (let i = 0; i < inChannels; i++) {
          const from = weight[(o * inChannels + i) * kernel + k] as number;
          weights[to++] = from * (fold.factors[o] as number);
        }
      }
    }
    return [
      { name, kind: "conv", ...timing, inChannels, outChannels: filters, weights, bias: fold.bias },
    ];
  }
  const weight = tensor(student, `${name}.depthwise.weight`, inChannels * kernel);
  const fold = normalisation(student, `${name}.depthwise`, inChannels);
  const weights = new Float32Array(weight.length);
  for (let c = 0; c < inChannels; c++) {
    for (let k = 0; k < kernel; k++) {
      const from = weight[c * kernel + k] as number;
      weights[k * inChannels + c] = from * (fold.factors[c] as number);
    }
  }
  const pointTensor = tensor(student, `${name}.pointwise.weight`, filters * inChannels);
  const pointFold = normalisation(student, `${name}.pointwise`, filters);
  return [
    {
      name: `${name}.depthwise`,
      kind: "depthwise",
      ...timing,
      channels: inChannels,
      weights,
      bias: fold.bias,
    },
    {
      name: `${name}.pointwise`,
      kind: "conv",
      inTime: outTime,
      outTime,
      kernel: 1,
      stride: 1,
      padLeft: 0,
      inChannels,
      outChannels: filters,
      weights: pointTensor.map(
        (value, i) => value * (pointFold.factors[Math.floor(i / inChannels)] as number),
      ),
      bias: pointFold.bias,
    },
  ];
}

function foldGru(
  student: FloatStudent,
  name: string,
  layer: Extract<LayerSpec, { kind: "gru" }>,
  before: FloatGru | undefined,
): FloatGru {
  const { patchSamples, hidden, patches, continues } = layer;
  const { channels } = student.spec;
  const shape = { kind: "gru", patchSamples, channels, hidden, patches, continues } as const;
  if (continues) {
    assert(before !== undefined, `${name} goes on from a GRU`);
    return { ...before, ...shape, firstPatch: before.firstPatch + before.patches };
  }
  return {
    ...shape,
    name,
    firstPatch: 0,
    inputWeights: tensor(student, `${name}.input.weight`, 3 * hidden * patchSamples * channels),
    inputBias: tensor(student, `${name}.input.bias`, 3 * hidden),
    stateWeights: tensor(student, `${name}.state.weight`, 3 * hidden * hidden),
    stateBias: tensor(student, `${name}.state.bias`, 3 * hidden),
  };
}

function foldHead(
  student: FloatStudent,
  stage: number,
  features: number,
  hidden: number,
): readonly FloatDense[] {
  const { classes } = student.spec;
  const read = (part: string, inputs: number, outputs: number, output: DenseLayer["output"]) => {
    const name = `stage${stage}.exit.${part}`;
    return {
      ...({ name, kind: "dense", inputs, outputs, output } as const),
      weights: tensor(student, `${name}.weight`, outputs * inputs),
      bias: tensor(student, `${name}.bias`, outputs),
    };
  };
  if (hidden === 0) return [read("logits", features, classes, "logits")];
  return [read("hidden", features, hidden, "relu"), read("logits", hidden, classes, "logits")];
}

/** y = (x - mean) / sqrt(variance + epsilon) * scale + shift = x * factor + bias. */
function normalisation(
  student: FloatStudent,
  name: string,
  channels: number,
): { readonly factors: Float64Array; readonly bias: Float32Array } {
  const part = (which: string) => tensor(student, `${name}.normalise.${which}`, channels);
  const [scale, shift, mean, variance] = [
    part("scale"),
    part("shift"),
    part("mean"),
    part("variance"),
  ];
  const factors = Float64Array.from(
    scale,
    (value, c) => value / Math.sqrt((variance[c] as number) + NORMALISE_EPSILON),
  );
  const bias = shift.map((value, c) => value - (mean[c] as number) * (factors[c] as number));
  return { factors, bias };
}

/** @throws EdgeError `student-not-finite`: training can diverge, which is no fault of the program. */
function tensor(student: FloatStudent, name: string, length: number): Float32Array {
  const found = student.tensors.get(name);
  assert(found !== undefined, `the float student has a tensor ${name}`);
  assert(found.data.length === length, `${name} has ${length} values, not ${found.data.length}`);
  const bad = found.data.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new EdgeError({
      code: "student-not-finite",
      message: `value ${bad} is ${found.data[bad]}`,
      where: `float student, tensor ${name}`,
      hint: "Training diverged: use a smaller learning rate, or look for odd recordings.",
    });
  }
  return found.data;
}
