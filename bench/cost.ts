/**
 * Fits the cost model's instructions to exact counts in QEMU, and says how far the model that ships is
 * from students that it was not fitted to.
 *
 * `--students N` to fit to (48; at most 18 on aarch64, where counting is slow), a third as many to test
 * on, and the shapes that engines are compared on. `--sets cortex-m4,rv32imc` leaves others out. `--write yes`
 * writes what was fitted to `src/cost/fitted-sets.ts`. `--quick` fits nothing: it takes a
 * handful of students on the Cortex-M4. Instructions only: time and energy were measured nowhere.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FITTED } from "../src/cost/fitted-sets.ts";
import { type InstructionModel, instructionsOfWork } from "../src/cost/instruction-model.ts";
import type { InstructionSet } from "../src/cost/targets.ts";
import { quantizeStudent } from "../src/model/quantize.ts";
import {
  CNN_SPEC,
  COLLAR_SPEC,
  GRU_SPEC,
  noiseWindows,
  randomFloatStudent,
} from "../test/student-samples.ts";
import { type BenchmarkOptions, type BenchmarkResult, median, table } from "./benchmark.ts";
import { type Counted, countStudents, missingFor, type Overhead } from "./cost-counts.ts";
import { fitInstructionModel } from "./cost-fit.ts";
import { someStudents } from "./cost-students.ts";
import { writeFitted } from "./cost-write.ts";

const SETS: readonly InstructionSet[] = ["cortex-m4", "rv32imc", "aarch64"];
/** Further off than this on a student that it was not fitted to, and the uncertainty that estimates
 * state is not true. Vectorized loops with remainders are not linear in the shape. */
const ERROR_MOST: Readonly<Record<InstructionSet, number>> = {
  "cortex-m4": 0.3,
  rv32imc: 0.3,
  aarch64: 0.5,
};

/** Shares of the counted instructions, signs dropped, of whole students and of first exits. */
type Errors = { readonly median: number; readonly worst: number; readonly shapes: number[] };

type SetFigures = {
  readonly shipped: Errors;
  readonly refitted: Errors | undefined;
  readonly model: InstructionModel | undefined;
  readonly overhead: Overhead | undefined;
};

export async function run(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const folder = mkdtempSync(join(tmpdir(), "bellwether-cost-"));
  const figures: Partial<Record<InstructionSet, SetFigures>> = {};
  const missing: string[] = [];
  try {
    for (const [i, set] of wantedSets(options).entries()) {
      options.progress(set, i / SETS.length);
      const lacks = missingFor(set);
      if (lacks !== undefined) missing.push(`left out: ${set}: ${lacks} is not installed`);
      else figures[set] = await measureSet(set, options, folder);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  if (options.extra.write === "yes") writeFitted(freshOf(figures));
  const measured = Object.entries(figures);
  const percent = (share: number | undefined): string =>
    share === undefined ? "-" : `${(100 * share).toFixed(1)} %`;
  return {
    ok: measured.every(([set, { shipped }]) => shipped.worst < ERROR_MOST[set as InstructionSet]),
    lines: [
      ...table([
        ["error of the model", "median", "worst", "CNN", "GRU", "collar", "fitted anew", "worst"],
        ...measured.map(([set, { shipped, refitted }]) => [
          set,
          ...[shipped.median, shipped.worst, ...shipped.shapes].map(percent),
          ...[refitted?.median, refitted?.worst].map(percent),
        ]),
      ]),
      "",
      ...missing,
      ...measured.flatMap(([set, { model, overhead }]) => [
        ...(model === undefined ? [] : [`${set}: ${JSON.stringify(model)}`]),
        ...(overhead === undefined ? [] : [`${set}: ${JSON.stringify(overhead)}`]),
      ]),
    ],
    figures,
  };
}

function wantedSets({ quick, extra }: BenchmarkOptions): readonly InstructionSet[] {
  if (extra.sets !== undefined) return SETS.filter((set) => extra.sets?.split(",").includes(set));
  return quick ? SETS.slice(0, 1) : SETS;
}

function freshOf(figures: Readonly<Partial<Record<InstructionSet, SetFigures>>>) {
  const round = (share: number): number => Math.round(1000 * share) / 1000;
  const sets = Object.entries(figures).flatMap(([set, { model, refitted, overhead }]) => {
    if (model === undefined || refitted === undefined) return [];
    const errors = { errorMedian: round(refitted.median), errorWorst: round(refitted.worst) };
    return [[set, { model, ...errors, ...overhead }] as const];
  });
  return Object.fromEntries(sets);
}

async function measureSet(
  set: InstructionSet,
  { quick, extra }: BenchmarkOptions,
  folder: string,
): Promise<SetFigures> {
  const asked = Number(extra.students ?? 48);
  const count = quick ? 0 : set === "aarch64" ? Math.min(asked, 18) : asked;
  const shapes = [CNN_SPEC, GRU_SPEC, COLLAR_SPEC].map((spec) =>
    quantizeStudent(randomFloatStudent(spec, 1), noiseWindows(spec, 32, 1), 31.25),
  );
  const held = someStudents(quick ? 6 : Math.ceil(count / 3), 1000);
  const all = [...shapes, ...held, ...someStudents(count, 1)];
  const { students, overhead } = await countStudents(set, all, folder);
  const tested = students.slice(0, shapes.length + held.length);
  const model =
    count === 0
      ? undefined
      : fitInstructionModel(students.slice(tested.length).flatMap(({ stages }) => stages));
  return {
    shipped: errorsOf(tested, FITTED[set].model, shapes.length),
    refitted: model === undefined ? undefined : errorsOf(tested, model, shapes.length),
    model,
    overhead,
  };
}

/** Of what is read of the model: instructions up to an exit. */
function errorsOf(students: readonly Counted[], model: InstructionModel, shapes: number): Errors {
  const each = students.map(({ stages }) => {
    let [estimate, counted] = [0, 0];
    return stages.map(({ work, instructions }) => {
      for (const one of work) estimate += instructionsOfWork(one, model);
      counted += instructions;
      return Math.abs(estimate / counted - 1);
    });
  });
  const all = each.flat();
  return {
    median: median(all),
    worst: Math.max(...all),
    shapes: each.slice(0, shapes).map((exits) => exits.at(-1) ?? Number.NaN),
  };
}
