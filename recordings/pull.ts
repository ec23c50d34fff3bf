/**
 * Fetches a published data set from where its authors publish it, and imports it.
 *
 * The hash of an archive is pinned at its first use in `sources.json` beside the data sets, in the
 * manner of a lock file, because its authors publish none. Who knows the hash gives it with
 * `--sha256`; afterwards a changed archive is refused.
 */

import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { EdgeError } from "../src/assert.ts";
import type { Recordings } from "../src/signal/recordings.ts";
import { type DownloadProgress, download, sha256Of } from "./download.ts";
import { importMotionSense } from "./import-motionsense.ts";
import { writeRecordings } from "./read.ts";
import { unzip } from "./unzip.ts";

export type Source = {
  readonly name: string;
  /** The data set's folder and name once imported. */
  readonly dataset: string;
  readonly url: string;
  readonly licence: string;
  readonly about: string;
};

export const SOURCES: readonly Source[] = [
  {
    name: "motionsense",
    dataset: "people",
    url: "https://github.com/mmalekzadeh/motion-sense/raw/master/data/A_DeviceMotion_data.zip",
    licence: "MIT, (c) 2018 Mohammad Malekzadeh",
    about: "24 people, 6 activities, phone in the front trouser pocket, 50 Hz",
  },
];

export type PullRequest = {
  readonly source: string;
  /** Where data sets live; the archive is kept in `.archives` in it. */
  readonly folder: string;
  readonly url?: string | undefined;
  readonly sha256?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onDownload?: (progress: DownloadProgress) => void;
  readonly onStep?: (step: "unpack" | "import", done: number, total: number) => void;
  /** Passed on to `download`; tests wait less. */
  readonly retries?: number;
  readonly firstPauseMs?: number;
};

export type Pulled = {
  readonly recordings: Recordings;
  /** The data set's folder. */
  readonly folder: string;
  readonly sha256: string;
  /** `given` by the caller, `pinned` by an earlier pull, or `first-use`: taken as it came. */
  readonly trust: "given" | "pinned" | "first-use";
};

/** @throws EdgeError `unknown-source`, all of `download`, `unzip` and the importer */
export async function pull(request: PullRequest): Promise<Pulled> {
  const source = findSource(request.source);
  const url = request.url ?? source.url;
  const archives = join(request.folder, ".archives");
  const archive = join(archives, `${source.name}.zip`);
  await mkdir(archives, { recursive: true });
  const pins = await readPins(request.folder);
  const pinned = pins[source.name]?.url === url ? pins[source.name]?.sha256 : undefined;
  const expected = request.sha256 ?? pinned;
  const present = await presentHash(archive);
  let sha256 = present;
  if (sha256 === null || expected === undefined || sha256 !== expected.toLowerCase()) {
    sha256 = (
      await download({
        url,
        path: archive,
        sha256: expected,
        signal: request.signal,
        ...(request.onDownload && { onProgress: request.onDownload }),
        ...(request.retries !== undefined && { retries: request.retries }),
        ...(request.firstPauseMs !== undefined && { firstPauseMs: request.firstPauseMs }),
      })
    ).sha256;
  }
  const recordings = await unpackAndImport(request, source, archive);
  const folder = join(request.folder, source.dataset);
  await writeRecordings(folder, recordings);
  await writePins(request.folder, { ...pins, [source.name]: { url, sha256 } });
  const trust =
    request.sha256 !== undefined ? "given" : pinned !== undefined ? "pinned" : "first-use";
  return { recordings, folder, sha256, trust };
}

function findSource(name: string): Source {
  const source = SOURCES.find((candidate) => candidate.name === name);
  if (source !== undefined) return source;
  throw new EdgeError({
    code: "unknown-source",
    message: `there is no published data set "${name}"`,
    where: "data pull",
    hint: `Known: ${SOURCES.map((known) => known.name).join(", ")}. Others are imported with \`bellwether data import\`.`,
  });
}

async function presentHash(archive: string): Promise<string | null> {
  try {
    return await sha256Of(archive);
  } catch {
    return null;
  }
}

async function unpackAndImport(
  request: PullRequest,
  source: Source,
  archive: string,
): Promise<Recordings> {
  const unpacked = join(request.folder, ".archives", source.name);
  await rm(unpacked, { recursive: true, force: true });
  try {
    await unzip({
      archive,
      folder: unpacked,
      pathOf: motionSensePath,
      onProgress: (done, total) => request.onStep?.("unpack", done, total),
    });
    const recordings = await importMotionSense({
      folder: unpacked,
      name: source.dataset,
      onProgress: (done, total) => request.onStep?.("import", done, total),
    });
    return { ...recordings, about: { ...recordings.about, licence: source.licence } };
  } finally {
    await rm(unpacked, { recursive: true, force: true });
  }
}

/** Only the trials, wherever the archive puts its root; the rest (`__MACOSX`, …) is left out. */
function motionSensePath(entryName: string): string | null {
  const match = /(?:^|\/)A_DeviceMotion_data\/([a-z]+_\d+)\/(sub_\d+\.csv)$/.exec(entryName);
  return match === null || entryName.startsWith("__MACOSX")
    ? null
    : `A_DeviceMotion_data/${match[1]}/${match[2]}`;
}

const pinsSchema = z.record(
  z.string(),
  z.object({ url: z.string(), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
);
type Pins = z.infer<typeof pinsSchema>;

async function readPins(folder: string): Promise<Pins> {
  const path = join(folder, "sources.json");
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch {
    return {};
  }
  const parsed = pinsSchema.safeParse(safeJson(text));
  if (parsed.success) return parsed.data;
  throw new EdgeError({
    code: "pins",
    message: "is damaged",
    where: path,
    hint: "Delete it to trust the next archive at first use again.",
  });
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function writePins(folder: string, pins: Pins): Promise<void> {
  const path = join(folder, "sources.json");
  await writeFile(`${path}.new`, `${JSON.stringify(pins, null, 2)}\n`);
  await rename(`${path}.new`, path);
}
