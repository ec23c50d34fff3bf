/**
 * Training of any network: one ONNX model per shape of step, an optimiser in a loop.
 *
 * Deterministic: the same runtime, data and seed give the same weights. Normalisation statistics are
 * not averaged while the weights move but measured with the final weights over fresh batches
 * ("precise" batch normalisation, arXiv 2105.07576), which short trainings need.
 */
import { assert } from "../assert.ts";
import type { Tensor } from "../model/student-spec.ts";
import { Graph, type Value } from "./graph.ts";
import { crossEntropy } from "./losses.ts";
import { type Network, trainingLayers } from "./network.ts";
import { reshape, scale, sumOf } from "./operations.ts";
import { adamW, learningRateAt } from "./optimiser.ts";
import { flatten, initialValues, parameterValues, countOf, unflatten } from "./parameters.ts";
import type { Program, Runtime } from "./runtime.ts";

/** One step's worth of examples. A target's rows sum to the weight of their window. */
export type Batch = {
  /** `[batch][time][channel]` in g */
  readonly window: Float32Array;
  /** `[batch][class]` */
  readonly hard: Float32Array;
  /** `[batch][class]` at the objective's temperature, times its square; undefined without. */
  readonly soft: Float32Array | undefined;
};

export type NetworkTraining = {
  readonly seed: number;
  readonly batchSize: number;
  readonly steps: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  /** Of the soft targets; the loss has no soft part where it is undefined. */
  readonly temperature: number | undefined;
  /** Weight of each exit in the loss. */
  readonly exitWeights: readonly number[];
  /** Weights to start from instead of fresh ones. */
  readonly initial?: ReadonlyMap<string, Tensor>;
  readonly onProgress?: (progress: TrainingProgress) => void;
  readonly shouldStop?: () => boolean;
};

export type TrainingProgress = {
  readonly step: number;
  readonly steps: number;
  readonly loss: number;
};

/** Steps whose statistics are averaged at the end. */
export const STATISTICS_STEPS = 24;
const CLIP_NORM = 5;

/** Trains and returns all tensors, statistics included. */
export async function trainNetwork(
  runtime: Runtime,
  network: Network,
  nextBatch: () => Promise<Batch>,
  options: NetworkTraining,
): Promise<Map<string, Tensor>> {
  const program = await runtime.compile(
    trainingStep(network, options.batchSize, options.exitWeights, options.temperature),
  );
  try {
    const { parameters } = network;
    const weights =
      options.initial === undefined
        ? initialValues(parameters, options.seed)
        : flatten(parameters, options.initial);
    const optimiser = adamW(parameters, {
      weightDecay: options.weightDecay,
      clipNorm: CLIP_NORM,
    });
    for (let step = 0; step < options.steps; step++) {
      if (options.shouldStop?.() === true) break;
      const rate = learningRateAt(step, options.steps, options.learningRate);
      const result = await runStep(program, network, weights, await nextBatch(), options);
      optimiser.step(weights, result.gradients, rate);
      options.onProgress?.({ step: step + 1, steps: options.steps, loss: result.loss });
    }
    const tensors = unflatten(parameters, weights);
    const statistics = await measureStatistics(program, network, weights, nextBatch, options);
    for (const [name, tensor] of statistics) tensors.set(name, tensor);
    return tensors;
  } finally {
    await program.release();
  }
}

