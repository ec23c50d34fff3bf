/**
 * Fits an instruction model to counts: least squares on relative errors, no coefficient below zero.
 *
 * A row is one stage of one student. Coefficients that the counts cannot tell apart share what there
 * is; a kind of work that no student has is left out.
 */

import type { Coefficients, InstructionModel } from "../src/cost/instruction-model.ts";
import { WORK_KINDS, type Work, type WorkKind } from "../src/cost/work.ts";

export type CountedStage = { readonly work: readonly Work[]; readonly instructions: number };

const TERMS = ["mac", "output", "row"] as const;
/** Sweeps over all coefficients: the last tenth of them moves nothing by a thousandth. */
const SWEEPS = 20_000;

export function fitInstructionModel(stages: readonly CountedStage[]): InstructionModel {
  const kinds = WORK_KINDS.filter((kind) =>
    stages.some(({ work }) => work.some((one) => one.kind === kind)),
  );
  const columns = kinds.flatMap((kind) => TERMS.map((term) => ({ kind, term })));
  // Each row is divided by its count: what is fitted is 1, and an error is a share.
  const rows = stages.map(({ work, instructions }) =>
    columns.map(({ kind, term }) => amountOf(work, kind, term) / instructions),
  );
  const solution = solveNonNegative(rows);
  return Object.fromEntries(
    kinds.map((kind, k): [WorkKind, Coefficients] => {
      const [mac = 0, output = 0, row = 0] = solution.slice(3 * k, 3 * k + 3);
      return [kind, { mac: rounded(mac), output: rounded(output), row: rounded(row) }];
    }),
  );
}

function amountOf(work: readonly Work[], kind: WorkKind, term: (typeof TERMS)[number]): number {
  return work
    .filter((one) => one.kind === kind)
    .reduce((sum, { macs, outputs, rows }) => {
      return sum + { mac: macs, output: outputs, row: rows }[term];
    }, 0);
}

/** The x >= 0 that brings `rows` times x nearest to ones, by coordinate descent. */
function solveNonNegative(rows: readonly (readonly number[])[]): Float64Array {
  const width = rows[0]?.length ?? 0;
  const gram = Array.from({ length: width }, (_, i) =>
    Float64Array.from({ length: width }, (_, j) =>
      rows.reduce((sum, row) => sum + (row[i] ?? 0) * (row[j] ?? 0), 0),
    ),
  );
  const wanted = Float64Array.from({ length: width }, (_, i) =>
    rows.reduce((sum, row) => sum + (row[i] ?? 0), 0),
  );
  const x = new Float64Array(width);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (let i = 0; i < width; i++) {
      const line = gram[i] as Float64Array;
      const own = line[i] ?? 0;
      if (own === 0) continue;
      let slope = -(wanted[i] ?? 0);
      for (let j = 0; j < width; j++) slope += (line[j] ?? 0) * (x[j] ?? 0);
      x[i] = Math.max(0, (x[i] ?? 0) - slope / own);
    }
  }
  return x;
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
