/**
 * What is known of the C runtime's interpreter on one instruction set: its instruction model, and what
 * it takes beside a student's own buffers. The values are in `fitted-sets.ts`.
 */

import type { InstructionModel } from "./instruction-model.ts";

export type Fitted = {
  readonly model: InstructionModel;
  /** Code and constants that run a student, and those that check a container at load. */
  readonly codeBytes: number;
  /** The structs of a loaded model and a run. */
  readonly stateBytes: number;
  /** The deepest stack while a window runs. */
  readonly stackBytes: number;
  /** Where the instructions were counted. */
  readonly counted: string;
  /** Of the instructions up to an exit, on students that the model was not fitted to. */
  readonly errorMedian: number;
  readonly errorWorst: number;
};
