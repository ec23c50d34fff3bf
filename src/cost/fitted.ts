/**
 * The instruction models of the C runtime's interpreter, and what it takes beside a student's own
 * buffers, for each instruction set.
 */

import type { Coefficients, InstructionModel } from "./instruction-model.ts";
import type { InstructionSet } from "./targets.ts";

export type Fitted = {
  readonly model: InstructionModel;
  /** Code and constants that run a student, and those that check a container at load. */
  readonly codeBytes: number;
  /** The structs of a loaded model and a run. */
  readonly stateBytes: number;
  /** The deepest stack while a window runs. */
  readonly stackBytes: number;
  readonly source: string;
  /** How far the model was from the counts, in words. */
  readonly error: string;
};

const PRELIMINARY = "published counts of two shapes, before this runtime was counted";

export const FITTED: Readonly<Record<InstructionSet, Fitted>> = {
  "cortex-m4": preliminary(1.7, 18),
  rv32imc: preliminary(3.6, 27),
  aarch64: preliminary(1.2, 10),
};

function preliminary(mac: number, output: number): Fitted {
  const each: Coefficients = { mac, output, row: 0 };
  return {
    model: {
      window: { mac: 0, output: 0.5, row: 100 },
      stage: { mac: 0, output: 0, row: 200 },
      conv: each,
      pointwise: each,
      depthwise: each,
      gru: { mac, output: 6 * output, row: 100 },
      pool: { mac: 2, output, row: 0 },
      state: { mac: 0, output: 6, row: 0 },
      dense: each,
    },
    codeBytes: 6000,
    stateBytes: 120,
    stackBytes: 400,
    source: PRELIMINARY,
    error: "error not measured",
  };
}
