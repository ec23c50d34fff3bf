/**
 * A student as C99 source: a header and one file of constant tables and calls.
 *
 * The result needs `bw.h` and `bw_kernels_packed.h` beside it and nothing else: no heap, no floating
 * point, no container at run time. Bits are those of the reference engine. The same container,
 * name and version of this file give the same bytes. For a student that shall be replaced over the
 * air, run the container instead: this one changes only with the firmware.
 */

import { referenceEngine } from "../engine/reference.ts";
import type { Container } from "../model/container.ts";
import { selfTestHashes } from "../model/self-test.ts";
import type { Stage } from "../model/student.ts";
import { studentCost } from "../model/student-cost.ts";
import type { CFigures, ExportFacts } from "./c-facts.ts";
import { checkPrefix, constArray, stringLiteral } from "./c-text.ts";
import { encoderFigures, encoderFunctions } from "./encoder-c.ts";
import { convolutionCalls, margins, plus } from "./layer-calls.ts";
import { type Activation, planRam, type RamPlan } from "./ram-plan.ts";
import { studentHeader } from "./student-c-header.ts";
import { type StudentTables, studentTables } from "./student-c-tables.ts";

export type ExportedFile = { readonly name: string; readonly text: string };

export type ExportedC = { readonly files: readonly ExportedFile[]; readonly figures: CFigures };

/** Any would do, as the hashes are made here. */
const SELF_TEST_SEED = 1;

/** Throws `EdgeError` for a name that is no C identifier, and for a student that no engine would run. */
export function exportC(facts: ExportFacts): ExportedC {
  const { container } = facts;
  const { student, encoder } = container;
  const name = checkPrefix(facts.name);
  const loaded = referenceEngine.load(container);
  const plan = planRam(student, encoder);
  const tables = studentTables(student, encoder);
  const figures: CFigures = {
    ramBytes: plan.bytes,
    tableBytes: tables.bytes,
    macs: studentCost(student).map(({ macs }) => macs),
    selfTest: { seed: SELF_TEST_SEED, hashes: selfTestHashes(loaded, SELF_TEST_SEED) },
    ...(encoder === undefined ? {} : { encoder: encoderFigures(encoder) }),
  };
  return {
    files: [
      { name: `${name}.h`, text: studentHeader(facts, plan, figures) },
      { name: `${name}.c`, text: studentSource(facts, plan, tables, figures) },
    ],
    figures,
  };
}

function studentSource(
  { container, name }: ExportFacts,
  plan: RamPlan,
  tables: StudentTables,
  figures: CFigures,
): string {
  const upper = name.toUpperCase();
  const { student, classes, gate } = container;
  const stages = student.stages.map((stage, s) => stageFunction(name, stage, s, plan, tables));
  const { window } = plan;
  const encodes = encoderText(name, container, plan, tables);
  return `/* Made by \`bellwether export c\`; to change it, export again. What it is: ${name}.h. */

#include "${name}.h"

#include "bw_kernels_packed.h"

${tables.text}

${constArray("char *const", `${name}_class_names`, classes.map(stringLiteral), "const")}

${constArray("uint8_t", `${name}_gate`, gate, "const")}

${constArray("uint32_t", "self_test_hashes", figures.selfTest.hashes.map(hex32))}

/* The header states how large the structure is; here the compiler agrees, or stops. */
typedef char ${name}_ram_is_as_stated[sizeof(${name}_ram) == ${upper}_RAM_BYTES ? 1 : -1];

${stages.join("\n\n")}

/* Everything but the window's samples. */
static void start(${name}_ram *ram) {
  ram->next_exit = 0;
${[...margins(window), ...stateIsZero(plan)].join("\n")}
}

void ${name}_begin(${name}_ram *ram, const int8_t *window) {
  int8_t *to = ram->even${plus(window.beforeBytes)};
  start(ram);
  for (int32_t i = 0; i < ${window.bytes}; i++) to[i] = window[i];
}

bw_exit ${name}_next_exit(${name}_ram *ram) {
${exitSwitch(student.stages)}
}

uint8_t ${name}_exits_left(const ${name}_ram *ram) {
  return (uint8_t)(${upper}_EXITS - ram->next_exit);
}

${encodes}${selfTest(name, upper, plan, container, figures)}
`;
}

function encoderText(
  name: string,
  { encoder }: Container,
  plan: RamPlan,
  tables: StudentTables,
): string {
  if (encoder === undefined || plan.encoder === undefined) return "";
  return `${encoderFunctions(name, encoder, plan.encoder, tables.encoder)}\n\n`;
}

function stageFunction(
  name: string,
  stage: Stage,
  s: number,
  plan: RamPlan,
  tables: StudentTables,
): string {
  const lines: string[] = [];
  let input = inputOf(plan, s);
  stage.layers.forEach((layer, l) => {
    const table = tables.layers[s]?.[l] ?? "";
    const output = plan.activations[s]?.[l];
    if (layer.kind === "gru") {
      const at = layer.firstPatch * layer.patchSamples * layer.channels;
      lines.push(
        `  bw_packed_gru(&${table}, ram->even + ${at}, ${layer.patches}, ram->state, ` +
          "ram->from_input,\n                ram->from_state, ram->scratch);",
      );
    } else if (output !== undefined) {
      lines.push(...convolutionCalls(layer, table, input, output));
      input = output;
    }
  });
  lines.push(...headCalls(stage, s, input, tables));
  return `static void stage${s}(${name}_ram *ram) {\n${lines.join("\n")}\n}`;
}

