/** The encoder of generated C: a chain of the student's own convolutions over the window. */

import type { QuantizedEncoder } from "../model/encoder.ts";
import { codeShape, encoderMacs } from "../model/encoder.ts";
import type { EncoderFigures } from "./c-facts.ts";
import { convolutionCalls, margins, plus } from "./layer-calls.ts";
import type { EncoderPlan } from "./ram-plan.ts";

/** Codes of so many bits are whatever a layer gives. */
const BITS_OF_A_LAYER = 7;

export function encoderFigures(encoder: QuantizedEncoder): EncoderFigures {
  const { time, channels, bits, bytes } = codeShape(encoder);
  return { macs: encoderMacs(encoder), codes: time * channels, codeBits: bits, codeBytes: bytes };
}

/** Everything behind the exits' functions that an encoder adds to the source. */
export function encoderFunctions(
  name: string,
  encoder: QuantizedEncoder,
  { window, activations }: EncoderPlan,
  tables: readonly string[],
): string {
  const upper = name.toUpperCase();
  let input = window;
  const calls = encoder.layers.flatMap((layer, l) => {
    const output = activations[l] ?? input;
    const lines = convolutionCalls(layer, tables[l] ?? "", input, output);
    input = output;
    return lines;
  });
  const codes = `ram->${input.buffer}${plus(input.beforeBytes)}`;
  return `/* Everything but the window's samples. No exit runs after this. */
static void start_encoder(${name}_ram *ram) {
  ram->next_exit = ${upper}_EXITS;
${margins(window).join("\n")}
}

static const uint8_t *run_encoder(${name}_ram *ram) {
${[...calls, ...clipping(encoder, codes, upper)].join("\n")}
  return (const uint8_t *)(${codes});
}

const uint8_t *${name}_encode(${name}_ram *ram, const int8_t *window) {
  int8_t *to = ram->${window.buffer}${plus(window.beforeBytes)};
  start_encoder(ram);
  for (int32_t i = 0; i < ${window.bytes}; i++) to[i] = window[i];
  return run_encoder(ram);
}`;
}

function clipping(encoder: QuantizedEncoder, codes: string, upper: string): readonly string[] {
  if (encoder.codeBits === BITS_OF_A_LAYER) return [];
  const most = 2 ** encoder.codeBits - 1;
  return [
    `  int8_t *codes = ${codes};`,
    `  for (int32_t i = 0; i < ${upper}_CODES; i++) {`,
    `    if (codes[i] > ${most}) codes[i] = ${most};`,
    "  }",
  ];
}
