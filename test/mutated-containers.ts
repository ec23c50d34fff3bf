/**
 * Containers that somebody has broken, or made to look whole: the same ones from the same seed.
 *
 * Some mutations only make noise; others keep the structure and go to the ends of what it may say,
 * so that a reader's later checks are reached and its kernels see extreme numbers.
 */

import { type Container, encodeContainer } from "../src/model/container.ts";
import {
  CONTAINER_VERSION,
  HEADER_BYTES,
  LAYER_RECORD_BYTES,
  SECTION,
  SECTION_ENTRY_BYTES,
} from "../src/model/container-layout.ts";
import type { EncoderSpec } from "../src/model/encoder-spec.ts";
import type { QuantizedStudent, Requantization } from "../src/model/student.ts";
import type { StudentSpec } from "../src/model/student-spec.ts";
import { below, chance, type Prng, prng } from "../src/prng.ts";
import { containerWithEncoder } from "./encoder-samples.ts";
import { randomContainer, SMALL_CNN_SPEC, SMALL_GRU_SPEC, scrambled } from "./student-samples.ts";

/** One sample wide and one long, with two hidden layers' worth of heads: the smallest shapes. */
export const TINY_SPEC: StudentSpec = {
  windowSamples: 3,
  channels: 1,
  classes: 2,
  stages: [
    { layers: [{ kind: "separable", filters: 2, kernel: 5, stride: 4 }], exit: { hidden: 1 } },
    { layers: [{ kind: "conv", filters: 5, kernel: 2, stride: 1 }], exit: { hidden: 0 } },
  ],
};

/** With both kinds of layers, and codes that fill no byte. */
export const MUTATED_ENCODER: Pick<EncoderSpec, "layers" | "codeBits"> = {
  layers: [
    { kind: "separable", filters: 3, kernel: 3, stride: 2 },
    { kind: "conv", filters: 2, kernel: 2, stride: 1 },
  ],
  codeBits: 3,
};

type Base = { readonly container: Container; readonly bytes: Uint8Array };
type Mutation = (base: Base, random: Prng, other: Base) => Uint8Array;

export function containerOf(spec: StudentSpec, scheme: "int8" | "dynamic-fixed-point"): Container {
  return randomContainer(spec, 3, { scheme });
}

/** Without end; the caller takes as many as it likes. */
export function* mutatedContainers(seed: number): Generator<Uint8Array, never> {
  const bases = [SMALL_CNN_SPEC, SMALL_GRU_SPEC, TINY_SPEC].flatMap((spec) =>
    (["int8", "dynamic-fixed-point"] as const).map((scheme): Base => {
      const container = containerOf(spec, scheme);
      return { container, bytes: encodeContainer(container) };
    }),
  );
  for (const [i, spec] of [SMALL_CNN_SPEC, SMALL_GRU_SPEC, TINY_SPEC].entries()) {
    const container = containerWithEncoder(spec, MUTATED_ENCODER, i + 1);
    const points = Uint8Array.from({ length: 15 + i }, (_, at) => at);
    const { encoder: _, ...plain } = container;
    for (const made of [container, { ...container, points }, { ...plain, points }]) {
      bases.push({ container: made, bytes: encodeContainer(made) });
    }
  }
  const random = prng(seed, "mutated containers");
  const pick = <T>(items: readonly T[]): T => items[below(random, items.length)] as T;
  while (true) yield pick(MUTATIONS)(pick(bases), random, pick(bases));
}

const view = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Where the section of a number in the table starts. */
function sectionAt(bytes: Uint8Array, section: number): number {
  return view(bytes).getUint32(HEADER_BYTES + section * SECTION_ENTRY_BYTES + 4, true);
}

/** Where the encoder's section starts; undefined where there is none. */
function encoderAt(bytes: Uint8Array): number | undefined {
  const behind = 4 + 2 * (bytes[18] as number);
  const isEncoder = bytes[HEADER_BYTES + behind * SECTION_ENTRY_BYTES] === SECTION.encoder;
  return isEncoder && bytes[4] !== CONTAINER_VERSION ? sectionAt(bytes, behind) : undefined;
}

/** Of the student, or of the encoder. */
function layerRecordAt(bytes: Uint8Array, random: Prng): number {
  const encoder = encoderAt(bytes);
  if (encoder !== undefined && chance(random, 0.5)) {
    return encoder + 4 + LAYER_RECORD_BYTES * below(random, bytes[encoder + 2] as number);
  }
  return sectionAt(bytes, 3) + LAYER_RECORD_BYTES * below(random, bytes[19] as number);
}

/** Numbers at which arithmetic goes wrong. */
function boundary(random: Prng, bits: number): number {
  const most = 2 ** bits - 1;
  const choices = [
    0,
    1,
    2,
    3,
    most,
    most - 1,
    (most + 1) / 2,
    (most + 1) / 2 - 1,
    64,
    255,
    256,
    257,
  ];
  const value = chance(random, 0.7) ? choices[below(random, choices.length)] : below(random, most);
  return Math.min(most, value as number);
}

const flipBits: Mutation = ({ bytes }, random) => {
  const out = bytes.slice();
  for (let i = 1 + below(random, 6); i > 0; i--) {
    const at = below(random, chance(random, 0.5) ? 600 : out.length) % out.length;
    out[at] = (out[at] as number) ^ (1 << below(random, 8));
  }
  return out;
};

const changeLength: Mutation = ({ bytes }, random) => {
  const length = chance(random, 0.5)
    ? below(random, bytes.length + 1)
    : bytes.length + 1 + below(random, 64);
  const out = new Uint8Array(length);
  out.set(bytes.subarray(0, length));
  if (chance(random, 0.7) && length >= 12) view(out).setUint32(8, length, true);
  return out;
};

