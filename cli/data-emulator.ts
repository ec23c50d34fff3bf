/** `bellwether data fit-emulator` and `bellwether data emulate`: signals where nobody recorded any. */

import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { openDataset } from "../recordings/open.ts";
import { writeRecordings } from "../recordings/read.ts";
import { emulatorPath, readShippedEmulator } from "../recordings/shipped-emulator.ts";
import { EdgeError } from "../src/assert.ts";
import { emulateRecordings } from "../src/signal/emulate-recordings.ts";
import { fitEmulator } from "../src/signal/fit-emulator.ts";
import { profileFor } from "../src/signal/profiles.ts";
import { type CommandInput, type CommandIo, type CommandSpec, EXIT } from "./command.ts";
import { openProfile } from "./profile-folder.ts";

export const fitEmulatorCommand: CommandSpec = {
  name: "fit-emulator",
  summary: "fit the emulator's parameters to recordings",
  description:
    "Fits the emulator's parameters to recordings. Parameters are statistics of many windows;\n" +
    "no sample of a recording is among them. The shipped ones were made by the examples below.",
  arguments: [{ name: "<dataset>", description: "its name, as `data list` tells it" }],
  options: [
    { flags: "--data <dir>", description: "where data sets are", kind: "text" },
    { flags: "--subjects <a,b>", description: "fit these subjects only", kind: "list" },
    { flags: "--out <file>", description: "else profiles/<profile>/emulator.json", kind: "text" },
  ],
  examples: ["bellwether data fit-emulator cows", "bellwether data fit-emulator people"],
  run: runFit,
};

export const emulateCommand: CommandSpec = {
  name: "emulate",
  summary: "write emulated recordings",
  arguments: [
    { name: "<profile>", description: "cattle, people, or one whose emulator was fitted" },
  ],
  options: [
    {
      flags: "--data <dir>",
      description: "where they go",
      kind: "text",
      default: "recordings-data",
    },
    { flags: "--seed <number>", description: "of all chance", kind: "number", default: 1 },
    {
      flags: "--minutes <number>",
      description: "per animal and behaviour",
      kind: "number",
      default: 5,
      low: 0.1,
      high: 10_000,
    },
  ],
  examples: ["bellwether data emulate cattle --minutes 10"],
  run: runEmulate,
};

async function runFit(input: CommandInput, io: CommandIo): Promise<number> {
  const dataset = input.arguments[0] ?? "";
  const recordings = await openDataset(dataset, input.text("data"));
  const profile = profileFor(recordings);
  const subjects = input.list("subjects");
  const unknown = subjects.find((subject) => !recordings.subjects.includes(subject));
  if (unknown !== undefined) {
    throw new EdgeError({
      code: "recording-subject",
      message: `has no subject "${unknown}"`,
      where: `recordings ${recordings.name}`,
      hint: `Its subjects are ${recordings.subjects.join(", ")}.`,
    });
  }
  const progress = io.progress("fit");
  progress.update(`${profile.classes.length} behaviours`);
  const parameters = fitEmulator(recordings, profile, subjects.length > 0 ? { subjects } : {});
  progress.done();
  const path = input.text("out") ?? emulatorPath(profile.name);
  const text = `${JSON.stringify(parameters)}\n`;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  const individuals = parameters.individuals.length;
  if (io.json) io.printJson({ path, profile: profile.name, individuals, bytes: text.length });
  else io.print(`${path}: ${individuals} individuals, ${Math.ceil(text.length / 1024)} KiB`);
  return EXIT.ok;
}

async function runEmulate(input: CommandInput, io: CommandIo): Promise<number> {
  const { profile, folder: models } = openProfile(input.arguments[0] ?? "");
  const recordings = emulateRecordings(await readShippedEmulator(profile.name, models), profile, {
    seed: input.number("seed") ?? 1,
    secondsPerClass: (input.number("minutes") ?? 5) * 60,
  });
  const folder = join(input.text("data") ?? "recordings-data", recordings.name);
  await writeRecordings(folder, recordings);
  const segments = recordings.segments.length;
  if (io.json) io.printJson({ folder, subjects: recordings.subjects, segments });
  else io.print(`${folder}: ${recordings.subjects.length} emulated subjects, ${segments} bouts`);
  return EXIT.ok;
}
