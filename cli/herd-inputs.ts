/** The signal for the sensors of a herd. */

import type { Signal } from "../device-sim/herd.ts";
import { datasetFolder, findRecordings } from "../recordings/find.ts";
import { readRecordings } from "../recordings/read.ts";
import { readShippedEmulator } from "../recordings/shipped-emulator.ts";
import type { Profile } from "../src/signal/profile.ts";
import type { CommandInput, CommandIo } from "./command.ts";

/** Which data set a profile's herd replays. */
const DATASET_OF: Readonly<Record<string, string>> = {
  cattle: "cows",
  "cattle-four": "cows",
  people: "people",
  watch: "watch",
};

/** Recordings where some are found, else the emulator; says which. Throws `EdgeError`
 * `no-emulator` and all of `readRecordings`. */
export async function chooseSignal(
  input: CommandInput,
  profile: Profile,
  io: CommandIo,
): Promise<Signal> {
  const found = findRecordings(input.text("data"));
  const folder = datasetFolder(found, DATASET_OF[profile.name] ?? profile.name);
  if (folder !== null) {
    io.note(`simulate: sensors replay the recordings in ${folder}`);
    const subjects = input.list("subjects");
    const recordings = await readRecordings(folder);
    return { kind: "recordings", recordings, ...(subjects.length > 0 ? { subjects } : {}) };
  }
  io.note("simulate: no recordings found, so sensors emulate animals");
  return { kind: "emulator", parameters: await readShippedEmulator(profile.name) };
}
