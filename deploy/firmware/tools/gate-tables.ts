/**
 * Writes `runtime/bw_gate_tables.c`: the GRU's tables as `src/engine/gate-tables.ts` defines them.
 *
 *     node deploy/firmware/tools/gate-tables.ts
 *
 * A test compares the file with what this gives.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { SIGMOID_Q15, TANH_Q15 } from "../../../src/engine/gate-tables.ts";
import { FIRMWARE_FOLDER } from "./toolchain.ts";

export const GATE_TABLES_FILE = join(FIRMWARE_FOLDER, "runtime", "bw_gate_tables.c");

export function gateTablesSource(): string {
  return [
    "/* Sigmoid and tanh at x = (i - 128) / 16, Q15. Made by tools/gate-tables.ts; do not edit. */",
    '#include "bw_gate_tables.h"',
    tableSource("bw_sigmoid_q15", SIGMOID_Q15),
    tableSource("bw_tanh_q15", TANH_Q15),
  ].join("\n\n");
}

function tableSource(name: string, nodes: Int16Array): string {
  const lines = [""];
  for (const node of nodes) {
    const last = lines.length - 1;
    if ((lines[last] as string).length + `${node}, `.length > 96) lines.push(`${node}, `);
    else lines[last] += `${node}, `;
  }
  const rows = lines.map((line) => `    ${line.trimEnd()}`);
  return `const int16_t ${name}[257] = {\n${rows.join("\n")}\n};\n`;
}

if (process.argv[1] === import.meta.filename) writeFileSync(GATE_TABLES_FILE, gateTablesSource());
