/**
 * ONNX files: written from a list of nodes, and read as far as we need them back.
 *
 * Writes opset 17 with standard operators only: float32 and integer tensors, int64 shapes. Reads metadata
 * and float32 initialisers; running a model is the runtime's work.
 * Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */
import { assert } from "../assert.ts";
import {
  bytesField,
  fieldsOf,
  floatField,
  integerField,
  join,
  type Message,
  messageField,
  textField,
  textOf,
} from "../protobuf.ts";

/** A dimension that is only known when the model runs: the batch. */
export const BATCH = -1;

export type Attribute =
  | { readonly integer: number }
  | { readonly integers: readonly number[] }
  | { readonly float: number }
  | { readonly text: string };

export type OnnxNode = {
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
};

export type OnnxTensor =
  | { readonly shape: readonly number[]; readonly floats: Float32Array }
  | { readonly shape: readonly number[]; readonly small: Int8Array | Uint8Array | Int32Array }
  | { readonly shape: readonly number[]; readonly integers: readonly number[] };

export type OnnxPort = { readonly name: string; readonly shape: readonly number[] };

export type OnnxGraph = {
  readonly nodes: readonly OnnxNode[];
  readonly constants: ReadonlyMap<string, OnnxTensor>;
  readonly inputs: readonly OnnxPort[];
  readonly outputs: readonly OnnxPort[];
  readonly metadata: Readonly<Record<string, string>>;
};

const OPSET = 17;
const IR_VERSION = 8;
const FLOAT = 1;
const UINT8 = 2;
const INT8 = 3;
const INT32 = 6;
const INT64 = 7;

/** The bytes of a ModelProto. */
export function onnxModel(graph: OnnxGraph): Uint8Array {
  const body: Message = [];
  for (const node of graph.nodes) messageField(body, 1, nodeMessage(node));
  textField(body, 2, "bellwether");
  for (const [name, tensor] of graph.constants) messageField(body, 5, tensorMessage(name, tensor));
  for (const port of graph.inputs) messageField(body, 11, portMessage(port));
  for (const port of graph.outputs) messageField(body, 12, portMessage(port));

  const opset: Message = [];
  textField(opset, 1, "");
  integerField(opset, 2, OPSET);

  const model: Message = [];
  integerField(model, 1, IR_VERSION);
  textField(model, 2, "bellwether");
  messageField(model, 7, body);
  messageField(model, 8, opset);
  metadataFields(model, graph.metadata);
  return join(model);
}

/** The same file that says more of itself: fields may follow the others in any order. */
export function withOnnxMetadata(
  onnx: Uint8Array,
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const model: Message = [onnx];
  metadataFields(model, metadata);
  return join(model);
}

function metadataFields(model: Message, metadata: Readonly<Record<string, string>>): void {
  for (const [key, value] of Object.entries(metadata)) {
    const entry: Message = [];
    textField(entry, 1, key);
    textField(entry, 2, value);
    messageField(model, 14, entry);
  }
}

/** What the file says about itself (`metadata_props`). Throws `onnx-truncated` on broken bytes. */
export function onnxMetadata(onnx: Uint8Array): Map<string, string> {
  const metadata = new Map<string, string>();
  for (const { field, bytes } of fieldsOf(onnx)) {
    if (field !== 14) continue;
    let key = "";
    let value = "";
    for (const entry of fieldsOf(bytes)) {
      if (entry.field === 1) key = textOf(entry.bytes);
      if (entry.field === 2) value = textOf(entry.bytes);
    }
    metadata.set(key, value);
  }
  return metadata;
}

/** The float32 initialisers by name. Throws `onnx-truncated` on broken bytes. */
export function onnxTensors(
  onnx: Uint8Array,
): Map<string, { readonly shape: readonly number[]; readonly data: Float32Array }> {
  const tensors = new Map<string, { shape: number[]; data: Float32Array }>();
  for (const part of fieldsOf(onnx)) {
    if (part.field !== 7) continue;
    for (const { field, bytes } of fieldsOf(part.bytes)) {
      if (field === 5) readTensor(bytes, tensors);
    }
  }
  return tensors;
}

