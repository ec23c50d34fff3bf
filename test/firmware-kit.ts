/** What tests of the firmware share: which C files make up a program, and how it is watched. */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { FIRMWARE_FOLDER } from "../deploy/firmware/tools/toolchain.ts";

/** For the host: every step out of bounds and every undefined operation ends the program. */
export const SANITIZERS: readonly string[] = [
  "-O1",
  "-g",
  "-fsanitize=address,undefined",
  "-fno-sanitize-recover=all",
  ...["crypto", "runtime", "node"].map((name) => `-I${join(FIRMWARE_FOLDER, name)}`),
];

/** A program's own file, and every C file of the folders, which may depend on one another. */
export function firmwareSources(program: string, ...folders: readonly string[]): string[] {
  const files = folders.flatMap((name) =>
    readdirSync(join(FIRMWARE_FOLDER, name))
      .filter((file) => file.endsWith(".c"))
      .map((file) => join(FIRMWARE_FOLDER, name, file)),
  );
  return [join(FIRMWARE_FOLDER, program), ...files];
}
