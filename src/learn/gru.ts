/**
 * A GRU unrolled over patches of the window (Cho et al., arXiv 1406.1078, in PyTorch's form, where
 * the reset gate multiplies `U_n h + b_hn`).
 *
 * All input products of a stage are one matrix product; only the state goes step by step. A later
 * stage goes on from the state of the one before, with the same weights, over the next patches.
 */
import { assert } from "../assert.ts";
import type { Graph, Value } from "./graph.ts";
import type { Layers } from "./network.ts";
import {
  add,
  dense,
  multiply,
  reshape,
  sigmoid,
  split,
  subtract,
  tanh,
  transpose,
} from "./operations.ts";

export type GruSize = {
  readonly patchSamples: number;
  readonly hidden: number;
  readonly patches: number;
};

export type Gru = {
  readonly hidden: number;
  readonly patchSamples: number;
  /** Patches read so far, over all stages. */
  readonly patchesRead: number;
  /** `[batch][hidden]` */
  readonly state: Value;
  readonly tensors: GruTensors;
};

type GruTensors = {
  readonly inputWeight: Value;
  readonly inputBias: Value;
  readonly stateWeight: Value;
  readonly stateBias: Value;
};

/** Runs over `size.patches` patches, from zeros or from where `before` stopped. */
export function gruOver(
  graph: Graph,
  window: Value,
  size: GruSize,
  before: Gru | undefined,
  name: string,
  layers: Pick<Layers, "tensor">,
): Gru {
  const { patchSamples, hidden, patches } = size;
  const tensors = before?.tensors ?? {
    inputWeight: layers.tensor(`${name}.input.weight`),
    inputBias: layers.tensor(`${name}.input.bias`),
    stateWeight: layers.tensor(`${name}.state.weight`),
    stateBias: layers.tensor(`${name}.state.bias`),
  };
  const first = before?.patchesRead ?? 0;
  assert(
    before === undefined || (before.hidden === hidden && before.patchSamples === patchSamples),
    "a gru that continues has the shape of the one before",
  );
  const inputs = inputProducts(graph, window, size, first, tensors);
  let state = before?.state;
  for (const input of inputs) state = nextState(graph, input, state, hidden, tensors);
  assert(state !== undefined, "a gru reads at least one patch");
  return { hidden, patchSamples, patchesRead: first + patches, state, tensors };
}

/** `W x + b` per patch, each `[batch][3 hidden]`. */
function inputProducts(
  graph: Graph,
  window: Value,
  size: GruSize,
  firstPatch: number,
  tensors: GruTensors,
): readonly Value[] {
  const { patchSamples, hidden, patches } = size;
  const [batch, time, channels] = window.shape as [number, number, number];
  const from = firstPatch * patchSamples;
  const length = patches * patchSamples;
  assert(from + length <= time, "the patches of a gru fit into the window");
  const pieces = split(graph, window, 1, [from, length, time - from - length]);
  const patched = reshape(graph, pieces[1] as Value, [batch, patches, patchSamples * channels]);
  const byPatch = transpose(graph, patched, [1, 0, 2]);
  const each = split(
    graph,
    byPatch,
    0,
    Array.from({ length: patches }, () => 1),
  );
  return each.map((patch) => {
    const rows = reshape(graph, patch, [batch, patchSamples * channels]);
    const y = dense(graph, rows, tensors.inputWeight, tensors.inputBias);
    assert(y.shape[1] === 3 * hidden, "three gates");
    return y;
  });
}

function nextState(
  graph: Graph,
  input: Value,
  state: Value | undefined,
  hidden: number,
  tensors: GruTensors,
): Value {
  const [inputGates, inputNew] = split(graph, input, 1, [2 * hidden, hidden]) as [Value, Value];
  if (state === undefined) return firstState(graph, inputGates, inputNew, hidden, tensors);

  const product = dense(graph, state, tensors.stateWeight, tensors.stateBias);
  const [stateGates, stateNew] = split(graph, product, 1, [2 * hidden, hidden]) as [Value, Value];
  const gates = sigmoid(graph, add(graph, inputGates, stateGates));
  const [reset, update] = split(graph, gates, 1, [hidden, hidden]) as [Value, Value];
  const fresh = tanh(graph, add(graph, inputNew, multiply(graph, reset, stateNew)));
  // (1 - z) n + z h = n + z (h - n)
  return add(graph, fresh, multiply(graph, update, subtract(graph, state, fresh)));
}

/** From a state of zeros the products are the biases alone: h = n - z n. */
function firstState(
  graph: Graph,
  inputGates: Value,
  inputNew: Value,
  hidden: number,
  tensors: GruTensors,
): Value {
  const [biasGates, biasNew] = split(graph, tensors.stateBias, 0, [2 * hidden, hidden]) as [
    Value,
    Value,
  ];
  const gates = sigmoid(graph, add(graph, inputGates, biasGates));
  const [reset, update] = split(graph, gates, 1, [hidden, hidden]) as [Value, Value];
  const fresh = tanh(graph, add(graph, inputNew, multiply(graph, reset, biasNew)));
  return subtract(graph, fresh, multiply(graph, update, fresh));
}
