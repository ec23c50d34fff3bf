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
import { convolve } from "./convolution.ts";
import { foldNormalisation } from "./fold.ts";
import { Graph, type Value } from "./graph.ts";
import {
  type Network,
  type Normalisation,
  normalisationParameters,
  type Outputs,
  type Weights,
} from "./network.ts";
import { BATCH } from "./onnx-model.ts";
import { add, dense, meanOverTime, relu, transpose } from "./operations.ts";
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
    forward: (graph, window, weights) => teacherForward(graph, design, window, weights),
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
  const outputs = teacherForward(graph, design, window, foldedWeights(graph, teacher.tensors));
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
  weights: Weights,
): Outputs {
  let x = transpose(graph, window, [0, 2, 1]);
  design.strides.forEach((stride, b) => {
    x = block(graph, x, `block${b}`, design.kernels.length, stride, weights);
  });
  const features = meanOverTime(graph, x);
  const logits = dense(graph, features, weights.tensor("head.weight"), weights.tensor("head.bias"));
  return { logits: [logits], features };
}

/** The stride is the first convolution's and the shortcut's. */
function block(
  graph: Graph,
  x: Value,
  name: string,
  convolutions: number,
  stride: number,
  weights: Weights,
): Value {
  let y = x;
  for (let i = 0; i < convolutions; i++) {
    const part = `${name}.conv${i}`;
    y = convolve(graph, y, weights.tensor(`${part}.weight`), i === 0 ? stride : 1);
    y = weights.normalise(`${part}.normalise`, y);
    if (i < convolutions - 1) y = relu(graph, y);
  }
  const across = convolve(graph, x, weights.tensor(`${name}.shortcut.weight`), stride);
  return relu(graph, add(graph, y, weights.normalise(`${name}.shortcut.normalise`, across)));
}

/** Convolutions that already hold their normalisation: what is left of it is adding a bias. */
function foldedWeights(graph: Graph, tensors: ReadonlyMap<string, Tensor>): Weights {
  const of = (name: string): Tensor => {
    const tensor = tensors.get(name);
    assert(tensor !== undefined, `the teacher has a tensor ${name}`);
    return tensor;
  };
  return {
    tensor(name) {
      if (name.startsWith("head.")) return graph.constant(of(name).shape, of(name).data, name);
      const folded = foldNormalisation(of(name), tensors, name.replace(/weight$/, "normalise"));
      return graph.constant(of(name).shape, folded.weight, name);
    },
    normalise(name, x) {
      const convolution = name.replace(/normalise$/, "weight");
      const { bias } = foldNormalisation(of(convolution), tensors, name);
      return add(
        graph,
        x,
        graph.constant([bias.length, 1], bias, name.replace(/normalise$/, "bias")),
      );
    },
  };
}