/** What the first layer of a stage reads, and what a stage without one would pool. */
function inputOf(plan: RamPlan, s: number): Activation {
  return plan.activations[s - 1]?.at(-1) ?? plan.window;
}

function headCalls(
  { exit }: Stage,
  s: number,
  pooled: Activation,
  tables: StudentTables,
): readonly string[] {
  const lines: string[] = [];
  if (exit.pool === "state") {
    lines.push(`  bw_packed_state(ram->state, ${exit.features}, ram->features${s});`);
  } else {
    const times = pooled.bytes / exit.features;
    const from = `ram->${pooled.buffer}${plus(pooled.beforeBytes)}, ${times}, ${exit.features}`;
    lines.push(`  bw_packed_mean(${from}, ${tables.pools[s]}, ram->features${s});`);
  }
  let from = `ram->features${s}`;
  exit.layers.forEach((layer, l) => {
    const logits = layer.output === "logits";
    const to = logits ? `ram->logits${s}` : `ram->hidden${s}_${l}`;
    const mode = logits ? "BW_SAT16" : "BW_RELU8";
    const table = tables.heads[s]?.[l] ?? "";
    lines.push(`  bw_packed_dense(&${table}, ${from}, ${to}, ${mode}, ram->scratch);`);
    from = to;
  });
  return lines;
}

function stateIsZero(plan: RamPlan): readonly string[] {
  const state = plan.fields.find(({ name }) => name === "state");
  if (state === undefined) return [];
  return [`  for (int32_t i = 0; i < ${state.count}; i++) ram->state[i] = 0;`];
}

function exitSwitch(stages: readonly Stage[]): string {
  const bodies = stages.map(
    ({ exit }, s) =>
      `    stage${s}(ram);\n` +
      `    return (bw_exit){ram->logits${s}, ram->features${s}, ${exit.features}};`,
  );
  const cases = bodies.map((body, s) =>
    s === bodies.length - 1 ? `  default:\n${body}` : `  case ${s}:\n${body}`,
  );
  return `  switch (ram->next_exit++) {\n${cases.join("\n")}\n  }`;
}

/** Windows are drawn where they are wanted; one that the encoder reads too is drawn once more. */
function selfTest(
  name: string,
  upper: string,
  { window, encoder }: RamPlan,
  { student: { channels, stages } }: Container,
  { selfTest: { hashes: expected } }: CFigures,
): string {
  // Codes have a hash of their own, or go on with that of the last exit.
  const hashes = expected.length > stages.length ? `${upper}_EXITS + 1` : `${upper}_EXITS`;
  const last = expected.length - 1;
  const again = encoder === undefined ? "" : "    uint32_t again = state;\n";
  const codes =
    encoder === undefined
      ? ""
      : `    start_encoder(ram);
    draw_window(ram->${encoder.window.buffer}${plus(encoder.window.beforeBytes)}, w, &again);
    const uint8_t *codes = run_encoder(ram);
    for (int32_t i = 0; i < ${upper}_CODES; i++) {
      hashes[${last}] = hash_byte(hashes[${last}], codes[i]);
    }
`;
  return `static int32_t draw(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return (int32_t)*state;
}

static void draw_window(int8_t *to, int32_t w, uint32_t *state) {
  int8_t gravity[${channels}];
  for (int32_t c = 0; c < ${channels}; c++) gravity[c] = (int8_t)(draw(state) >> 25);
  for (int32_t i = 0; i < ${window.bytes}; i++) {
    const int32_t noise = draw(state) >> (25 + (w & 3));
    to[i] = (int8_t)(gravity[i % ${channels}] + noise);
  }
}

static uint32_t hash_byte(uint32_t hash, uint32_t byte) {
  return (hash ^ (byte & 0xffu)) * 0x01000193u;
}

int ${name}_self_test(${name}_ram *ram) {
  uint32_t hashes[${hashes}];
  uint32_t state = ${upper}_SELF_TEST_SEED;
  for (int32_t e = 0; e < ${hashes}; e++) hashes[e] = 0x811c9dc5u;
  for (int32_t w = 0; w < 8; w++) {
${again}    start(ram);
    draw_window(ram->even${plus(window.beforeBytes)}, w, &state);
    for (int32_t e = 0; e < ${upper}_EXITS; e++) {
      const bw_exit exit = ${name}_next_exit(ram);
      for (int32_t c = 0; c < ${upper}_CLASSES; c++) {
        const uint32_t logit = (uint16_t)exit.logits[c];
        hashes[e] = hash_byte(hash_byte(hashes[e], logit), logit >> 8);
      }
    }
${codes}  }
  for (int32_t e = 0; e < ${hashes}; e++) {
    if (hashes[e] != self_test_hashes[e]) return 0;
  }
  return 1;
}`;
}

function hex32(value: number): string {
  return `0x${value.toString(16).padStart(8, "0")}u`;
}
