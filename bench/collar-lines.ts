/** An emulated cow's samples as a device writes them: `t,x,y,z`, milliseconds and milli-g. */

import { readShippedEmulator } from "../recordings/shipped-emulator.ts";
import { createEmulator } from "../src/signal/emulator.ts";
import { AXES } from "../src/signal/recordings.ts";

export async function collarLines(count: number, seed: number): Promise<readonly string[]> {
  const emulator = createEmulator(await readShippedEmulator("cattle"), { seed, name: "collar" });
  const { samples } = emulator.next(count);
  return Array.from({ length: count }, (_, i) =>
    [(i * 1000) / emulator.rateHz, ...samples.subarray(i * AXES, (i + 1) * AXES)].join(","),
  );
}
