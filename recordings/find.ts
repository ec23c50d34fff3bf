/** Where recordings are looked for, in order. Tells every place, so that people can see why none was
 * found. */

import { existsSync, readdirSync } from "node:fs";
import { basename, join, resolve } from "node:path";

export type FoundRecordings = {
  /** The folder that holds data sets as folders of their own, or null where there is none. */
  readonly folder: string | null;
  /** Names of the data sets in it, sorted. */
  readonly datasets: readonly string[];
  /** The places looked at, in order. */
  readonly lookedAt: readonly string[];
};

/**
 * Looks at `--data`, at `BELLWETHER_DATA`, in `./recordings-data` and in `../shared/data`. A place
 * counts when it holds at least one data set; `--data` and the variable, when given, are the only
 * places looked at. Either may also name a single data set's folder.
 */
export function findRecordings(
  option?: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
  workingFolder = process.cwd(),
): FoundRecordings {
  const lookedAt: string[] = [];
  for (const place of places(option, environment)) {
    const folder = resolve(workingFolder, place);
    lookedAt.push(folder);
    if (isDataset(folder)) {
      return { folder: resolve(folder, ".."), datasets: [basename(folder)], lookedAt };
    }
    const datasets = datasetsIn(folder);
    if (datasets.length > 0) return { folder, datasets, lookedAt };
  }
  return { folder: null, datasets: [], lookedAt };
}

/** The folder of one data set, or null when it was not found. */
export function datasetFolder(found: FoundRecordings, dataset: string): string | null {
  if (found.folder === null || !found.datasets.includes(dataset)) return null;
  return join(found.folder, dataset);
}

function places(
  option: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  if (option !== undefined) return [option];
  const variable = environment.BELLWETHER_DATA;
  if (variable !== undefined && variable !== "") return [variable];
  return ["recordings-data", "../shared/data"];
}

function isDataset(folder: string): boolean {
  return existsSync(join(folder, "segments.json")) && existsSync(join(folder, "acc.i16"));
}

function datasetsIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && isDataset(join(folder, entry.name)))
    .map((entry) => entry.name)
    .sort();
}
