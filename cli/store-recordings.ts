/** Where imported recordings go, and what is said of them. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { emptyLabels } from "../recordings/label-names.ts";
import { writeRecordings } from "../recordings/read.ts";
import { EdgeError } from "../src/assert.ts";
import type { Recordings } from "../src/signal/recordings.ts";
import type { CommandInput, CommandIo, OptionSpec } from "./command.ts";

export const DEFAULT_FOLDER = "recordings-data";

export const TARGET_OPTIONS: readonly OptionSpec[] = [
  {
    flags: "--data <dir>",
    description: "where the data set goes, in a folder of its own",
    kind: "text",
    default: DEFAULT_FOLDER,
  },
  { flags: "--replace", description: "replace a data set of that name", kind: "flag" },
];

export const nameOption = (name?: string): OptionSpec => ({
  flags: "--name <name>",
  description: "what the data set shall be called",
  kind: "text",
  ...(name === undefined ? {} : { default: name }),
});

export async function storeRecordings(
  input: CommandInput,
  io: CommandIo,
  recordings: Recordings,
  more: Readonly<Record<string, number>>,
): Promise<void> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(recordings.name)) {
    throw new EdgeError({
      code: "usage",
      message: `"${recordings.name}" cannot be the name of a folder`,
      where: "--name",
      hint: "Use letters, digits, dashes and dots.",
    });
  }
  const folder = join(input.text("data") ?? DEFAULT_FOLDER, recordings.name);
  refuseToReplace(folder, input.flag("replace"));
  await writeRecordings(folder, recordings);
  reportRecordings(io, recordings, folder, more);
}

export function refuseToReplace(folder: string, replace: boolean): void {
  if (replace || !existsSync(join(folder, "segments.json"))) return;
  throw new EdgeError({
    code: "dataset-exists",
    message: "there is a data set already",
    where: folder,
    hint: "Pass --replace, or choose another --name or --data.",
  });
}

export function reportRecordings(
  io: CommandIo,
  recordings: Recordings,
  folder: string,
  more: Readonly<Record<string, number | string>>,
): void {
  const samples = recordings.samples.length / 3;
  const { subjects, labels, segments, rateHz } = recordings;
  if (io.json) {
    io.printJson({ folder, rateHz, samples, segments: segments.length, subjects, labels, ...more });
    return;
  }
  const hours = (samples / rateHz / 3600).toFixed(2);
  io.print(`${folder}: ${hours} h at ${rateHz} Hz, ${segments.length} segments`);
  io.print(`  subjects: ${subjects.join(", ")}`);
  io.print(`  labels:   ${minutesText(recordings)}`);
  for (const note of notesOn(more, labels)) io.note(note);
}

function minutesText({ labels, segments, rateHz }: Recordings): string {
  const text = labels.map((label) => {
    const own = segments.filter((segment) => segment.label === label);
    const samples = own.reduce((sum, { length }) => sum + length, 0);
    return `${label} ${(samples / rateHz / 60).toFixed(1)} min`;
  });
  return text.join(", ");
}

/** What was left out or put in, and what looks as if it should be. */
function notesOn(
  more: Readonly<Record<string, number | string>>,
  labels: readonly string[],
): readonly string[] {
  const notes: string[] = [];
  const note = (key: string, text: string): void => {
    if (Number(more[key] ?? 0) > 0) notes.push(`${more[key]} ${text}`);
  };
  note("skippedRows", "rows were left out: no numbers, or a time that repeats or goes back");
  note("unlabelledRows", "rows without a label were left out");
  note("gaps", "gaps in time ended a segment; --fill draws lines over short ones");
  note("filledSamples", "samples were drawn as lines over short holes");
  note("joinedWindows", "windows overlapped the one before and were put together with it");
  for (const label of emptyLabels(labels)) {
    notes.push(`"${label}" is taken for a behaviour; --labels ${label}=- leaves it out`);
  }
  return notes;
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
