/** Writes `src/cost/fitted-sets.ts` anew: what was measured now, and the rest as it was. */

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Fitted } from "../src/cost/fitted.ts";
import { FITTED } from "../src/cost/fitted-sets.ts";
import type { InstructionSet } from "../src/cost/targets.ts";

const FILE = fileURLToPath(new URL("../src/cost/fitted-sets.ts", import.meta.url));

export function writeFitted(
  fresh: Readonly<Partial<Record<InstructionSet, Partial<Fitted>>>>,
): void {
  const sets = Object.entries(FITTED) as [InstructionSet, Fitted][];
  const lines = sets.flatMap(([set, before]) => {
    const { model, counted, ...figures } = { ...before, ...fresh[set] };
    return [
      `  ${set.includes("-") ? JSON.stringify(set) : set}: {`,
      "    model: {",
      ...Object.entries(model).map(
        ([kind, { mac, output, row }]) =>
          `      ${kind}: { mac: ${mac}, output: ${output}, row: ${row} },`,
      ),
      "    },",
      ...Object.entries(figures).map(([name, value]) => `    ${name}: ${value},`),
      `    counted: ${JSON.stringify(counted)},`,
      "  },",
    ];
  });
  const text = readFileSync(FILE, "utf8");
  const head = text.slice(0, text.indexOf("= {") + 3);
  writeFileSync(FILE, `${head}\n${lines.join("\n")}\n};\n`);
}
