/** A model container, decoded: everything that a node needs to run one student. */
import type { QuantizedStudent } from "./student.ts";

export type Container = {
  readonly student: QuantizedStudent;
  /** Behaviour names in the order of the class index. */
  readonly classes: readonly string[];
  /** Which nodes it is for: `cohortOf(profile)`. */
  readonly cohort: string;
  readonly rateCentihertz: number;
  readonly hopSamples: number;
  readonly inputMilligPerStep: number;
  /** The gate's parameters, as `src/gate/gate-bytes.ts` encodes them. */
  readonly gate: Uint8Array;
};
