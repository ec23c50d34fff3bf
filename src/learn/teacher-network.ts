/**
 * The teacher: a one-dimensional residual network (Wang et al., arXiv 1611.06455; Fawaz et al.,
 * arXiv 1809.04356): blocks of three convolutions, a 1x1 convolution as shortcut in every block, mean
 * over time, softmax.
 *
 * The original runs at full length with widths 64, 128, 128. On windows of a few seconds strides in
 * the later blocks and half the width cost nothing that we could measure and train several times
 * faster, so both are options of the design.
 */
import { assert } from "../assert.ts";
import type { Tensor } from "../model/student-spec.ts";
import { foldNormalisation } from "./fold.ts";
import { Graph, type Value } from "./graph.ts";
import {
  inferenceLayers,
  type Layers,
  type Network,
  type Normalisation,
  normalisationParameters,
  type Outputs,
} from "./network.ts";
import { BATCH } from "./onnx-model.ts";
import { add, dense, relu } from "./operations.ts";
import { filled, linearWeight, type Parameter, weight } from "./parameters.ts";

export type TeacherDesign = {
  readonly windowSamples: number;
  readonly channels: number;
  readonly classes: number;
  /** Filters and stride of each block, the same number of both. */
  readonly widths: readonly number[];
  readonly strides: readonly number[];
  /** Kernels of the three convolutions of a block. */
  readonly kernels: readonly number[];
};

/** A trained teacher. Tensors: `block{b}.conv{i}.weight` `[out, in, kernel]`,
 * `block{b}.shortcut.weight` `[out, in, 1]`, each with `….normalise.{scale,shift,mean,variance}`, and
 * `head.weight` `[classes, features]`, `head.bias`. */
export type FloatTeacher = {
  readonly design: TeacherDesign;
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly classes: readonly string[];
  readonly rateHz: number;
  readonly inputMilligPerStep: number;
};

export function teacherNetwork(design: TeacherDesign): Network {
  assert(design.widths.length === design.strides.length, "one stride per block");
  const parameters: Parameter[] = [];
  const normalisations: Normalisation[] = [];
  let inputs = design.channels;
  design.widths.forEach((width, b) => {
    let from = inputs;
    design.kernels.forEach((kernel, i) => {
      parameters.push(weight(`block${b}.conv${i}.weight`, [width, from, kernel], from * kernel));
      normalisations.push({ name: `block${b}.conv${i}.normalise`, channels: width });
      from = width;
    });
    parameters.push(linearWeight(`block${b}.shortcut.weight`, [width, inputs, 1], inputs));
    normalisations.push({ name: `block${b}.shortcut.normalise`, channels: width });
    inputs = width;
  });
  parameters.push(linearWeight("head.weight", [design.classes, inputs], inputs));
  parameters.push(filled("head.bias", [design.classes], 0));
  return {
    windowSamples: design.windowSamples,
    channels: design.channels,
    classes: design.classes,
    parameters: [...parameters, ...normalisations.flatMap(normalisationParameters)],
    normalisations,
    forward: (graph, window, layers) => teacherForward(graph, design, window, layers),
  };
}

/** The teacher's ONNX file, normalisation folded into the convolutions: input `window`
 * `[batch][time][channel]` in g; outputs `logits` `[batch][class]` and `features`
 * `[batch][feature]` (the means over time, for novelty). Metadata: `classes` (a JSON list), `rateHz`,
 * `windowSamples`, `channels`, `inputMilligPerStep`. */
export function teacherOnnx(teacher: FloatTeacher): Uint8Array {
  const { design } = teacher;
  const graph = new Graph();
  const window = graph.input("window", [BATCH, design.windowSamples, design.channels]);
  const outputs = teacherForward(graph, design, window, foldedLayers(graph, teacher.tensors));
  graph.output("logits", outputs.logits[0] as Value);
  graph.output("features", outputs.features);
  return graph.toOnnx({
    kind: "bellwether-teacher",
    classes: JSON.stringify(teacher.classes),
    rateHz: String(teacher.rateHz),
    windowSamples: String(design.windowSamples),
    channels: String(design.channels),
    inputMilligPerStep: String(teacher.inputMilligPerStep),
  });
}

function teacherForward(
  graph: Graph,
  design: TeacherDesign,
  window: Value,
  layers: Layers,
): Outputs {
  return teacherBody(graph, design, layers.enter(window), layers);
}

/** The same from a value that is in the layout of these layers already. */
export function teacherBody(
  graph: Graph,
  design: TeacherDesign,
  entered: Value,
  layers: Layers,
): Outputs {
  let x = entered;
  design.strides.forEach((stride, b) => {
    x = block(graph, x, `block${b}`, design.kernels.length, stride, layers);
  });
  const features = layers.meanOverTime(x);
  const logits = dense(graph, features, layers.tensor("head.weight"), layers.tensor("head.bias"));
  return { logits: [logits], features };
}

/** The stride is the first convolution's and the shortcut's. */
function block(
  graph: Graph,
  x: Value,
  name: string,
  convolutions: number,
  stride: number,
  layers: Layers,
): Value {
  let y = x;
  for (let i = 0; i < convolutions; i++) {
    const part = `${name}.conv${i}`;
    y = layers.convolve(y, `${part}.weight`, i === 0 ? stride : 1);
    y = layers.normalise(y, `${part}.normalise`);
    if (i < convolutions - 1) y = relu(graph, y);
  }
  const across = layers.convolve(x, `${name}.shortcut.weight`, stride);
  return relu(graph, add(graph, y, layers.normalise(across, `${name}.shortcut.normalise`)));
}

/** Convolutions that already hold their normalisation: what is left of it is adding a bias. */
export function foldedLayers(graph: Graph, tensors: ReadonlyMap<string, Tensor>): Layers {
  const folded = new Map<string, Tensor>();
  for (const [name, tensor] of tensors) {
    if (name.startsWith("head.")) folded.set(name, tensor);
    if (!name.endsWith(".weight") || name.startsWith("head.")) continue;
    const part = name.replace(/\.weight$/, "");
    const { weight: data, bias } = foldNormalisation(tensor, tensors, `${part}.normalise`);
    folded.set(name, { shape: tensor.shape, data });
    folded.set(`${part}.bias`, { shape: [bias.length, 1], data: bias });
  }
  const layers = inferenceLayers(graph, folded);
  return {
    ...layers,
    normalise: (x, name) => add(graph, x, layers.tensor(name.replace(/normalise$/, "bias"))),
  };
}
