/**
 * One window through the student: stage by stage, until the gate lets an exit answer.
 *
 * Later stages are not run when the gate is satisfied. The outputs are views of the engine's
 * buffers, valid until the next window.
 */

import type { ExitOutput } from "../src/engine/engine.ts";
import { type GateDecision, gateExit, gateWindow } from "../src/gate/decide.ts";
import type { GateState } from "../src/gate/gate-state.ts";
import { type WindowStatistics, windowStatistics } from "../src/gate/window-statistics.ts";
import type { Prng } from "../src/prng.ts";
import type { Model } from "./models.ts";

export type Answer = {
  readonly decision: GateDecision;
  readonly exits: readonly ExitOutput[];
  readonly statistics: WindowStatistics;
};

/** @param window int8 `[time][channel]` */
export function decideWindow(
  model: Model,
  state: GateState,
  window: Int8Array,
  windowIndex: number,
  random: Prng,
): Answer {
  const { student, gate } = model;
  student.begin(window);
  const exits: ExitOutput[] = [student.nextExit()];
  while (gateExit(gate, state, exits) === "next") exits.push(student.nextExit());
  const statistics = windowStatistics(window, model.container.student.channels);
  const decision = gateWindow(gate, state, { exits, statistics, windowIndex }, random);
  return { decision, exits, statistics };
}