function readTensor(
  bytes: Uint8Array,
  tensors: Map<string, { shape: number[]; data: Float32Array }>,
): void {
  const shape: number[] = [];
  let name = "";
  let type = 0;
  let raw = new Uint8Array(0);
  for (const part of fieldsOf(bytes)) {
    if (part.field === 1) shape.push(part.integer);
    if (part.field === 2) type = part.integer;
    if (part.field === 8) name = textOf(part.bytes);
    if (part.field === 9) raw = Uint8Array.from(part.bytes);
  }
  if (type !== FLOAT) return;
  const view = new DataView(raw.buffer);
  const data = Float32Array.from({ length: raw.length >> 2 }, (_, i) =>
    view.getFloat32(4 * i, true),
  );
  tensors.set(name, { shape, data });
}

function nodeMessage(node: OnnxNode): Message {
  const message: Message = [];
  for (const input of node.inputs) textField(message, 1, input);
  for (const output of node.outputs) textField(message, 2, output);
  textField(message, 4, node.operator);
  for (const [name, attribute] of Object.entries(node.attributes)) {
    messageField(message, 5, attributeMessage(name, attribute));
  }
  return message;
}

function attributeMessage(name: string, attribute: Attribute): Message {
  const message: Message = [];
  textField(message, 1, name);
  if ("integer" in attribute) {
    integerField(message, 3, attribute.integer);
    integerField(message, 20, 2);
  } else if ("integers" in attribute) {
    for (const value of attribute.integers) integerField(message, 8, value);
    integerField(message, 20, 7);
  } else if ("float" in attribute) {
    floatField(message, 2, attribute.float);
    integerField(message, 20, 1);
  } else {
    textField(message, 4, attribute.text);
    integerField(message, 20, 3);
  }
  return message;
}

function tensorMessage(name: string, tensor: OnnxTensor): Message {
  const message: Message = [];
  for (const size of tensor.shape) integerField(message, 1, size);
  const count = tensor.shape.reduce((a, b) => a * b, 1);
  if ("floats" in tensor) {
    assert(tensor.floats.length === count, `${name} has as many values as its shape says`);
    const raw = new Uint8Array(4 * count);
    const view = new DataView(raw.buffer);
    tensor.floats.forEach((value, i) => {
      view.setFloat32(4 * i, value, true);
    });
    integerField(message, 2, FLOAT);
    textField(message, 8, name);
    bytesField(message, 9, raw);
  } else if ("small" in tensor) {
    const { small } = tensor;
    assert(small.length === count, `${name} has as many values as its shape says`);
    const raw = new Uint8Array(small.byteLength);
    const view = new DataView(raw.buffer);
    small.forEach((value: number, i: number) => {
      if (small instanceof Int32Array) view.setInt32(4 * i, value, true);
      else view.setUint8(i, value);
    });
    const type = small instanceof Int32Array ? INT32 : small instanceof Int8Array ? INT8 : UINT8;
    integerField(message, 2, type);
    textField(message, 8, name);
    bytesField(message, 9, raw);
  } else {
    assert(tensor.integers.length === count, `${name} has as many values as its shape says`);
    const raw = new Uint8Array(8 * count);
    const view = new DataView(raw.buffer);
    tensor.integers.forEach((value, i) => {
      view.setBigInt64(8 * i, BigInt(value), true);
    });
    integerField(message, 2, INT64);
    textField(message, 8, name);
    bytesField(message, 9, raw);
  }
  return message;
}

function portMessage(port: OnnxPort): Message {
  const shape: Message = [];
  for (const size of port.shape) {
    const dimension: Message = [];
    if (size === BATCH) textField(dimension, 2, "batch");
    else integerField(dimension, 1, size);
    messageField(shape, 1, dimension);
  }
  const tensor: Message = [];
  integerField(tensor, 1, FLOAT);
  messageField(tensor, 2, shape);
  const type: Message = [];
  messageField(type, 1, tensor);
  const message: Message = [];
  textField(message, 1, port.name);
  messageField(message, 2, type);
  return message;
}
