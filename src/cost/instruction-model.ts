/**
 * Instructions of a student on one kind of processor: so many per multiply-accumulate, per output and
 * per row, for each kind of work.
 *
 * The coefficients are fitted by `bench -- cost` to exact counts; this file only applies them. A
 * linear model knows nothing of the odd columns at the end of a row, which cost more than others.
 */

import { assert } from "../assert.ts";
import type { QuantizedStudent, Stage } from "../model/student.ts";
import { chainWork, type Work, type WorkKind, workOf } from "./work.ts";

export type Coefficients = {
  readonly mac: number;
  readonly output: number;
  readonly row: number;
};

export type InstructionModel = Readonly<Partial<Record<WorkKind, Coefficients>>>;

/** Up to and including each exit. */
export function instructionsOf(
  student: QuantizedStudent,
  model: InstructionModel,
): readonly number[] {
  let sum = 0;
  return workOf(student).map((stage) => {
    for (const work of stage) sum += instructionsOfWork(work, model);
    return Math.round(sum);
  });
}

/** Of layers from a window of so many values on, without any exit. */
export function instructionsOfLayers(
  samples: number,
  layers: Stage["layers"],
  model: InstructionModel,
): number {
  const work = chainWork(samples, layers);
  return Math.round(work.reduce((sum, one) => sum + instructionsOfWork(one, model), 0));
}

export function instructionsOfWork(
  { kind, macs, outputs, rows }: Work,
  model: InstructionModel,
): number {
  const coefficients = model[kind];
  assert(coefficients !== undefined, `the instruction model knows ${kind}`);
  const { mac, output, row } = coefficients;
  return mac * macs + output * outputs + row * rows;
}
