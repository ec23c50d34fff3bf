/** What tests of the firmware share: which C files make up a program, and how it is watched. */

import { join } from "node:path";
import { FIRMWARE_FOLDER, firmwareFiles } from "../deploy/firmware/tools/toolchain.ts";
import { until } from "./gateway-kit.ts";

/** For the host: every step out of bounds and every undefined operation ends the program. */
export const SANITIZED: readonly string[] = [
  "-O1",
  "-g",
  "-fsanitize=address,undefined",
  "-fno-sanitize-recover=all",
];

/** The same, with the firmware's headers. */
export const SANITIZERS: readonly string[] = [
  ...SANITIZED,
  ...["crypto", "runtime", "node"].map((name) => `-I${join(FIRMWARE_FOLDER, name)}`),
];

/** A program's own file, and every C file of the folders, which may depend on one another. */
export function firmwareSources(program: string, ...folders: readonly string[]): string[] {
  return [join(FIRMWARE_FOLDER, program), ...firmwareFiles(...folders)];
}

/** Windows arrive while something is waited for: a trial needs them, and an offload its doubt. */
export function untilFed(
  feed: (windows: number) => Promise<void>,
): (what: string, holds: () => boolean) => Promise<void> {
  return (what, holds) =>
    until(
      what,
      async () => {
        await feed(1);
        await new Promise((resolve) => setTimeout(resolve, 100));
        return holds();
      },
      20_000,
    );
}