/** One field of the header, the section table, a stage or a layer. */
const editField: Mutation = ({ bytes }, random) => {
  const out = bytes.slice();
  const sections = view(out).getUint16(6, true);
  const [start, size] = [
    [0, HEADER_BYTES],
    [HEADER_BYTES, sections * SECTION_ENTRY_BYTES],
    [sectionAt(out, 2), 8 * (out[18] as number)],
    [layerRecordAt(out, random), LAYER_RECORD_BYTES],
    [layerRecordAt(out, random), 16],
    [encoderAt(out) ?? 0, 4],
  ][below(random, 6)] as [number, number];
  for (let i = 1 + below(random, 2); i > 0; i--) {
    const width = [1, 2, 4][below(random, 3)] as 1 | 2 | 4;
    const at = start + width * below(random, size / width);
    if (width === 1) view(out).setUint8(at, boundary(random, 8));
    else if (width === 2) view(out).setUint16(at, boundary(random, 16), true);
    else view(out).setUint32(at, boundary(random, 32), true);
  }
  return out;
};

/** Two equal fields of two neighbours, as a shape that only seems to follow. */
const editShapes: Mutation = ({ bytes }, random) => {
  const out = bytes.slice();
  const record = layerRecordAt(out, random);
  const value = boundary(random, 8);
  const data = view(out);
  data.setUint16(record + 14, value, true);
  const next = record + LAYER_RECORD_BYTES + 12;
  if (next + 2 <= out.length) data.setUint16(next, value, true);
  if (chance(random, 0.5)) data.setUint16(sectionAt(out, 2) + 6, value, true);
  return out;
};

const moveTable: Mutation = ({ bytes }, random) => {
  const out = bytes.slice();
  const data = view(out);
  const at = layerRecordAt(out, random) + 16 + 4 * below(random, 8);
  const old = data.getUint32(at, true);
  const other = layerRecordAt(out, random) + 16 + 4 * below(random, 8);
  const places = [
    old + 4,
    old - 4,
    old + 1,
    out.length,
    out.length - 4,
    0xffff_fffc,
    0,
    data.getUint32(other, true),
    below(random, out.length),
  ];
  data.setUint32(at, (places[below(random, places.length)] as number) >>> 0, true);
  return out;
};

/** The largest magnitudes, over a whole stretch. */
const fillTables: Mutation = ({ bytes }, random) => {
  const out = bytes.slice();
  const start = sectionAt(out, 4);
  const from = start + below(random, out.length - start);
  const value = [0x80, 0x7f, 0xff, 0x00, 0x40][below(random, 5)] as number;
  out.fill(value, from, from + below(random, chance(random, 0.5) ? 16 : 600));
  return out;
};

const splice: Mutation = ({ bytes }, random, other) => {
  const out = bytes.slice();
  const length = 1 + below(random, 200);
  const from = below(random, other.bytes.length);
  const to = below(random, out.length);
  out.set(other.bytes.subarray(from, from + Math.min(length, out.length - to)), to);
  return out;
};

/** A whole encoder with other numbers in it, which readers must take. */
const otherEncoder: Mutation = ({ container, bytes }, random) => {
  if (container.encoder === undefined) return bytes;
  const encoder = structuredClone(container.encoder);
  const highest = 1 + below(random, 46);
  for (const { weights, requantization } of encoder.layers) {
    for (const i of weights.keys()) weights[i] = below(random, 256) - 128;
    rescale(requantization, highest, random);
  }
  const codeBits = 1 + below(random, 7);
  return encodeContainer({ ...container, encoder: { ...encoder, codeBits } });
};

function rescale({ multipliers, shifts }: Requantization, highest: number, random: Prng): void {
  for (const i of shifts.keys()) {
    shifts[i] = 1 + below(random, highest);
    multipliers[i] = chance(random, 0.1) ? 0x7fff : 16_384 + below(random, 16_384);
  }
}

/** A whole student with other numbers in it, which readers must take. */
const otherNumbers: Mutation = ({ container }, random) => {
  const student = scrambled(container.student, random.uint32() >>> 1);
  const highest = 1 + below(random, 46);
  for (const { layers, exit } of student.stages) {
    rescale(exit.poolRequantization, highest, random);
    for (const layer of [...layers, ...exit.layers]) {
      if (layer.kind !== "gru") rescale(layer.requantization, highest, random);
      else if (!layer.continues) {
        rescale(layer.inputRequantization, highest, random);
        rescale(layer.stateRequantization, highest, random);
      }
    }
  }
  if (chance(random, 0.5)) extremeBiases(student, random);
  return encodeContainer({ ...container, student });
};

/** Near what an int32 holds beside the weights; `checkStudent` still accepts it. */
function extremeBiases(student: QuantizedStudent, random: Prng): void {
  const bias = (values: Int32Array, weightsSum: number) => {
    const most = 0x7fff_ffff - weightsSum;
    for (const i of values.keys()) {
      if (chance(random, 0.5)) values[i] = chance(random, 0.5) ? most : -most;
    }
  };
  for (const { layers, exit } of student.stages) {
    for (const layer of [...layers, ...exit.layers]) {
      if (layer.kind !== "gru") {
        bias(layer.bias, 128 * 128 * (layer.weights.length / layer.bias.length));
      } else if (!layer.continues) {
        bias(layer.inputBias, 128 * 128 * layer.patchSamples * layer.channels);
        bias(layer.stateBias, 128 * 32_768 * layer.hidden);
      }
    }
  }
}

const MUTATIONS: readonly Mutation[] = [
  flipBits,
  flipBits,
  changeLength,
  editField,
  editField,
  editField,
  editShapes,
  moveTable,
  fillTables,
  fillTables,
  splice,
  otherNumbers,
  otherNumbers,
  otherEncoder,
];
