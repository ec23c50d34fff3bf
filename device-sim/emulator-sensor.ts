/** A source for sensors where no recordings are at hand: an emulated animal that never ends. */

import type { Emulator } from "../src/signal/emulator.ts";
import { type SensorSource, UNKNOWN_CLASS } from "./sensor.ts";

/** @param classes the profile's behaviours, in order: what the truth is told in */
export function emulatorSource(emulator: Emulator, classes: readonly string[]): SensorSource {
  const toClass = emulator.classes.map((name) => {
    const index = classes.indexOf(name);
    return index < 0 ? UNKNOWN_CLASS : index;
  });
  return {
    rateHz: emulator.rateHz,
    next(count) {
      const emulated = emulator.next(count);
      const labels = Uint8Array.from(emulated.classes, (index) => toClass[index] ?? UNKNOWN_CLASS);
      return [{ seam: false, samples: emulated.samples, classes: labels }];
    },
  };
}
