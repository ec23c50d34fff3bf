/**
 * Puts containers and windows into a program as constants: a C file that the assembler completes.
 *
 * For tests and benchmarks, whose programs have neither files nor a network. `.incbin` keeps the
 * compiler out of it: a megabyte costs no time.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** What `programs/cases.h` calls a case. */
export type StudentCase = {
  /** Printed before its figures; without spaces. */
  readonly name: string;
  readonly container: Uint8Array;
  /** Windows of the student's shape, one after another. Those with the same key are stored once. */
  readonly windows: { readonly key: string; readonly count: number; readonly bytes: Uint8Array };
};

/** Writes the C file and what it includes into the folder; returns the C file's path. */
export function embedCases(folder: string, cases: readonly StudentCase[]): string {
  const blobs = new Map<string, Uint8Array>();
  for (const { name, container, windows } of cases) {
    blobs.set(symbol("container", name), container);
    blobs.set(symbol("windows", windows.key), windows.bytes);
  }
  const parts = [...blobs].map(([name, bytes]) => {
    const file = join(folder, `${name}.bin`);
    writeFileSync(file, bytes);
    const lines = [`.balign 16`, `.global ${name}`, `${name}:`, `.incbin ${JSON.stringify(file)}`];
    return [
      `extern const uint8_t ${name}[];`,
      `__asm__(".pushsection .rodata.${name},\\"a\\"\\n"`,
      ...lines.map((line) => `        ${JSON.stringify(`${line}\n`)}`),
      `        ".popsection\\n");`,
    ].join("\n");
  });
  const rows = cases.map(({ name, container, windows }) =>
    [
      `  {${JSON.stringify(name)}, ${symbol("container", name)}, ${container.length},`,
      `   (const int8_t *)${symbol("windows", windows.key)}, ${windows.count}},`,
    ].join("\n"),
  );
  const path = join(folder, "cases.c");
  const text = [
    '#include "cases.h"',
    ...parts,
    "const student_case student_cases[] = {",
    ...rows,
    "};",
    `const uint32_t student_case_count = ${cases.length};`,
    "",
  ].join("\n");
  writeFileSync(path, text);
  return path;
}

function symbol(kind: string, name: string): string {
  return `${kind}_${name.replace(/[^A-Za-z0-9]/g, "_")}`;
}
