/**
 * A node's battery: what it had, and what inference, radio and rest have taken from it.
 *
 * Energies are estimates of `src/cost` and `src/link`, no better than those. Cells age, freeze and
 * sag; this one does not.
 */

import { encoderOn } from "../src/cost/encoder-on-target.ts";
import { estimateOn, type ExitEstimate } from "../src/cost/student-on-target.ts";
import type { LinkProfile } from "../src/link/link-profile.ts";
import type { ModelId } from "../src/wire/messages.ts";
import type { Model, ModelTools } from "./models.ts";
import type { Decided } from "./node-types.ts";

export type Battery = {
  readonly capacityMicrojoules: number;
  readonly restMicrowatts: number;
  /** By model, what a window costs up to and including each exit. */
  readonly exits: Map<ModelId, readonly ExitEstimate[]>;
  /** And what making codes of one costs, where it has an encoder. */
  readonly encoders: Map<ModelId, number>;
  readonly spent: { inference: number; radio: number; rest: number };
  lastMs: number;
};

/** mAh at the volt of a lithium cell. */
const CELL_VOLT = 3;

export function createBattery(
  profile: LinkProfile,
  milliampereHours: number,
  nowMs: number,
): Battery {
  return {
    capacityMicrojoules: milliampereHours * 3600 * CELL_VOLT * 1000,
    restMicrowatts: profile.restMicrowatts,
    exits: new Map(),
    encoders: new Map(),
    spent: { inference: 0, radio: 0, rest: 0 },
    lastMs: nowMs,
  };
}

/** Notes what a model costs when a node loads it. */
export function meteredLoad(
  battery: Battery,
  profile: LinkProfile,
  load: ModelTools["load"],
): ModelTools["load"] {
  return (container): Model => {
    const model = load(container);
    if (!battery.exits.has(model.modelId)) {
      const { student, encoder } = model.container;
      const { exits } = estimateOn(profile.target, student, container.length);
      battery.exits.set(model.modelId, exits);
      if (encoder !== undefined) {
        battery.encoders.set(model.modelId, encoderOn(profile.target, encoder).microjoules);
      }
    }
    return model;
  };
}

/** One window that ended at this exit, and of which codes may have been made. */
export function spendOnWindow(
  battery: Battery,
  { modelId, exit, form }: Pick<Decided, "modelId" | "exit" | "form">,
): void {
  battery.spent.inference += battery.exits.get(modelId)?.[exit]?.microjoules ?? 0;
  if (form === "features") battery.spent.inference += battery.encoders.get(modelId) ?? 0;
}

export function spendOnRadio(battery: Battery, microjoules: number): void {
  battery.spent.radio += microjoules;
}

/** Time passes; milliseconds times microwatts are nanojoules. */
export function spendOnRest(battery: Battery, nowMs: number): void {
  const passedMs = Math.max(0, nowMs - battery.lastMs);
  battery.lastMs = Math.max(battery.lastMs, nowMs);
  battery.spent.rest += (passedMs * battery.restMicrowatts) / 1000;
}

export function spentMicrojoules({ spent }: Battery): number {
  return spent.inference + spent.radio + spent.rest;
}

/** 0 to 100, as a report tells it. An empty battery goes on at 0: a simulated node does not die. */
export function batteryPercent(battery: Battery): number {
  const left = 1 - spentMicrojoules(battery) / battery.capacityMicrojoules;
  return Math.max(0, Math.min(100, Math.round(100 * left)));
}
