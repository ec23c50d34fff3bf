/** The header of generated C, with what a student costs, and an example that calls it. */

import type { CFigures, ExportFacts } from "./c-facts.ts";
import { stringLiteral } from "./c-text.ts";
import type { RamPlan } from "./ram-plan.ts";

/** Twice what GCC 12 takes at -O3 on any of our processors, the largest student of the benchmarks
 * included: the kernels keep nothing on the stack that grows with a layer. A test measures it. */
export const STACK_BYTES = 512;

export function studentHeader(facts: ExportFacts, plan: RamPlan, figures: CFigures): string {
  const { name } = facts;
  const upper = name.toUpperCase();
  return `/*
 * A student for wearables as constant tables and calls, made by \`bellwether export c\`.
 *
 * RAM     ${figures.ramBytes} bytes: ${name}_ram, which the caller owns
 * stack   ${STACK_BYTES} bytes are room enough: GCC 12 takes half of it on Cortex-M, whatever the student
 * flash   ${figures.tableBytes} bytes of tables${gateText(facts)}, and the code that the compiler makes
${macsText(figures)}
 *
 *   static ${name}_ram ram;
 *   ${name}_begin(&ram, window);
 *   do { exit = ${name}_next_exit(&ram); } while (!sure(exit) && ${name}_exits_left(&ram) > 0);
 *
 * A window is int8 [${upper}_WINDOW_SAMPLES][${upper}_CHANNELS]: acceleration with gravity, one step
 * being ${upper}_MICROG_PER_STEP micro-g, saturated. It is copied. No statics are written, so that
 * several windows may be at work, each with a block of its own. Compile with -O3; on a Cortex-M4
 * with GCC add -fno-schedule-insns. -DBW_PORTABLE leaves out DSP instructions.
 */
#ifndef ${upper}_H
#define ${upper}_H

#include <stdint.h>

#include "bw.h"

#define ${upper}_MODEL ${stringLiteral(facts.modelId)} /* start of the container's SHA-256 */
${settings(facts, figures)}

/* Everything that changes while a window runs. Private, but for its size. */
typedef struct ${name}_ram {
  uint32_t next_exit;
${plan.fields.map(({ type, name: field, count, what }) => `  ${type} ${field}[${count}]; /* ${what} */`).join("\n")}
} ${name}_ram;

/* For a block that is no ${name}_ram but shall be used as one: too small a one does not compile.
 * For use outside of functions. The block must lie on a multiple of four. */
#define ${upper}_CHECK_RAM(block) \\
  typedef char ${name}_block_is_large_enough[sizeof(block) >= ${upper}_RAM_BYTES ? 1 : -1]

extern const char *const ${name}_class_names[${upper}_CLASSES];
/* The gate's parameters as src/gate/gate-bytes.ts draws them, for a gate in C. */
extern const uint8_t ${name}_gate[];

/* Starts a window. */
void ${name}_begin(${name}_ram *ram, const int8_t *window);
/* Runs the next stage and its exit; at most ${upper}_EXITS times after each begin. What it returns
 * lies in \`ram\` and stays valid until the next begin. */
bw_exit ${name}_next_exit(${name}_ram *ram);
uint8_t ${name}_exits_left(const ${name}_ram *ram);${encodeText(name, figures)}
/* 1 when this machine and this compiler give the bits of the reference engine, over 8 windows of
 * noise; docs/FORMATS.md says how they are drawn. */
int ${name}_self_test(${name}_ram *ram);

#endif
`;
}

function macsText({ macs, encoder }: CFigures): string {
  const lines = macs.map(
    (count, e) => ` * exit ${e + 1}  ${count} multiply-accumulates, the exits before it included`,
  );
  if (encoder !== undefined) lines.push(` * codes   ${encoder.macs} more, of the encoder`);
  return lines.join("\n");
}

