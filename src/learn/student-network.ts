/**
 * The float student: which tensors a `StudentSpec` has, and its forward pass as a graph.
 *
 * Names and shapes of the tensors (`s` counts stages, `l` the layers of a stage, both from 0):
 *
 *     conv       stage{s}.layer{l}.weight               [filters, inChannels, kernel]
 *                stage{s}.layer{l}.normalise.*          [filters]
 *     separable  stage{s}.layer{l}.depthwise.weight     [inChannels, kernel]
 *                stage{s}.layer{l}.depthwise.normalise.*  [inChannels]
 *                stage{s}.layer{l}.pointwise.weight     [filters, inChannels]
 *                stage{s}.layer{l}.pointwise.normalise.*  [filters]
 *     gru        stage{s}.layer{l}.input.weight         [3 * hidden, patchSamples * channels]
 *                stage{s}.layer{l}.input.bias           [3 * hidden]
 *                stage{s}.layer{l}.state.weight         [3 * hidden, hidden]
 *                stage{s}.layer{l}.state.bias           [3 * hidden]
 *     exit       stage{s}.exit.hidden.weight            [hidden, features]      (where hidden > 0)
 *                stage{s}.exit.hidden.bias              [hidden]
 *                stage{s}.exit.logits.weight            [classes, hidden or features]
 *                stage{s}.exit.logits.bias              [classes]
 *
 * `normalise.*` is `scale`, `shift`, `mean` and `variance`: y = (x - mean) / sqrt(variance +
 * NORMALISE_EPSILON) * scale + shift, then ReLU. Convolutions have no bias of their own. A GRU is
 * PyTorch's (gate rows in the order reset, update, new; h' = (1 - z) n + z h with
 * n = tanh(W_n x + b_in + r (U_n h + b_hn))), starts from a state of zeros, reads a patch as
 * `[time][channel]`, stands alone in its stage and reads the window itself. A layer that `continues`
 * has no tensors of its own: it uses those of the layer it goes on from, and starts at the patch
 * where that one stopped. The network's input is in g: int8 steps times `inputMilligPerStep` / 1000.
 */
import { assert } from "../assert.ts";
import type { FloatStudent, LayerSpec, StudentSpec, Tensor } from "../model/student-spec.ts";
import { paddingOf } from "./convolution.ts";
import { Graph, type Value } from "./graph.ts";
import { type Gru, gruOver } from "./gru.ts";
import {
  inferenceLayers,
  type Layers,
  type Network,
  type Normalisation,
  normalisationParameters,
  type Outputs,
} from "./network.ts";
import { BATCH, onnxMetadata, onnxTensors } from "./onnx-model.ts";
import { dense } from "./operations.ts";
import { filled, linearWeight, type Parameter, weight } from "./parameters.ts";

type GruSpec = Extract<LayerSpec, { kind: "gru" }>;

/** Shape of what a layer gives, `[time][channel]`. */
export type Shape = { readonly time: number; readonly channels: number };

/** The student as the trainer sees it. */
export function studentNetwork(spec: StudentSpec): Network {
  const parameters: Parameter[] = [];
  const normalisations: Normalisation[] = [];
  let shape: Shape = { time: spec.windowSamples, channels: spec.channels };
  spec.stages.forEach((stage, s) => {
    stage.layers.forEach((layer, l) => {
      if (layer.kind === "gru") assertGruStage(spec, s);
      const described = describeLayer(layer, `stage${s}.layer${l}`, shape);
      parameters.push(...described.parameters);
      normalisations.push(...described.normalisations);
      shape = described.shape;
    });
    parameters.push(...exitParameters(spec, s, shape.channels));
  });
  return {
    windowSamples: spec.windowSamples,
    channels: spec.channels,
    classes: spec.classes,
    parameters: [...parameters, ...normalisations.flatMap(normalisationParameters)],
    normalisations,
    forward: (graph, window, layers) => studentForward(graph, spec, window, layers),
  };
}

/** Weights to learn, normalisation's scale and shift included. */
export function studentParameterCount(spec: StudentSpec): number {
  return studentNetwork(spec).parameters.reduce(
    (sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1),
    0,
  );
}

/** An ONNX file of the float student: input `window` `[batch][time][channel]` in g, outputs
 * `exit0`, `exit1`, … (logits `[batch][class]`) and `features`. It holds every tensor under its own
 * name, so that `studentFromOnnx` gives back exactly what went in. */
export function studentOnnx(
  student: FloatStudent,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const { spec, tensors } = student;
  const graph = new Graph();
  const window = graph.input("window", [BATCH, spec.windowSamples, spec.channels]);
  const outputs = studentForward(graph, spec, window, inferenceLayers(graph, tensors));
  outputs.logits.forEach((logits, s) => {
    graph.output(`exit${s}`, logits);
  });
  graph.output("features", outputs.features);
  return graph.toOnnx({ ...metadata, studentSpec: JSON.stringify(spec) });
}

/** Reads `studentOnnx`'s file back; undefined when the file is some other model, or says of its shape
 * what cannot be read. Throws `onnx-truncated` on broken bytes. */
export function studentFromOnnx(onnx: Uint8Array): FloatStudent | undefined {
  const text = onnxMetadata(onnx).get("studentSpec");
  const spec = text === undefined ? undefined : specOf(text);
  if (spec === undefined) return undefined;
  const tensors: Map<string, Tensor> = onnxTensors(onnx);
  for (const name of tensors.keys()) if (!name.startsWith("stage")) tensors.delete(name);
  return { spec, tensors };
}

