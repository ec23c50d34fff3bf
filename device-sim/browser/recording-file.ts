/**
 * A recording that somebody has chosen in the browser, read as the importers read it and played to the
 * node: a data set's own two files, or one CSV.
 */

import { csvRows } from "../../recordings/csv-lines.ts";
import { type CsvSource, importCsvSources } from "../../recordings/csv-samples.ts";
import type { AccelerationUnit } from "../../recordings/recording-builder.ts";
import { EdgeError } from "../../src/assert.ts";
import type { Profile } from "../../src/signal/profile.ts";
import { SHIPPED_PROFILES } from "../../src/signal/profiles.ts";
import { parseRecordings } from "../../src/signal/recording-bytes.ts";
import type { Recordings } from "../../src/signal/recordings.ts";
import { replaySource } from "../replay-sensor.ts";
import type { SensorSource } from "../sensor.ts";

export type CsvAnswers = {
  /** `x,y,z[,label[,subject[,time]]]`, `-` for none. */
  readonly columns: string;
  readonly units: AccelerationUnit;
  /** Undefined where a column of time says it. */
  readonly rateHz: number | undefined;
};

/** All of it is kept in memory: an hour at 100 Hz is some 20 MB as text. */
const MOST_BYTES = 256 * 1024 * 1024;

/** Throws `EdgeError` `recording-file`, and those of the importers. */
export async function readRecording(
  files: readonly File[],
  answers: CsvAnswers,
): Promise<Recordings> {
  if (files.length === 0) throw refused("no file is chosen");
  if (files.some(({ size }) => size > MOST_BYTES)) throw refused("that file is over 256 MB");
  const samples = files.find(({ name }) => name.endsWith(".i16"));
  const header = files.find(({ name }) => name.endsWith(".json"));
  if (samples !== undefined && header !== undefined) {
    const bytes = new Uint8Array(await samples.arrayBuffer());
    return parseRecordings(await header.text(), bytes, samples.name);
  }
  if (samples !== undefined || header !== undefined) {
    throw refused("acc.i16 and segments.json belong together: choose both");
  }
  const { recordings } = await importCsvSources(files.map(sourceOf), {
    columns: answers.columns.split(","),
    units: answers.units,
    rateHz: answers.rateHz,
    // For files without such a column; those with one name it.
    label: "recording",
    name: "recording",
  });
  return recordings;
}

function sourceOf(file: File): CsvSource {
  return {
    name: file.name,
    where: file.name,
    bytes: file.size,
    rows: (onBytes) => csvRows(chunksOf(file), file.name, onBytes),
  };
}

/** Not every browser's streams can be gone through with `for await`. */
async function* chunksOf(file: File): AsyncGenerator<Uint8Array> {
  const reader = file.stream().getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

/**
 * The recording, again and again, at the node's rate. Labels that the profile does not know are played
 * all the same; what is true then is not known.
 *
 * @param node what the node's model is made for
 * @throws EdgeError `replay-empty`
 */
export function recordingSource(
  recordings: Recordings,
  node: Omit<Profile, "labelClass">,
): SensorSource {
  const known = SHIPPED_PROFILES.find(({ name }) => name === node.name)?.labelClass ?? {};
  const labelClass = Object.fromEntries(
    recordings.labels.map((label) => [label, known[label] ?? label]),
  );
  return replaySource(recordings, { ...node, labelClass }, { order: "recorded", seed: 0 });
}

function refused(message: string): EdgeError {
  return new EdgeError({
    code: "recording-file",
    message,
    where: "file",
    hint: "Choose a CSV with one sample a row, or the acc.i16 and segments.json of a data set.",
  });
}
