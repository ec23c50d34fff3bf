/** A data set by its name, from wherever recordings are found. */

import { EdgeError } from "../src/assert.ts";
import type { Recordings } from "../src/signal/recordings.ts";
import { datasetFolder, findRecordings } from "./find.ts";
import { readRecordings } from "./read.ts";

/**
 * The folder of a data set.
 *
 * @param data `--data`, as `findRecordings` takes it
 * @throws EdgeError `no-recordings` naming the places looked at and the data sets there are
 */
export function requireDataset(dataset: string, data: string | undefined): string {
  const found = findRecordings(data);
  const folder = datasetFolder(found, dataset);
  if (folder !== null) return folder;
  const known = found.datasets.length > 0 ? `There are ${found.datasets.join(", ")}. ` : "";
  throw new EdgeError({
    code: "no-recordings",
    message: `no data set "${dataset}"`,
    where: found.lookedAt.join(", "),
    hint: `${known}Give --data DIR, or get one with \`bellwether data pull motionsense\`.`,
  });
}

/** @throws EdgeError `no-recordings`, and all of `readRecordings` */
export async function openDataset(dataset: string, data: string | undefined): Promise<Recordings> {
  return readRecordings(requireDataset(dataset, data));
}
