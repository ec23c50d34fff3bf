/** `bellwether backup`: a data directory as one file, while a gateway runs on it. */

import path from "node:path";
import { parseConfig } from "../gateway/config/config.ts";
import { makeBackup } from "../gateway/store/backup.ts";
import { DATA_OPTIONS, dataDirectory } from "./access-data.ts";
import { type CommandInput, type CommandIo, type CommandSpec, EXIT } from "./command.ts";

export const command: CommandSpec = {
  name: "backup",
  summary: "a data directory as one file, while a gateway runs on it",
  description:
    "Writes a new file, mode 0600, with everything that must survive: label log, credentials,\n" +
    "release key, registry, anchor set, certificates. What was acknowledged before the command began\n" +
    "is in it. It holds private keys: keep it as you keep them.",
  arguments: [{ name: "<file>", description: "where to write it; must not be there yet" }],
  options: DATA_OPTIONS,
  examples: ["bellwether backup farm.tar.gz --data-dir ./farm"],
  run,
};

async function run(input: CommandInput, io: CommandIo): Promise<number> {
  const file = path.resolve(input.arguments[0] ?? "");
  const { version } = parseConfig("", "bellwether.yaml", {});
  const manifest = await makeBackup(dataDirectory(input), file, { nowMs: Date.now(), version });
  const bytes = manifest.files.reduce((sum, one) => sum + one.bytes, 0);
  if (io.json) io.printJson({ file, made: manifest.made, files: manifest.files.length, bytes });
  else io.print(`${file}: ${manifest.files.length} files, ${bytes} bytes before compression`);
  return EXIT.ok;
}