/** The model of one step: weights and a batch in; loss, gradients and statistics out. */
export function trainingStep(
  network: Network,
  batchSize: number,
  exitWeights: readonly number[],
  temperature: number | undefined,
): Uint8Array {
  const { windowSamples, channels, classes, parameters } = network;
  const graph = new Graph();
  const flat = graph.input("parameters", [countOf(parameters)], true);
  const window = graph.input("window", [batchSize, windowSamples, channels]);
  const hard = graph.input("hard", [batchSize, classes]);
  const soft = temperature === undefined ? undefined : graph.input("soft", [batchSize, classes]);

  const statistics = new Map<string, { readonly mean: Value; readonly variance: Value }>();
  const layers = trainingLayers(graph, parameterValues(graph, parameters, flat), statistics);
  const { logits } = network.forward(graph, window, layers);
  assert(logits.length === exitWeights.length, "one weight per exit");
  const losses = logits.flatMap((exit, i) => {
    const parts = [crossEntropy(graph, exit, hard, 1)];
    if (soft !== undefined) parts.push(crossEntropy(graph, exit, soft, temperature ?? 1));
    return parts.map((part) => scale(graph, part, exitWeights[i] as number));
  });
  const loss = sumOf(graph, losses);

  const [gradient] = graph.gradients(loss, [flat]);
  graph.output("loss", reshape(graph, loss, [1]));
  graph.output("gradients", gradient as Value);
  if (statistics.size > 0) {
    const values = network.normalisations.flatMap(({ name }) => {
      const entry = statistics.get(name);
      assert(entry !== undefined, `the forward pass meets ${name}`);
      return [entry.mean, entry.variance];
    });
    const total = network.normalisations.reduce((sum, { channels: c }) => sum + 2 * c, 0);
    graph.output("statistics", graph.emit("Concat", values, [total], { axis: { integer: 0 } }));
  }
  return graph.toOnnx();
}

type StepResult = {
  readonly loss: number;
  readonly gradients: Float32Array;
  readonly statistics: Float32Array;
};

async function runStep(
  program: Program,
  network: Network,
  weights: Float32Array,
  batch: Batch,
  options: NetworkTraining,
): Promise<StepResult> {
  const { windowSamples, channels, classes } = network;
  const inputs = {
    parameters: { shape: [weights.length], data: weights },
    window: { shape: [options.batchSize, windowSamples, channels], data: batch.window },
    hard: { shape: [options.batchSize, classes], data: batch.hard },
  };
  const { soft } = batch;
  assert((soft === undefined) === (options.temperature === undefined), "soft targets as promised");
  const outputs = await program.run(
    soft === undefined
      ? inputs
      : { ...inputs, soft: { shape: [options.batchSize, classes], data: soft } },
  );
  const loss = outputs.loss?.data[0];
  const gradients = outputs.gradients?.data;
  assert(loss !== undefined && gradients !== undefined, "a step gives a loss and gradients");
  assert(Number.isFinite(loss), "training stays finite");
  return { loss, gradients, statistics: outputs.statistics?.data ?? new Float32Array(0) };
}

/** Mean and variance of each normalisation under the final weights. The variance over all batches is
 * the mean of their variances plus the variance of their means. */
async function measureStatistics(
  program: Program,
  network: Network,
  weights: Float32Array,
  nextBatch: () => Promise<Batch>,
  options: NetworkTraining,
): Promise<Map<string, Tensor>> {
  const tensors = new Map<string, Tensor>();
  if (network.normalisations.length === 0) return tensors;
  const runs: Float32Array[] = [];
  for (let i = 0; i < STATISTICS_STEPS; i++) {
    runs.push((await runStep(program, network, weights, await nextBatch(), options)).statistics);
  }
  let offset = 0;
  for (const { name, channels } of network.normalisations) {
    const mean = new Float32Array(channels);
    const variance = new Float32Array(channels);
    for (let c = 0; c < channels; c++) {
      const means = runs.map((run) => run[offset + c] as number);
      const centre = average(means);
      mean[c] = centre;
      variance[c] =
        average(runs.map((run) => run[offset + channels + c] as number)) +
        average(means.map((value) => (value - centre) ** 2));
    }
    tensors.set(`${name}.mean`, { shape: [channels], data: mean });
    tensors.set(`${name}.variance`, { shape: [channels], data: variance });
    offset += 2 * channels;
  }
  return tensors;
}

function average(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}
