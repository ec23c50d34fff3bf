/** `bellwether data`: what recordings there are, where more come from, and what is made of them. */

import { datasetFolder, findRecordings } from "../recordings/find.ts";
import { openDataset } from "../recordings/open.ts";
import { readRecordings } from "../recordings/read.ts";
import { clippedShare, makeWindows } from "../src/signal/make-windows.ts";
import type { Profile } from "../src/signal/profile.ts";
import { labelWindows, profileFor } from "../src/signal/profiles.ts";
import type { Recordings } from "../src/signal/recordings.ts";
import {
  type CommandInput,
  type CommandIo,
  type CommandSpec,
  EXIT,
  type OptionSpec,
} from "./command.ts";
import { emulateCommand, fitEmulatorCommand } from "./data-emulator.ts";
import { importCommand, pullCommand } from "./data-import.ts";

const DATA_OPTION: OptionSpec = {
  flags: "--data <dir>",
  description: "where data sets are (else BELLWETHER_DATA, ./recordings-data, ../shared/data)",
  kind: "text",
};

const listCommand: CommandSpec = {
  name: "list",
  summary: "list the data sets that are found",
  options: [DATA_OPTION],
  examples: ["bellwether data list", "bellwether data list --data /mnt/recordings --json"],
  run: runList,
};

const showCommand: CommandSpec = {
  name: "show",
  summary: "show a data set's subjects, labels and profile",
  arguments: [{ name: "<dataset>", description: "its name, as `data list` tells it" }],
  options: [DATA_OPTION],
  examples: ["bellwether data show cows"],
  run: runShow,
};

export const command: CommandSpec = {
  name: "data",
  summary: "import, pull and inspect recordings; fit the emulator",
  options: [],
  examples: [
    "bellwether data pull motionsense",
    "bellwether data import csv collar.csv --columns ax,ay,az,behaviour,cow --units g --rate 25",
    "bellwether data show cows",
  ],
  commands: [
    listCommand,
    showCommand,
    importCommand,
    pullCommand,
    fitEmulatorCommand,
    emulateCommand,
  ],
};

async function runList(input: CommandInput, io: CommandIo): Promise<number> {
  const found = findRecordings(input.text("data"));
  const rows = [];
  for (const dataset of found.datasets) {
    const recordings = await readRecordings(datasetFolder(found, dataset) ?? dataset);
    const { rateHz, subjects, labels } = recordings;
    const hours = recordings.samples.length / 3 / rateHz / 3600;
    rows.push({ dataset, rateHz, subjects: subjects.length, labels: labels.length, hours });
  }
  if (io.json) {
    io.printJson({ folder: found.folder, lookedAt: found.lookedAt, datasets: rows });
    return EXIT.ok;
  }
  if (found.folder === null) {
    io.print(`No recordings in ${found.lookedAt.join(", ")}.`);
    io.print("Get some: bellwether data pull motionsense, or bellwether data import --help");
    return EXIT.ok;
  }
  io.print(`In ${found.folder}`);
  for (const { dataset, rateHz, subjects, labels, hours } of rows) {
    const size = `${subjects} subjects, ${labels} labels, ${hours.toFixed(1)} h`;
    io.print(`  ${dataset.padEnd(16)} ${String(rateHz).padStart(5)} Hz  ${size}`);
  }
  return EXIT.ok;
}

async function runShow(input: CommandInput, io: CommandIo): Promise<number> {
  const dataset = input.arguments[0] ?? "";
  const recordings = await openDataset(dataset, input.text("data"));
  const profile = profileFor(recordings);
  const minutes = minutesByLabel(recordings);
  const windows = makeWindows(recordings, profile);
  const clipped = clippedShare(windows);
  if (io.json) {
    const { name, rateHz, subjects, about } = recordings;
    const bouts = new Set(windows.bouts).size;
    io.printJson({
      name,
      rateHz,
      subjects,
      about,
      minutesByLabel: Object.fromEntries(minutes),
      profile,
      windows: windows.count,
      bouts,
      clippedShare: clipped,
    });
    return EXIT.ok;
  }
  printDataset(io, recordings, minutes, profile);
  io.print(`  ${windows.count} windows in ${new Set(windows.bouts).size} bouts`);
  io.print(`  ${(100 * clipped).toFixed(2)} % of samples saturate`);
  return EXIT.ok;
}

function printDataset(
  io: CommandIo,
  recordings: Recordings,
  minutes: ReadonlyMap<string, number>,
  profile: Profile,
): void {
  io.print(`${recordings.name}: ${recordings.rateHz} Hz, ${recordings.segments.length} segments`);
  for (const [key, value] of Object.entries(recordings.about)) io.print(`  ${key}: ${value}`);
  io.print(`  subjects: ${recordings.subjects.join(", ")}`);
  io.print("");
  io.print(`${"label".padEnd(20)} minutes  class`);
  const windows = labelWindows(recordings, profile);
  for (const [label, value] of minutes) {
    const lack = windows.get(label)?.lack;
    const leftOut = lack === undefined ? "(left out)" : `(left out: ${lack})`;
    const className = profile.labelClass[label] ?? leftOut;
    io.print(`${label.padEnd(20)} ${value.toFixed(1).padStart(7)}  ${className}`);
  }
  const { name, rateHz, windowSamples, hopSamples, inputMilligPerStep } = profile;
  io.print("");
  io.print(`profile ${name}: ${rateHz} Hz, windows of ${windowSamples}, hop ${hopSamples}`);
  io.print(`  one int8 step is ${inputMilligPerStep} milli-g`);
}

function minutesByLabel(recordings: Recordings): Map<string, number> {
  const minutes = new Map(recordings.labels.map((label) => [label, 0]));
  for (const { label, length } of recordings.segments) {
    minutes.set(label, (minutes.get(label) ?? 0) + length / recordings.rateHz / 60);
  }
  return new Map([...minutes].sort(([, a], [, b]) => b - a));
}
