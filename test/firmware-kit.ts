/** What tests of the firmware share: which C files make up a program, and how it is watched. */

import { join } from "node:path";
import { FIRMWARE_FOLDER, firmwareFiles } from "../deploy/firmware/tools/toolchain.ts";

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