function encodeText(name: string, { encoder }: CFigures): string {
  const upper = name.toUpperCase();
  if (encoder === undefined) return "";
  return `
/* The codes of a window, ${upper}_CODES of them, one a byte, each below 2^${upper}_CODE_BITS; valid
 * until the next begin. It works where the exits did, so that the window is over: no further exit
 * runs. What exits have said stays valid. docs/FORMATS.md says how codes are packed to be sent. */
const uint8_t *${name}_encode(${name}_ram *ram, const int8_t *window);`;
}

function gateText({ container }: ExportFacts): string {
  return container.gate.length === 0 ? "" : `, ${container.gate.length} of gate`;
}

function encoderSettings(
  { encoderId }: ExportFacts,
  { encoder }: CFigures,
): (readonly [string, string | number])[] {
  if (encoder === undefined) return [];
  const named = encoderId === undefined ? [] : [["ENCODER_ID", stringLiteral(encoderId)] as const];
  return [
    ...named,
    ["CODES", encoder.codes],
    ["CODE_BITS", encoder.codeBits],
    ["CODE_BYTES", encoder.codeBytes],
    ["MACS_ENCODER", encoder.macs],
  ];
}

function settings(facts: ExportFacts, figures: CFigures): string {
  const { container, name } = facts;
  const { student } = container;
  const texts: readonly (readonly [string, string | number])[] = [
    ["COHORT", stringLiteral(container.cohort)],
    ["WINDOW_SAMPLES", student.windowSamples],
    ["CHANNELS", student.channels],
    ["CLASSES", student.classes],
    ["EXITS", student.stages.length],
    ["HOP_SAMPLES", container.hopSamples],
    ["RATE_CENTIHERTZ", container.rateCentihertz],
    ["MICROG_PER_STEP", `${Math.round(container.inputMilligPerStep * 1000)}u`],
    ["RAM_BYTES", figures.ramBytes],
    ["STACK_BYTES", STACK_BYTES],
    ["TABLE_BYTES", figures.tableBytes],
    ["GATE_BYTES", container.gate.length],
    ...figures.macs.map((macs, e) => [`MACS_EXIT_${e + 1}`, macs] as const),
    ...encoderSettings(facts, figures),
    ["SELF_TEST_SEED", `${figures.selfTest.seed}u`],
  ];
  const upper = name.toUpperCase();
  return texts.map(([key, value]) => `#define ${upper}_${key} ${value}`).join("\n");
}

/** A program for a desk: tests the student, then shows what it says of a window without motion. */
export function exampleMain(
  { name }: Pick<ExportFacts, "name">,
  { encoder }: Pick<CFigures, "encoder"> = {},
): string {
  const upper = name.toUpperCase();
  const codes =
    encoder === undefined
      ? ""
      : `  const uint8_t *codes = ${name}_encode(&ram, window);
  printf("codes:");
  for (int i = 0; i < ${upper}_CODES; i++) printf(" %d", codes[i]);
  printf("\\n");
`;
  return `/* An example, made by \`bellwether export c --example\`: cc -std=c99 -O3 *.c && ./a.out */

#include <stdio.h>

#include "${name}.h"

static ${name}_ram ram;

int main(void) {
  static int8_t window[${upper}_WINDOW_SAMPLES * ${upper}_CHANNELS];
  if (!${name}_self_test(&ram)) {
    puts("the self-test failed: this compiler does not give the reference engine's bits");
    return 1;
  }
  /* At rest: one g on the last channel. */
  for (unsigned i = ${upper}_CHANNELS - 1; i < sizeof window; i += ${upper}_CHANNELS) {
    const uint32_t steps = 1000000u / ${upper}_MICROG_PER_STEP;
    window[i] = (int8_t)(steps > 127 ? 127 : steps);
  }
  ${name}_begin(&ram, window);
  for (int e = 1; ${name}_exits_left(&ram) > 0; e++) {
    const bw_exit exit = ${name}_next_exit(&ram);
    int best = 0;
    for (int c = 1; c < ${upper}_CLASSES; c++) {
      if (exit.logits[c] > exit.logits[best]) best = c;
    }
    printf("exit %d: %s, logit %d / 256\\n", e, ${name}_class_names[best], exit.logits[best]);
  }
${codes}  return 0;
}
`;
}