function specOf(json: string): StudentSpec | undefined {
  try {
    const spec = JSON.parse(json) as Partial<StudentSpec> | null;
    return Array.isArray(spec?.stages) ? (spec as StudentSpec) : undefined;
  } catch {
    return undefined;
  }
}

/** Logits of every exit, and the map that each convolutional stage leaves, in the layout of `layers`. */
export function studentForward(
  graph: Graph,
  spec: StudentSpec,
  window: Value,
  layers: Layers,
): Outputs & { readonly maps: readonly Value[] } {
  let x = layers.enter(window);
  let gru: Gru | undefined;
  let features: Value = x;
  const maps: Value[] = [];
  const logits = spec.stages.map((stage, s) => {
    stage.layers.forEach((layer, l) => {
      const name = `stage${s}.layer${l}`;
      if (layer.kind === "gru") gru = gruOver(graph, window, layer, gru, name, layers);
      else x = convolutionLayer(x, layer, name, layers);
    });
    maps.push(x);
    const exit = `stage${s}.exit`;
    const pooled = gru === undefined ? layers.meanOverTime(x) : gru.state;
    features = layers.features(pooled, `${exit}.pool`);
    return exitLogits(graph, features, stage.exit.hidden, exit, layers);
  });
  return { logits, features, maps };
}

/** One layer of a student that is not a GRU, its normalisations and ReLUs included. */
export function convolutionLayer(
  x: Value,
  layer: Exclude<LayerSpec, GruSpec>,
  name: string,
  layers: Layers,
): Value {
  const settled = (y: Value, part: string): Value =>
    layers.activate(layers.normalise(y, `${part}.normalise`), part);
  if (layer.kind === "conv") {
    return settled(layers.convolve(x, `${name}.weight`, layer.stride), name);
  }
  const [each, mixed] = [`${name}.depthwise`, `${name}.pointwise`];
  const filtered = settled(layers.convolveDepthwise(x, `${each}.weight`, layer.stride), each);
  return settled(layers.convolve(filtered, `${mixed}.weight`, 1), mixed);
}

function exitLogits(
  graph: Graph,
  features: Value,
  hidden: number,
  name: string,
  layers: Layers,
): Value {
  const layer = (x: Value, part: string): Value =>
    dense(graph, x, layers.tensor(`${name}.${part}.weight`), layers.tensor(`${name}.${part}.bias`));
  if (hidden === 0) return layer(features, "logits");
  return layer(layers.activate(layer(features, "hidden"), `${name}.hidden`), "logits");
}

export type Described = {
  readonly parameters: readonly Parameter[];
  readonly normalisations: readonly Normalisation[];
  readonly shape: Shape;
};

/** Tensors of a layer under this name, and the shape of what it gives. */
export function describeLayer(layer: LayerSpec, name: string, input: Shape): Described {
  if (layer.kind === "gru") return describeGru(layer, name, input);
  const { filters, kernel, stride } = layer;
  const shape = { time: paddingOf(input.time, kernel, stride).outTime, channels: filters };
  if (layer.kind === "conv") {
    const size = [filters, input.channels, kernel];
    return {
      parameters: [weight(`${name}.weight`, size, input.channels * kernel)],
      normalisations: [{ name: `${name}.normalise`, channels: filters }],
      shape,
    };
  }
  return {
    parameters: [
      weight(`${name}.depthwise.weight`, [input.channels, kernel], kernel),
      weight(`${name}.pointwise.weight`, [filters, input.channels], input.channels),
    ],
    normalisations: [
      { name: `${name}.depthwise.normalise`, channels: input.channels },
      { name: `${name}.pointwise.normalise`, channels: filters },
    ],
    shape,
  };
}

function describeGru(layer: GruSpec, name: string, input: Shape): Described {
  const { hidden, patchSamples } = layer;
  const shape = { time: 1, channels: hidden };
  if (layer.continues) return { parameters: [], normalisations: [], shape };
  const inputs = patchSamples * input.channels;
  const parameters = [
    linearWeight(`${name}.input.weight`, [3 * hidden, inputs], inputs),
    filled(`${name}.input.bias`, [3 * hidden], 0),
    linearWeight(`${name}.state.weight`, [3 * hidden, hidden], hidden),
    filled(`${name}.state.bias`, [3 * hidden], 0),
  ];
  return { parameters, normalisations: [], shape };
}

function exitParameters(spec: StudentSpec, s: number, features: number): Parameter[] {
  const hidden = spec.stages[s]?.exit.hidden ?? 0;
  const name = `stage${s}.exit`;
  const logits = (inputs: number): Parameter[] => [
    linearWeight(`${name}.logits.weight`, [spec.classes, inputs], inputs),
    filled(`${name}.logits.bias`, [spec.classes], 0),
  ];
  if (hidden === 0) return logits(features);
  return [
    weight(`${name}.hidden.weight`, [hidden, features], features),
    filled(`${name}.hidden.bias`, [hidden], 0),
    ...logits(hidden),
  ];
}

/** A GRU stands alone in its stage, reads the window, and goes on only from another GRU. */
function assertGruStage(spec: StudentSpec, s: number): void {
  const layers = spec.stages[s]?.layers ?? [];
  assert(layers.length === 1, "a gru layer stands alone in its stage");
  const before = spec.stages[s - 1]?.layers[0];
  const [layer] = layers as [GruSpec];
  if (s === 0) assert(!layer.continues, "the first stage has no state to go on from");
  else assert(layer.continues && before?.kind === "gru", "a later gru goes on from one before");
}
