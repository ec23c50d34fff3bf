/**
 * A student's estimated cost on a processor, as a table with the source of every constant.
 *
 * It prints estimates and says so; it measures nothing.
 */

import type { Fitted } from "../src/cost/fitted.ts";
import { FITTED } from "../src/cost/fitted-sets.ts";
import { estimateOn, type TargetEstimate } from "../src/cost/student-on-target.ts";
import { type Constant, TARGETS, type TargetName } from "../src/cost/targets.ts";
import { decodeContainer } from "../src/model/container.ts";

export type CostDescription = TargetEstimate & {
  readonly target: string;
  readonly uncertainty: number;
  readonly instructionModel: Pick<Fitted, "counted" | "errorMedian" | "errorWorst">;
  readonly constants: Readonly<Record<string, Constant>>;
};

/** Throws `EdgeError` for bytes that are no container. */
export function describeCost(bytes: Uint8Array, target: TargetName): CostDescription {
  const { student } = decodeContainer(bytes);
  const { name, processor: _, instructionSet, uncertainty, ...constants } = TARGETS[target];
  const { counted, errorMedian, errorWorst } = FITTED[instructionSet];
  return {
    target: name,
    uncertainty,
    instructionModel: { counted, errorMedian, errorWorst },
    ...estimateOn(target, student, bytes.length),
    constants,
  };
}

/** The same for people. */
export function costLines(cost: CostDescription): string[] {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const { counted, errorMedian, errorWorst } = cost.instructionModel;
  const lines = [
    "",
    `on        ${cost.target}, estimated: times and energies within ${percent(cost.uncertainty)}`,
    "          exit  instructions      cycles        ms        uJ",
  ];
  cost.exits.forEach(({ instructions, cycles, milliseconds, microjoules }, i) => {
    const columns = [
      String(i + 1).padStart(4),
      String(instructions).padStart(12),
      String(cycles).padStart(10),
      milliseconds.toPrecision(3).padStart(8),
      microjoules.toPrecision(3).padStart(8),
    ];
    lines.push(`          ${columns.join("  ")}`);
  });
  lines.push(
    `          RAM ${cost.ramBytes} bytes (${percent(cost.ramShare)} of the processor's), ` +
      `flash ${cost.flashBytes} (${percent(cost.flashShare)}), without the rest of the firmware`,
    `          instructions by a model of exact counts (${counted}), off by ` +
      `${percent(errorMedian)} in the median and ${percent(errorWorst)} at worst`,
  );
  for (const [name, { value, unit, status, source }] of Object.entries(cost.constants)) {
    lines.push(`          ${name} ${value} ${unit}, ${status}: ${source}`);
  }
  return lines;
}
