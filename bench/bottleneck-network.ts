/**
 * A bottleneck on the student's own layers: behind a chosen stage one convolution of kernel 1 makes the
 * code, which a tail of the teacher's kind reads on the gateway.
 *
 * Two ways of training it: together with the exits, as BottleFit and the Entropic Student do, or on a
 * trunk that stays as the exits left it.
 */
import { assert } from "../src/assert.ts";
import { fakeQuantize } from "../src/learn/fake-quantize.ts";
import type { Graph, Value } from "../src/learn/graph.ts";
import {
  inferenceLayers,
  type Layers,
  type Network,
  normalisationParameters,
} from "../src/learn/network.ts";
import { add, transpose } from "../src/learn/operations.ts";
import { filled, type Parameter, weight } from "../src/learn/parameters.ts";
import type { TailSize } from "../src/learn/split-network.ts";
import {
  describeLayer,
  type Shape,
  studentForward,
  studentNetwork,
} from "../src/learn/student-network.ts";
import { type TeacherDesign, teacherBody, teacherNetwork } from "../src/learn/teacher-network.ts";
import { CODE_CENTRE, codeStep } from "../src/model/encoder-spec.ts";
import type { StudentSpec, Tensor } from "../src/model/student-spec.ts";

export type BottleneckDesign = {
  /** Of convolutions. */
  readonly spec: StudentSpec;
  /** The stage whose map is coded, from 0. */
  readonly stage: number;
  /** The code is as long as the map and has so many channels. */
  readonly codeChannels: number;
  readonly codeBits: number;
  readonly tail: TailSize;
};

const CODE = "bottleneck";

/** What the stages up to this one leave of a window. */
export function mapShape(spec: StudentSpec, stage: number): Shape {
  let shape: Shape = { time: spec.windowSamples, channels: spec.channels };
  spec.stages.slice(0, stage + 1).forEach(({ layers }, s) => {
    layers.forEach((layer, l) => {
      shape = describeLayer(layer, `stage${s}.layer${l}`, shape).shape;
    });
  });
  return shape;
}

/** Exits, code and tail as one network; its last output is the tail's. */
export function jointNetwork(design: BottleneckDesign): Network {
  const student = studentNetwork(design.spec);
  const own = ownParts(design);
  return {
    ...student,
    parameters: [...student.parameters, ...own.parameters],
    normalisations: [...student.normalisations, ...own.normalisations],
    forward: (graph, window, layers) => {
      const { logits, maps } = studentForward(graph, design.spec, window, layers);
      const map = maps[design.stage];
      assert(map !== undefined, "a stage that the student has");
      const tail = tailOf(graph, design, map, layers);
      return { logits: [...logits, ...tail.logits], features: tail.features };
    },
  };
}

/** Code and tail alone, in training on a trunk whose tensors stay as they are. */
export function frozenNetwork(
  design: BottleneckDesign,
  trunk: ReadonlyMap<string, Tensor>,
): Network {
  const { windowSamples, channels, classes } = design.spec;
  return {
    ...{ windowSamples, channels, classes, ...ownParts(design) },
    forward: (graph, window, layers) => {
      const { maps } = studentForward(graph, design.spec, window, inferenceLayers(graph, trunk));
      const map = maps[design.stage];
      assert(map !== undefined, "a stage that the student has");
      // From the layout of inference to that of training.
      return tailOf(graph, design, transpose(graph, map, [0, 2, 1]), layers);
    },
  };
}

function ownParts(design: BottleneckDesign): Pick<Network, "parameters" | "normalisations"> {
  const { channels } = mapShape(design.spec, design.stage);
  const { codeChannels } = design;
  const tail = teacherNetwork(tailDesign(design));
  const normalise = { name: `${CODE}.normalise`, channels: codeChannels };
  const started = (one: Parameter): Parameter =>
    one.name === `${normalise.name}.shift` ? filled(one.name, one.shape, CODE_CENTRE) : one;
  return {
    parameters: [
      weight(`${CODE}.weight`, [codeChannels, channels, 1], channels),
      ...normalisationParameters(normalise).map(started),
      ...tail.parameters,
    ],
    normalisations: [normalise, ...tail.normalisations],
  };
}

function tailDesign({ spec, stage, codeChannels, tail }: BottleneckDesign): TeacherDesign {
  const { time } = mapShape(spec, stage);
  return { ...tail, windowSamples: time, channels: codeChannels, classes: spec.classes };
}

function tailOf(graph: Graph, design: BottleneckDesign, map: Value, layers: Layers) {
  const { codeBits } = design;
  const mixed = layers.normalise(layers.convolve(map, `${CODE}.weight`, 1), `${CODE}.normalise`);
  const rounded = fakeQuantize(
    ...([graph, layers.activate(mixed, CODE), graph.scalar(codeStep(codeBits))] as const),
    ...([0, 2 ** codeBits - 1] as const),
  );
  const centred = add(graph, rounded, graph.scalar(-CODE_CENTRE));
  return teacherBody(graph, tailDesign(design), centred, layers);
}
