/**
 * The trained bottleneck: an encoder that a node can afford, a code of few bytes, and a tail of the
 * teacher's kind that reads nothing else, as one network.
 *
 * In training the code is rounded as a node rounds it (`fake-quantize.ts`), so that the encoder learns
 * to say what matters in so many bits. Tensors of the encoder are named as those of a student's first
 * stage, those of the tail as a teacher's.
 */
import { assert } from "../assert.ts";
import { CODE_CENTRE, codeStep, type EncoderSpec } from "../model/encoder-spec.ts";
import { fakeQuantize } from "./fake-quantize.ts";
import type { Graph, Value } from "./graph.ts";
import {
  type Layers,
  type Network,
  type Normalisation,
  normalisationParameters,
  type Outputs,
} from "./network.ts";
import { add } from "./operations.ts";
import { filled, type Parameter } from "./parameters.ts";
import { convolutionLayer, describeLayer, type Shape } from "./student-network.ts";
import { type TeacherDesign, teacherBody, teacherNetwork } from "./teacher-network.ts";

/** Its shape apart from what it reads and answers: blocks as a teacher has them. */
export type TailSize = Pick<TeacherDesign, "widths" | "strides" | "kernels">;

export type SplitDesign = {
  readonly encoder: EncoderSpec;
  readonly tail: TailSize;
  readonly classes: number;
};

/** `[codeTime][codeChannels]`. */
export function codeShapeOf(encoder: EncoderSpec): Shape {
  return describeEncoder(encoder).shape;
}

export function splitNetwork(design: SplitDesign): Network {
  const { encoder, classes } = design;
  const { parameters, normalisations } = describeEncoder(encoder);
  const tail = teacherNetwork(tailDesign(design));
  const codes = `${normalisations.at(-1)?.name}.shift`;
  const started = (one: Parameter): Parameter =>
    one.name === codes ? filled(one.name, one.shape, CODE_CENTRE) : one;
  return {
    windowSamples: encoder.windowSamples,
    channels: encoder.channels,
    classes,
    parameters: [
      ...parameters,
      ...normalisations.flatMap(normalisationParameters).map(started),
      ...tail.parameters,
    ],
    normalisations: [...normalisations, ...tail.normalisations],
    forward: (graph, window, layers) => splitForward(graph, design, window, layers),
  };
}

/** The tail alone, which reads codes minus `CODE_CENTRE`. */
export function tailDesign({ encoder, tail, classes }: SplitDesign): TeacherDesign {
  const { time, channels } = codeShapeOf(encoder);
  return { ...tail, windowSamples: time, channels, classes };
}

function splitForward(graph: Graph, design: SplitDesign, window: Value, layers: Layers): Outputs {
  const { layers: specs, codeBits } = design.encoder;
  let x = layers.enter(window);
  specs.forEach((layer, l) => {
    x = convolutionLayer(x, layer, `stage0.layer${l}`, layers);
  });
  const code = fakeQuantize(graph, x, graph.scalar(codeStep(codeBits)), 0, 2 ** codeBits - 1);
  const centred = add(graph, code, graph.scalar(-CODE_CENTRE));
  return teacherBody(graph, tailDesign(design), centred, layers);
}

function describeEncoder(encoder: EncoderSpec): {
  readonly parameters: readonly Parameter[];
  readonly normalisations: readonly Normalisation[];
  readonly shape: Shape;
} {
  assert(encoder.codeBits >= 1 && encoder.codeBits <= 7, "1 to 7 bits a value");
  const parameters: Parameter[] = [];
  const normalisations: Normalisation[] = [];
  let shape: Shape = { time: encoder.windowSamples, channels: encoder.channels };
  encoder.layers.forEach((layer, l) => {
    const described = describeLayer(layer, `stage0.layer${l}`, shape);
    parameters.push(...described.parameters);
    normalisations.push(...described.normalisations);
    shape = described.shape;
  });
  return { parameters, normalisations, shape };
}
