/** `bellwether data import …` and `bellwether data pull …`: recordings from elsewhere. */

import { join } from "node:path";
import { importMotionSense, type LayoutImport } from "../recordings/import-motionsense.ts";
import { importWaspCow } from "../recordings/import-wasp-cow.ts";
import { pull, SOURCES } from "../recordings/pull.ts";
import type { Recordings } from "../src/signal/recordings.ts";
import { type CommandInput, type CommandIo, type CommandSpec, EXIT } from "./command.ts";
import { csvCommand, windowsCommand } from "./data-import-csv.ts";
import {
  DEFAULT_FOLDER,
  megabytes,
  nameOption,
  refuseToReplace,
  reportRecordings,
  storeRecordings,
  TARGET_OPTIONS,
} from "./store-recordings.ts";

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
    await storeRecordings(input, io, recordings, {});
    return EXIT.ok;
  },
});

export const importCommand: CommandSpec = {
  name: "import",
  summary: "import recordings: CSV files, windows, MotionSense, the WASP cow collars",
  options: [],
  examples: csvCommand.examples,
  commands: [
    csvCommand,
    windowsCommand,
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
  reportRecordings(io, pulled.recordings, pulled.folder, {
    sha256: pulled.sha256,
    trust: pulled.trust,
  });
  return EXIT.ok;
}
