/**
 * The tail as a file for a gateway: input `code` `[batch][codeTime][codeChannels]`, whole codes as
 * floats; outputs `logits` `[batch][class]` and `features` `[batch][feature]`, as a teacher's file has.
 *
 * A tail understands one encoder, whose hash it carries: codes of another are as good as noise, and
 * nothing in them would say so.
 */
import type { Tensor } from "../model/student-spec.ts";
import { CODE_CENTRE, codeStep, type EncoderSpec } from "../model/encoder-spec.ts";
import { Graph, type Value } from "./graph.ts";
import { BATCH } from "./onnx-model.ts";
import { add, scale } from "./operations.ts";
import { codeShapeOf, type SplitDesign, tailDesign } from "./split-network.ts";
import { foldedLayers, teacherBody } from "./teacher-network.ts";

/** A trained encoder and its tail, all tensors by name. */
export type FloatSplit = {
  readonly design: SplitDesign;
  readonly tensors: ReadonlyMap<string, Tensor>;
};

/** Metadata: `kind` "bellwether-tail", `classes` (a JSON list), `rateHz`, `codeTime`, `codeChannels`,
 * `codeBits`, `encoder`; where `train` wrote it also `studentWeight`, see `saidOf`.
 *
 * @param about `encoder`: lower-case hex SHA-256 of the encoder as a container holds it */
export function tailOnnx(
  { design, tensors }: FloatSplit,
  about: {
    readonly classes: readonly string[];
    readonly rateHz: number;
    readonly encoder: string;
  },
): Uint8Array {
  const { codeBits } = design.encoder;
  const { time, channels } = codeShapeOf(design.encoder);
  const graph = new Graph();
  const code = graph.input("code", [BATCH, time, channels]);
  const layers = foldedLayers(graph, tailTensors(tensors));
  const steps = scale(graph, layers.enter(code), codeStep(codeBits));
  const centred = add(graph, steps, graph.scalar(-CODE_CENTRE));
  const outputs = teacherBody(graph, tailDesign(design), centred, layers);
  graph.output("logits", outputs.logits[0] as Value);
  graph.output("features", outputs.features);
  return graph.toOnnx({
    kind: "bellwether-tail",
    classes: JSON.stringify(about.classes),
    rateHz: String(about.rateHz),
    codeTime: String(time),
    codeChannels: String(channels),
    codeBits: String(codeBits),
    encoder: about.encoder,
  });
}

/** The encoder of both. */
export function encoderOf({ design, tensors }: FloatSplit): {
  readonly spec: EncoderSpec;
  readonly tensors: ReadonlyMap<string, Tensor>;
} {
  return { spec: design.encoder, tensors: picked(tensors, (name) => name.startsWith("stage")) };
}

function tailTensors(tensors: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  return picked(tensors, (name) => !name.startsWith("stage"));
}

function picked(
  tensors: ReadonlyMap<string, Tensor>,
  wanted: (name: string) => boolean,
): Map<string, Tensor> {
  return new Map([...tensors].filter(([name]) => wanted(name)));
}
