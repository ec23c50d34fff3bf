/** The emulator parameters beside the models of a profile. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { EdgeError } from "../src/assert.ts";
import {
  type EmulatorParameters,
  parseEmulatorParameters,
} from "../src/signal/emulator-parameters.ts";

const PROFILES = fileURLToPath(new URL("../profiles", import.meta.url));

/** Where a profile's parameters lie, whether there are any or not. */
export function emulatorPath(profileName: string): string {
  return join(PROFILES, profileName, "emulator.json");
}

/**
 * @param folder of the models, where the profile is not one that ships
 * @throws EdgeError `no-emulator`, `emulator-parameters`
 */
export async function readShippedEmulator(
  profileName: string,
  folder = join(PROFILES, profileName),
): Promise<EmulatorParameters> {
  const path = join(folder, "emulator.json");
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch {
    throw new EdgeError({
      code: "no-emulator",
      message: `the profile ${profileName} has no emulator`,
      where: path,
      hint: "Say where its recordings are with --data, or fit an emulator to them with `bellwether data fit-emulator`.",
    });
  }
  return parseEmulatorParameters(text, path);
}
