/**
 * An ONNX file with its weights in half precision: half the bytes for files that travel and are kept,
 * such as those that ship with a profile.
 *
 * Each large float32 initialiser becomes float16 with a `Cast` back before whoever reads it, which a
 * runtime folds when it loads the file: computing is in float32 as before, with weights of 11 bits.
 * Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */
import { assert } from "../assert.ts";
import {
  bytesField,
  type Field,
  fieldsOf,
  integerField,
  join,
  type Message,
  messageField,
  textField,
  textOf,
} from "../protobuf.ts";

const FLOAT = 1;
const FLOAT16 = 10;
const INTEGER_ATTRIBUTE = 2;
/** Smaller ones would hardly pay for their cast. */
const LEAST_VALUES = 64;

const MODEL = { irVersion: 1, modelVersion: 5, graph: 7 };
const GRAPH = { node: 1, initialiser: 5 };
const TENSOR = { dimension: 1, type: 2, name: 8, raw: 9 };

/** @param onnx a file of `onnxModel`. Throws `onnx-truncated` on broken bytes. */
export function halfWeights(onnx: Uint8Array): Uint8Array {
  const model: Message = [];
  for (const field of fieldsOf(onnx)) {
    if (field.field === MODEL.graph) messageField(model, MODEL.graph, halfGraph(field.bytes));
    else if (field.field === MODEL.irVersion || field.field === MODEL.modelVersion) {
      integerField(model, field.field, field.integer);
    } else bytesField(model, field.field, field.bytes);
  }
  return join(model);
}

function halfGraph(graph: Uint8Array): Message {
  const casts: Message = [];
  const rest: Message = [];
  for (const { field, bytes } of fieldsOf(graph)) {
    const half = field === GRAPH.initialiser ? halfTensor(bytes) : undefined;
    if (half === undefined) bytesField(rest, field, bytes);
    else {
      messageField(casts, GRAPH.node, castNode(half.name));
      messageField(rest, GRAPH.initialiser, half.tensor);
    }
  }
  // Nodes stand behind those that they read.
  return [...casts, ...rest];
}

function halfName(name: string): string {
  return `${name}:half`;
}

function castNode(name: string): Message {
  const to: Message = [];
  textField(to, 1, "to");
  integerField(to, 3, FLOAT);
  integerField(to, 20, INTEGER_ATTRIBUTE);
  const node: Message = [];
  textField(node, 1, halfName(name));
  textField(node, 2, name);
  textField(node, 4, "Cast");
  messageField(node, 5, to);
  return node;
}

/** Undefined for what stays as it is. */
function halfTensor(
  bytes: Uint8Array,
): { readonly name: string; readonly tensor: Message } | undefined {
  const fields: Field[] = [...fieldsOf(bytes)];
  const one = (number: number): Field | undefined => fields.find(({ field }) => field === number);
  const raw = one(TENSOR.raw)?.bytes ?? new Uint8Array(0);
  if (one(TENSOR.type)?.integer !== FLOAT || raw.length < 4 * LEAST_VALUES) return undefined;
  const name = textOf(one(TENSOR.name)?.bytes ?? new Uint8Array(0));
  const from = new DataView(raw.buffer, raw.byteOffset, raw.length);
  const halves = new Uint8Array(raw.length / 2);
  const to = new DataView(halves.buffer);
  for (let at = 0; at < raw.length; at += 4) {
    to.setUint16(at / 2, halfBits(from.getUint32(at, true)), true);
  }
  const tensor: Message = [];
  for (const { field, integer } of fields) {
    if (field === TENSOR.dimension) integerField(tensor, TENSOR.dimension, integer);
  }
  integerField(tensor, TENSOR.type, FLOAT16);
  textField(tensor, TENSOR.name, halfName(name));
  bytesField(tensor, TENSOR.raw, halves);
  return { name, tensor };
}

/** From the bits of a binary32 to those of the nearest binary16, ties to even (IEEE 754). */
export function halfBits(single: number): number {
  const sign = (single >>> 16) & 0x8000;
  const exponent = ((single >>> 23) & 0xff) - 127 + 15;
  const fraction = single & 0x7f_ffff;
  assert(exponent < 31, "a weight is finite and below 65,536");
  if (exponent < -10) return sign;
  // Below the smallest normal number the hidden bit is written out.
  const normal = exponent > 0;
  const bits = normal ? (exponent << 23) | fraction : fraction | 0x80_0000;
  const shift = normal ? 13 : 14 - exponent;
  const half = bits >>> shift;
  const rest = bits & (2 ** shift - 1);
  const middle = 2 ** (shift - 1);
  const up = rest > middle || (rest === middle && (half & 1) === 1);
  return sign | (half + (up ? 1 : 0));
}
