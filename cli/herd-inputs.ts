/** The signal for the sensors of a herd. */

import type { Signal } from "../device-sim/herd.ts";
import { datasetFolder, findRecordings } from "../recordings/find.ts";
import { readRecordings } from "../recordings/read.ts";
import { readShippedEmulator } from "../recordings/shipped-emulator.ts";
import type { CommandInput, CommandIo } from "./command.ts";
import type { ProfileFolder } from "./profile-folder.ts";

/** Recordings where some are found, else the emulator; says which. Throws `EdgeError`
 * `no-emulator` and all of `readRecordings`. */
export async function chooseSignal(
  input: CommandInput,
  { profile, folder: models, dataset }: ProfileFolder,
  io: CommandIo,
): Promise<Signal> {
  const found = findRecordings(input.text("data"));
  const folder = datasetFolder(found, dataset);
  if (folder !== null) {
    io.note(`simulate: sensors replay the recordings in ${folder}`);
    const subjects = input.list("subjects");
    const recordings = await readRecordings(folder);
    return { kind: "recordings", recordings, ...(subjects.length > 0 ? { subjects } : {}) };
  }
  io.note("simulate: no recordings found, so sensors emulate animals");
  return { kind: "emulator", parameters: await readShippedEmulator(profile.name, models) };
}
