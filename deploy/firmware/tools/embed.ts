/**
 * Puts containers and windows into a program as constants: a C file that the assembler completes.
 *
 * For tests and benchmarks, whose programs have neither files nor a network. `.incbin` keeps the
 * compiler out of it: a megabyte costs no time.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { exportC } from "../../../src/export/student-c.ts";
import { decodeContainer } from "../../../src/model/container.ts";

/** What `programs/cases.h` calls a case. */
export type StudentCase = {
  /** Printed before its figures; without spaces. */
  readonly name: string;
  readonly container: Uint8Array;
  /** Windows of the student's shape, one after another. Those with the same key are stored once. */
  readonly windows: { readonly key: string; readonly count: number; readonly bytes: Uint8Array };
};

/** For the interpreter: containers as they are. Writes into the folder; returns C files. */
export function embedContainers(folder: string, cases: readonly StudentCase[]): readonly string[] {
  const containers = new Map(
    cases.map(({ name, container }) => [symbol("container", name), container]),
  );
  const rows = cases.map((it) => ({
    before: shapeOf(it),
    after: `${symbol("container", it.name)}, ${it.container.length}, 0, 0, 0, 0, 0`,
  }));
  return [writeCases(folder, cases, containers, [], rows)];
}

/** The same students as `bellwether export c` writes them. They share one block of RAM. */
export function embedGenerated(folder: string, cases: readonly StudentCase[]): readonly string[] {
  const sources: string[] = [];
  const headers: string[] = [];
  const rams: string[] = [];
  const functions: string[] = [];
  const encodes = cases.map(({ container }, i) => {
    const name = `student${i}`;
    const facts = { container: decodeContainer(container), modelId: "0".repeat(16), name };
    const { files, figures } = exportC(facts);
    for (const { name: file, text } of files) {
      writeFileSync(join(folder, file), text);
      if (file.endsWith(".c")) sources.push(join(folder, file));
    }
    headers.push(`#include "${name}.h"`);
    rams.push(`  ${name}_ram of_${i};`);
    functions.push(
      `static void begin${i}(const int8_t *window) { ${name}_begin(&ram.of_${i}, window); }`,
      `static bw_exit next${i}(void) { return ${name}_next_exit(&ram.of_${i}); }`,
    );
    if (figures.encoder === undefined) return "0, 0";
    functions.push(
      `static const uint8_t *encode${i}(const int8_t *window) {`,
      `  return ${name}_encode(&ram.of_${i}, window);`,
      "}",
    );
    return `encode${i}, ${figures.encoder.codes}`;
  });
  const code = [...headers, "static union {", ...rams, "} ram;", ...functions];
  const rows = cases.map((it, i) => ({
    before: shapeOf(it),
    after: `0, 0, begin${i}, next${i}, sizeof ram.of_${i}, ${encodes[i]}`,
  }));
  return [writeCases(folder, cases, new Map(), code, rows), ...sources];
}

function shapeOf({ name, container, windows }: StudentCase): string {
  const { windowSamples, channels, classes, stages } = decodeContainer(container).student;
  const first = `${JSON.stringify(name)}, (const int8_t *)${symbol("windows", windows.key)}`;
  return [first, windows.count, windowSamples * channels, classes, stages.length].join(", ");
}

function writeCases(
  folder: string,
  cases: readonly StudentCase[],
  containers: ReadonlyMap<string, Uint8Array>,
  code: readonly string[],
  rows: readonly { readonly before: string; readonly after: string }[],
): string {
  const windows = cases.map(({ windows: it }) => [symbol("windows", it.key), it.bytes] as const);
  const blobs = [...new Map([...containers, ...windows])];
  const text = [
    '#include "cases.h"',
    ...blobs.map(([name, bytes]) => blobText(folder, name, bytes)),
    ...code,
    "const student_case student_cases[] = {",
    ...rows.map(({ before, after }) => `  {${before},\n   ${after}},`),
    "};",
    `const uint32_t student_case_count = ${cases.length};`,
    "",
  ].join("\n");
  const path = join(folder, "cases.c");
  writeFileSync(path, text);
  return path;
}

function blobText(folder: string, name: string, bytes: Uint8Array): string {
  const file = join(folder, `${name}.bin`);
  writeFileSync(file, bytes);
  const lines = [".balign 16", `.global ${name}`, `${name}:`, `.incbin ${JSON.stringify(file)}`];
  return [
    `extern const uint8_t ${name}[];`,
    `__asm__(".pushsection .rodata.${name},\\"a\\"\\n"`,
    ...lines.map((line) => `        ${JSON.stringify(`${line}\n`)}`),
    `        ".popsection\\n");`,
  ].join("\n");
}

function symbol(kind: string, name: string): string {
  return `${kind}_${name.replace(/[^A-Za-z0-9]/g, "_")}`;
}
