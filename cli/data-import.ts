/** `bellwether data import …` and `bellwether data pull …`: recordings from elsewhere. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { TIME_UNITS, type TimeUnit } from "../recordings/csv-time.ts";
import { importCsv } from "../recordings/import-csv.ts";
import { importMotionSense, type LayoutImport } from "../recordings/import-motionsense.ts";
import { importWaspCow } from "../recordings/import-wasp-cow.ts";
import { pull, SOURCES } from "../recordings/pull.ts";
import { writeRecordings } from "../recordings/read.ts";
import { type AccelerationUnit, MILLIG_PER_UNIT } from "../recordings/recording-builder.ts";
import { EdgeError } from "../src/assert.ts";
import type { Recordings } from "../src/signal/recordings.ts";
import {
  type CommandInput,
  type CommandIo,
  type CommandSpec,
  EXIT,
  type OptionSpec,
} from "./command.ts";

const DEFAULT_FOLDER = "recordings-data";

const TARGET_OPTIONS: readonly OptionSpec[] = [
  {
    flags: "--data <dir>",
    description: "where the data set goes, in a folder of its own",
    kind: "text",
    default: DEFAULT_FOLDER,
  },
  { flags: "--replace", description: "replace a data set of that name", kind: "flag" },
];

const nameOption = (name?: string): OptionSpec => ({
  flags: "--name <name>",
  description: "what the data set shall be called",
  kind: "text",
  ...(name === undefined ? {} : { default: name }),
});

const csvCommand: CommandSpec = {
  name: "csv",
  summary: "import CSV files with one sample a row",
  description:
    "Imports CSV files with one sample a row.\n\n" +
    "Columns are named as in the header, or by number from 1 where there is none; - is for a column\n" +
    "that is not there. With a column of time the rate may be left out, and gaps end a segment.",
  arguments: [{ name: "<files...>", description: "one file or more, of one layout" }],
  options: [
    {
      flags: "--columns <x,y,z[,label,subject,time]>",
      description: "which columns hold the axes, the label, who wore it, and the time",
      kind: "list",
    },
    {
      flags: "--units <unit>",
      description: "of the axes",
      kind: "text",
      choices: Object.keys(MILLIG_PER_UNIT),
    },
    {
      flags: "--rate <hertz>",
      description: "samples a second",
      kind: "number",
      low: 0.5,
      high: 1000,
    },
    {
      flags: "--time-unit <unit>",
      description: "of a time column that does not count from 1970",
      kind: "text",
      choices: Object.keys(TIME_UNITS),
    },
    { flags: "--label <label>", description: "for files without such a column", kind: "text" },
    {
      flags: "--subject <name>",
      description: "for files without such a column (else the file's name)",
      kind: "text",
    },
    {
      flags: "--skip-bad-rows",
      description: "end the segment at a bad row and go on",
      kind: "flag",
    },
    { flags: "--any-magnitude", description: "let signals without gravity pass", kind: "flag" },
    nameOption(),
    ...TARGET_OPTIONS,
  ],
  examples: [
    "bellwether data import csv goats.csv --columns ax,ay,az,behaviour,goat --units g --rate 50 --name goats",
    "bellwether data import csv day1.csv day2.csv --columns 2,3,4,6,-,1 --units m/s2 --name herd",
  ],
  run: runCsv,
};

const layoutCommand = (
  name: string,
  dataset: string,
  what: string,
  importer: (request: LayoutImport) => Promise<Recordings>,
): CommandSpec => ({
  name,
  summary: `import ${what}`,
  arguments: [{ name: "<dir>", description: "the folder that was unpacked or cloned" }],
  options: [nameOption(dataset), ...TARGET_OPTIONS],
  examples: [`bellwether data import ${name} ~/downloads/${name}`],
  run: async (input, io) => {
    const progress = io.progress("import");
    const recordings = await importer({
      folder: input.arguments[0] ?? "",
      name: input.text("name") ?? dataset,
      onProgress: (files, total) => progress.update(`${files} of ${total} files`, files / total),
    });
    progress.done();
    await store(input, io, recordings, {});
    return EXIT.ok;
  },
});

export const importCommand: CommandSpec = {
  name: "import",
  summary: "import recordings: a CSV, MotionSense, the WASP cow collars",
  options: [],
  examples: csvCommand.examples,
  commands: [
    csvCommand,
    layoutCommand(
      "motionsense",
      "people",
      "MotionSense, the folder that holds A_DeviceMotion_data",
      importMotionSense,
    ),
    layoutCommand("wasp-cow", "cows", "the WASP cow collars, a clone of their CSVs", importWaspCow),
  ],
};

export const pullCommand: CommandSpec = {
  name: "pull",
  summary: "download a published data set and import it",
  description: [
    "Downloads a published data set and imports it. Interrupted, it goes on where it stopped.",
    ...SOURCES.map(
      ({ name, about, licence, url }) => `${name}: ${about} (${licence}), from ${url}`,
    ),
  ].join("\n\n"),
  arguments: [{ name: "<source>", description: SOURCES.map((source) => source.name).join(", ") }],
  options: [
    { flags: "--url <url>", description: "another place for the same archive", kind: "text" },
    {
      flags: "--sha256 <hex>",
      description: "what the archive must hash to; else what it hashed to at its first pull",
      kind: "text",
    },
    ...TARGET_OPTIONS,
  ],
  examples: [
    "bellwether data pull motionsense",
    "bellwether data pull motionsense --data /mnt/data",
  ],
  run: runPull,
};

async function runCsv(input: CommandInput, io: CommandIo): Promise<number> {
  const units = needed(input, "units", "Give --units g, mg or m/s2.");
  const name = needed(input, "name", "Give the data set a name: --name goats.");
  const columns = input.list("columns");
  if (columns.length === 0) throw missing("--columns", "Name them: --columns x,y,z,label,subject.");
  const progress = io.progress("import");
  const imported = await importCsv({
    files: input.arguments.filter((file) => file !== undefined),
    columns,
    units: units as AccelerationUnit,
    rateHz: input.number("rate"),
    timeUnit: input.text("time-unit") as TimeUnit | undefined,
    label: input.text("label"),
    subject: input.text("subject"),
    name,
    skipBadRows: input.flag("skip-bad-rows"),
    anyMagnitude: input.flag("any-magnitude"),
    onProgress: (bytes, total) => {
      progress.update(`${megabytes(bytes)} of ${megabytes(total)}`, bytes / Math.max(1, total));
    },
  });
  progress.done();
  const { recordings, skippedRows, unlabelledRows, gaps } = imported;
  await store(input, io, recordings, { skippedRows, unlabelledRows, gaps });
  return EXIT.ok;
}

async function runPull(input: CommandInput, io: CommandIo): Promise<number> {
  const source = SOURCES.find((known) => known.name === input.arguments[0]);
  const folder = input.text("data") ?? DEFAULT_FOLDER;
  if (source !== undefined) refuseToReplace(join(folder, source.dataset), input.flag("replace"));
  const progress = io.progress("pull");
  const pulled = await pull({
    source: input.arguments[0] ?? "",
    folder,
    url: input.text("url"),
    sha256: input.text("sha256"),
    signal: io.signal,
    onDownload: ({ bytes, total, retrying }) => {
      if (retrying !== undefined)
        io.note(`pull: ${retrying}; trying again from ${megabytes(bytes)}`);
      else if (total === undefined) progress.update(megabytes(bytes));
      else progress.update(`${megabytes(bytes)} of ${megabytes(total)}`, bytes / total);
    },
    onStep: (step, done, total) => progress.update(`${step} ${done} of ${total}`, done / total),
  });
  progress.done();
  if (pulled.trust === "first-use") {
    io.note(`pull: trusted at first use and pinned: SHA-256 ${pulled.sha256}`);
  }
  report(io, pulled.recordings, pulled.folder, { sha256: pulled.sha256, trust: pulled.trust });
  return EXIT.ok;
}

async function store(
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
  report(io, recordings, folder, more);
}

function refuseToReplace(folder: string, replace: boolean): void {
  if (replace || !existsSync(join(folder, "segments.json"))) return;
  throw new EdgeError({
    code: "dataset-exists",
    message: "there is a data set already",
    where: folder,
    hint: "Pass --replace, or choose another --name or --data.",
  });
}

function report(
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
  io.print(`  labels:   ${labels.join(", ")}`);
  const { skippedRows, unlabelledRows, gaps } = more;
  if (Number(skippedRows) > 0) io.note(`${skippedRows} rows were skipped: values are no numbers`);
  if (Number(unlabelledRows) > 0) io.note(`${unlabelledRows} rows without a label were left out`);
  if (Number(gaps) > 0) io.note(`${gaps} gaps in time ended a segment`);
}

function needed(input: CommandInput, name: string, hint: string): string {
  const value = input.text(name);
  if (value !== undefined) return value;
  throw missing(`--${name}`, hint);
}

function missing(where: string, hint: string): EdgeError {
  return new EdgeError({ code: "usage", message: "is needed", where, hint });
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
