/**
 * What a student costs on one processor, exit by exit: an estimate, never a measurement.
 *
 * Instructions come from a model that was fitted to exact counts of the C runtime; cycles, time and
 * energy from the target's constants, within its `uncertainty`. The processor alone: neither the gate
 * (some hundredths of the student), nor the sensor, nor a message over a radio is in it.
 */

import type { QuantizedStudent } from "../model/student.ts";
import { studentCost } from "../model/student-cost.ts";
import { FITTED } from "./fitted-sets.ts";
import { instructionsOf } from "./instruction-model.ts";
import { TARGETS, type TargetName } from "./targets.ts";

/** Up to and including the exit. */
export type ExitEstimate = {
  readonly instructions: number;
  readonly cycles: number;
  readonly milliseconds: number;
  readonly microjoules: number;
};

export type TargetEstimate = {
  readonly exits: readonly ExitEstimate[];
  /** Buffers of a window through all exits, the runtime's structs and its deepest stack. */
  readonly ramBytes: number;
  /** The container in one slot, and the code that runs it. */
  readonly flashBytes: number;
  /** Of what the processor has; the firmware around it takes its own share. */
  readonly ramShare: number;
  readonly flashShare: number;
};

/** So many instructions as cycles, time and energy. */
export function estimateOf(target: TargetName, instructions: number): ExitEstimate {
  const processor = TARGETS[target];
  const cyclesEach = processor.cyclesPerInstruction.value * processor.waitFactor.value;
  const milliwatt = processor.supplyVolt.value * processor.currentMilliampere.value;
  const cycles = Math.round(instructions * cyclesEach);
  const milliseconds = cycles / (1000 * processor.clockMhz.value);
  return { instructions, cycles, milliseconds, microjoules: milliseconds * milliwatt };
}

export function estimateOn(
  target: TargetName,
  student: QuantizedStudent,
  containerBytes: number,
): TargetEstimate {
  const processor = TARGETS[target];
  const { model, codeBytes, stateBytes, stackBytes } = FITTED[processor.instructionSet];
  const exits = instructionsOf(student, model).map((count) => estimateOf(target, count));
  const buffers = Math.max(...studentCost(student).map((exit) => exit.ramBytes));
  const ramBytes = buffers + stateBytes + stackBytes;
  const flashBytes = containerBytes + codeBytes;
  return {
    exits,
    ramBytes,
    flashBytes,
    ramShare: ramBytes / processor.ramBytes.value,
    flashShare: flashBytes / processor.flashBytes.value,
  };
}
