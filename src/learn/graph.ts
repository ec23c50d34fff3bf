/**
 * A computation under construction, and its derivative: reverse mode over a tape.
 *
 * Each operation (`operations.ts`, `convolution.ts`, `normalise.ts`, `losses.ts`) emits ONNX nodes
 * and records how the gradients of its outputs give those of its inputs, as further ONNX nodes. So
 * one ONNX model holds a whole training step, forward and backward, and the runtime optimises it as
 * one. Nothing is computed here. Shapes are static but for the batch (`BATCH`, first dimension),
 * which only graphs without gradients leave open.
 */
import { assert } from "../assert.ts";
import { type Attribute, BATCH, type OnnxNode, type OnnxTensor, onnxModel } from "./onnx-model.ts";

export type Value = {
  readonly name: string;
  readonly shape: readonly number[];
  /** True when a parameter takes part in it: only then is a gradient ever emitted. */
  readonly trains: boolean;
};

/** From the gradients of the outputs (undefined where nothing depends on one) to the inputs'. */
export type Backward = (
  outputGradients: readonly (Value | undefined)[],
) => readonly (Value | undefined)[];

type Step = {
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly backward: Backward;
};

export class Graph {
  readonly #nodes: OnnxNode[] = [];
  readonly #constants = new Map<string, OnnxTensor>();
  readonly #inputs: { name: string; shape: readonly number[] }[] = [];
  readonly #outputs: { name: string; shape: readonly number[] }[] = [];
  readonly #steps: Step[] = [];
  #names = 0;

  /** What the caller gives at every run. A `trains` input is one to differentiate by. */
  input(name: string, shape: readonly number[], trains = false): Value {
    this.#inputs.push({ name, shape });
    return { name, shape, trains };
  }

  /** Float values that are part of the model. */
  constant(shape: readonly number[], floats: Float32Array, name = this.#freshName()): Value {
    assert(!this.#constants.has(name), `one constant is named ${name}`);
    this.#constants.set(name, { shape, floats });
    return { name, shape, trains: false };
  }

  scalar(value: number): Value {
    const name = `scalar:${value}`;
    if (!this.#constants.has(name)) {
      this.#constants.set(name, { shape: [], floats: Float32Array.of(value) });
    }
    return { name, shape: [], trains: false };
  }

  /** The name of an int64 vector: shapes, axes, offsets. */
  integers(values: readonly number[]): string {
    const name = `integers:${values.join(",")}`;
    this.#constants.set(name, { shape: [values.length], integers: values });
    return name;
  }

  /** One ONNX node with one output and no derivative; `differentiable` adds that. */
  emit(
    operator: string,
    inputs: readonly (Value | string)[],
    shape: readonly number[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): Value {
    return this.emitAll(operator, inputs, [shape], attributes)[0] as Value;
  }

  emitAll(
    operator: string,
    inputs: readonly (Value | string)[],
    shapes: readonly (readonly number[])[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): Value[] {
    const outputs = shapes.map((shape) => ({ name: this.#freshName(), shape, trains: false }));
    this.#nodes.push({
      operator,
      inputs: inputs.map((input) => (typeof input === "string" ? input : input.name)),
      outputs: outputs.map((output) => output.name),
      attributes,
    });
    return outputs;
  }

  /** Records how to go back through an operation. Returns the outputs to go on with. */
  differentiable(
    inputs: readonly Value[],
    outputs: readonly Value[],
    backward: Backward,
  ): readonly Value[] {
    if (!inputs.some((input) => input.trains)) return outputs;
    const training = outputs.map((output) => ({ ...output, trains: true }));
    this.#steps.push({ inputs, outputs: training, backward });
    return training;
  }

  /** d loss / d each value, where `loss` is a scalar. Emits the whole backward pass, once. */
  gradients(loss: Value, of: readonly Value[]): Value[] {
    assert(loss.shape.length === 0, "a loss is a scalar");
    const known = new Map<string, Value>([[loss.name, this.scalar(1)]]);
    for (const step of this.#steps.toReversed()) {
      const arriving = step.outputs.map((output) => known.get(output.name));
      if (arriving.every((gradient) => gradient === undefined)) continue;
      const leaving = step.backward(arriving);
      step.inputs.forEach((input, i) => {
        const gradient = leaving[i];
        if (!input.trains || gradient === undefined) return;
        assert(
          gradient.shape.join() === input.shape.join(),
          `the gradient of ${input.name} [${input.shape.join()}] came as [${gradient.shape.join()}]`,
        );
        const before = known.get(input.name);
        known.set(
          input.name,
          before === undefined ? gradient : this.emit("Add", [before, gradient], input.shape),
        );
      });
    }
    return of.map((value) => {
      const gradient = known.get(value.name);
      assert(gradient !== undefined, `the loss does not depend on ${value.name}`);
      return gradient;
    });
  }

  /** Gives a value to the caller under this name. */
  output(name: string, value: Value): void {
    this.#nodes.push({
      operator: "Identity",
      inputs: [value.name],
      outputs: [name],
      attributes: {},
    });
    this.#outputs.push({ name, shape: value.shape });
  }

  toOnnx(metadata: Readonly<Record<string, string>> = {}): Uint8Array {
    return onnxModel({
      nodes: this.#nodes,
      constants: this.#constants,
      inputs: this.#inputs,
      outputs: this.#outputs,
      metadata,
    });
  }

  #freshName(): string {
    this.#names++;
    return `v${this.#names}`;
  }
}

/** Values of a shape. The batch must be known. */
export function sizeOf(shape: readonly number[]): number {
  assert(!shape.includes(BATCH), "this needs a known batch");
  return shape.reduce((a, b) => a * b, 1);
}
