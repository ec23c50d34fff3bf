/**
 * What one window needs in RAM, as the members of the structure that a caller of generated C owns.
 *
 * Activations alternate between two buffers, and the window is the first of them, as nobody reads it
 * once the first convolution has run. Only a GRU reads the window to the end. Each exit keeps its own
 * features and logits, so that what an exit said stays valid until the next window.
 *
 * An encoder works in the same two buffers when the exits have, with the window put there once more.
 */

import type { QuantizedEncoder } from "../model/encoder.ts";
import type { GruLayer, QuantizedStudent, Stage } from "../model/student.ts";
import { marginSamples, outChannelsOf } from "../model/student-cost.ts";

/** Int8 `[time][channel]` between margins of zeros, at the start of one of the two buffers. */
export type Activation = {
  readonly buffer: "even" | "odd";
  readonly beforeBytes: number;
  readonly bytes: number;
  readonly afterBytes: number;
};

/** A member `TYPE NAME[COUNT]`. */
export type RamField = {
  readonly type: "int8_t" | "int16_t";
  readonly name: string;
  readonly count: number;
  readonly what: string;
};

export type RamPlan = {
  /** Of the whole structure, the word in front of the members included. */
  readonly bytes: number;
  /** Int16 first, each a multiple of four bytes, so that all of those lie on such multiples. */
  readonly fields: readonly RamField[];
  readonly window: Activation;
  /** Per stage and layer; undefined for a GRU, which leaves only its state. */
  readonly activations: readonly (readonly (Activation | undefined)[])[];
  readonly encoder?: EncoderPlan;
};

/** Where the encoder reads the window, and what each of its layers writes. */
export type EncoderPlan = {
  readonly window: Activation;
  readonly activations: readonly Activation[];
};

/** Samples that the kernels widen at once. */
const BLOCK_SAMPLES = 4;
const HEAD_BYTES = 4;

export function planRam(student: QuantizedStudent, encoder?: QuantizedEncoder): RamPlan {
  const { windowSamples, channels } = student;
  const first = student.stages[0]?.layers[0];
  const window = activationOf("even", windowSamples, channels, first);
  const activations = planActivations(student);
  const ofEncoder = encoder === undefined ? undefined : planEncoder(student, encoder);
  const all = [window, ...activations.flat()];
  if (ofEncoder !== undefined) all.push(ofEncoder.window, ...ofEncoder.activations);
  const bufferBytes = (buffer: Activation["buffer"]): number =>
    all.reduce(
      (most, found) => (found?.buffer === buffer ? Math.max(most, totalBytes(found)) : most),
      0,
    );
  const fields: RamField[] = [
    words("scratch", scratchItems(student, encoder), "one block of inputs, widened"),
    ...(first?.kind === "gru" ? gruFields(student, first) : []),
  ];
  const small: RamField[] = [];
  const put = (name: string, count: number, what: string) => {
    if (count > 0) small.push({ type: "int8_t", name, count, what });
  };
  student.stages.forEach(({ exit }, s) => {
    fields.push(words(`logits${s}`, student.classes, `of exit ${s + 1}, Q8`));
    put(`features${s}`, exit.features, `of exit ${s + 1}`);
    exit.layers.slice(0, -1).forEach(({ outputs }, l) => {
      put(`hidden${s}_${l}`, outputs, `layer ${l} of the head of exit ${s + 1}`);
    });
  });
  put("even", bufferBytes("even"), "the window, then every second activation");
  put("odd", bufferBytes("odd"), "the activations between");
  fields.push(...small);
  const bytes = fields.reduce(
    (sum, { type, count }) => sum + count * (type === "int16_t" ? 2 : 1),
    HEAD_BYTES,
  );
  const plan = { bytes: Math.ceil(bytes / 4) * 4, fields, window, activations };
  return ofEncoder === undefined ? plan : { ...plan, encoder: ofEncoder };
}

function planEncoder(
  { windowSamples, channels }: QuantizedStudent,
  { layers }: QuantizedEncoder,
): EncoderPlan {
  return {
    window: activationOf("even", windowSamples, channels, layers[0]),
    activations: layers.map((layer, l) => {
      const buffer = l % 2 === 0 ? "odd" : "even";
      return activationOf(buffer, layer.outTime, outChannelsOf(layer), layers[l + 1]);
    }),
  };
}

function words(name: string, items: number, what: string): RamField {
  return { type: "int16_t", name, count: evenOf(items), what };
}

function planActivations(student: QuantizedStudent): RamPlan["activations"] {
  let depth = 0;
  return student.stages.map((stage, s) =>
    stage.layers.map((layer, l) => {
      if (layer.kind === "gru") return undefined;
      const channels = outChannelsOf(layer);
      const reader = stage.layers[l + 1] ?? student.stages[s + 1]?.layers[0];
      return activationOf(depth++ % 2 === 0 ? "odd" : "even", layer.outTime, channels, reader);
    }),
  );
}

function activationOf(
  buffer: Activation["buffer"],
  time: number,
  channels: number,
  reader: Stage["layers"][number] | undefined,
): Activation {
  const before = reader === undefined || reader.kind === "gru" ? 0 : reader.padLeft;
  const after = marginSamples(reader) - before;
  return {
    buffer,
    beforeBytes: before * channels,
    bytes: time * channels,
    afterBytes: after * channels,
  };
}

function totalBytes({ beforeBytes, bytes, afterBytes }: Activation): number {
  return beforeBytes + bytes + afterBytes;
}

function scratchItems(student: QuantizedStudent, encoder: QuantizedEncoder | undefined): number {
  let most = 0;
  const widened = (columns: number, samples: number) => {
    most = Math.max(most, evenOf(columns) * samples);
  };
  const widenedBy = (layer: Stage["layers"][number]) => {
    if (layer.kind === "conv") widened(layer.kernel * layer.inChannels, block(layer.outTime));
    if (layer.kind === "gru") widened(layer.patchSamples * layer.channels, block(layer.patches));
  };
  for (const { layers, exit } of student.stages) {
    layers.forEach(widenedBy);
    for (const { inputs } of exit.layers) widened(inputs, 1);
  }
  encoder?.layers.forEach(widenedBy);
  return most;
}

function block(times: number): number {
  return times < BLOCK_SAMPLES ? 1 : BLOCK_SAMPLES;
}

function gruFields({ stages }: QuantizedStudent, { hidden }: GruLayer): readonly RamField[] {
  const patches = stages.map(({ layers }) => (layers[0] as GruLayer).patches);
  const samples = block(Math.max(...patches));
  return [
    words("state", hidden, "of the GRU, Q15"),
    words("from_input", samples * 3 * hidden, "sums of one block of patches, Q3.12"),
    words("from_state", 3 * hidden, "sums of one step, Q3.12"),
  ];
}

/** The next even number. */
function evenOf(count: number): number {
  return count + (count & 1);
}
