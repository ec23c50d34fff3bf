/** The graph of one step of quantization-aware fine-tuning, as an ONNX model. */
import type { ActivationScales } from "../model/quantize-trace.ts";
import type { FloatStudent } from "../model/student-spec.ts";
import { Graph, type Value } from "./graph.ts";
import { crossEntropy } from "./losses.ts";
import { reshape, sumOf } from "./operations.ts";
import { countOf, type Parameter, parameterValues } from "./parameters.ts";
import { quantizedLayers } from "./quantized-layers.ts";
import { studentForward, studentNetwork } from "./student-network.ts";

export type QuantizedStep = {
  /** Its spec and its statistics; the weights come with every run. */
  readonly student: FloatStudent;
  /** How the steps of weights lie in their vector. */
  readonly steps: readonly Parameter[];
  readonly batchSize: number;
  /** Of the soft targets; no soft targets where it is undefined. */
  readonly temperature: number | undefined;
  readonly scales: ActivationScales;
  /** In g per step of the window. */
  readonly inputScale: number;
  readonly weightBits: number;
};

/**
 * Inputs `parameters`, `steps`, `window`, `hard` and, with a temperature, `soft0`, `soft1`, … per
 * exit; outputs `loss`, `gradients` and the rounded student's logits, `exit0`, `exit1`, …
 */
export function quantizedStep(options: QuantizedStep): Uint8Array {
  const { student, batchSize, temperature, scales, inputScale, weightBits } = options;
  const { windowSamples, channels, classes } = student.spec;
  const { parameters } = studentNetwork(student.spec);
  const graph = new Graph();
  const flat = graph.input("parameters", [countOf(parameters)], true);
  const steps = graph.input("steps", [countOf(options.steps)]);
  const window = graph.input("window", [batchSize, windowSamples, channels]);
  const hard = graph.input("hard", [batchSize, classes]);
  const layers = quantizedLayers(graph, {
    values: parameterValues(graph, parameters, flat),
    steps: parameterValues(graph, options.steps, steps),
    statistics: student.tensors,
    scales,
    inputScale,
    weightBits,
  });
  const { logits } = studentForward(graph, student.spec, window, layers);
  const losses = logits.flatMap((exit, s) => {
    const parts = [crossEntropy(graph, exit, hard, 1)];
    if (temperature === undefined) return parts;
    const soft = graph.input(`soft${s}`, [batchSize, classes]);
    return [...parts, crossEntropy(graph, exit, soft, temperature)];
  });
  const loss = sumOf(graph, losses);
  const [gradient] = graph.gradients(loss, [flat]);
  graph.output("loss", reshape(graph, loss, [1]));
  graph.output("gradients", gradient as Value);
  logits.forEach((exit, s) => {
    graph.output(`exit${s}`, exit);
  });
  return graph.toOnnx();
}
