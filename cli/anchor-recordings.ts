/** Labelled recordings for a gateway's anchor set: real ones where some are found, else emulated. */

import type { Log } from "../gateway/broker/link.ts";
import { datasetFolder, findRecordings } from "../recordings/find.ts";
import { readRecordings } from "../recordings/read.ts";
import { readShippedEmulator } from "../recordings/shipped-emulator.ts";
import { emulateRecordings } from "../src/signal/emulate-recordings.ts";
import type { Recordings } from "../src/signal/recordings.ts";
import type { ProfileFolder } from "./profile-folder.ts";

const SEED = 1;
const SECONDS_PER_CLASS = 400;
const ANIMALS_PER_INDIVIDUAL = 2;

/** @throws EdgeError `no-emulator` and all of `readRecordings` */
export async function anchorRecordings(
  data: string | undefined,
  { profile, folder: models, dataset }: ProfileFolder,
  log: Log,
): Promise<Recordings> {
  const found = findRecordings(data);
  const folder = datasetFolder(found, dataset);
  if (folder !== null) {
    log("info", "anchor set from recordings", { folder });
    return readRecordings(folder);
  }
  log("warning", "no recordings found: the anchor set is emulated", {});
  return emulateRecordings(await readShippedEmulator(profile.name, models), profile, {
    seed: SEED,
    secondsPerClass: SECONDS_PER_CLASS,
    animalsPerIndividual: ANIMALS_PER_INDIVIDUAL,
  });
}
