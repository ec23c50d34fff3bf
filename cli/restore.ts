/** `bellwether restore`: a data directory from a backup, where there is none. */

import path from "node:path";
import { restoreBackup } from "../gateway/store/backup.ts";
import { DATA_OPTIONS, namedDirectory } from "./access-data.ts";
import { type CommandInput, type CommandIo, type CommandSpec, EXIT } from "./command.ts";

export const command: CommandSpec = {
  name: "restore",
  summary: "a data directory from a backup; never over another one",
  description:
    "Makes the data directory from a backup after checking every file in it, or makes nothing.\n" +
    "Refuses where there is one already: stop the gateway and move that aside first. Run it as the\n" +
    "gateway's user.",
  arguments: [{ name: "<file>", description: "what `bellwether backup` has written" }],
  options: DATA_OPTIONS,
  examples: ["bellwether restore farm.tar.gz --data-dir ./farm"],
  run,
};

async function run(input: CommandInput, io: CommandIo): Promise<number> {
  const file = path.resolve(input.arguments[0] ?? "");
  const directory = namedDirectory(input);
  const { made, files } = await restoreBackup(file, directory);
  if (io.json) io.printJson({ data_directory: directory, made, files: files.length });
  else io.print(`${directory}: ${files.length} files as they were at ${made}`);
  return EXIT.ok;
}
