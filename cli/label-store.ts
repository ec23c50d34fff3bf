/** The store of a gateway, running or not, as commands that change nothing read it. */

import { existsSync } from "node:fs";
import path from "node:path";
import { LABEL_LOG_FILE } from "../gateway/store/label-log.ts";
import { type LabelReader, openLabelReader } from "../gateway/store/label-reader.ts";
import { EdgeError } from "../src/assert.ts";
import type { OptionSpec } from "./command.ts";

export const STORE_OPTION: OptionSpec = {
  flags: "--data-dir <dir>",
  description: "the gateway's data directory",
  kind: "text",
  default: "bellwether-data",
};

/** Reads something and closes the store. Throws `EdgeError` `no-label-log`. */
export function readStore<T>(directory: string, read: (reader: LabelReader, file: string) => T): T {
  const file = path.join(directory, LABEL_LOG_FILE);
  if (!existsSync(file)) {
    throw new EdgeError({
      code: "no-label-log",
      message: "there is no store of a gateway",
      where: file,
      hint: "Name the data directory of a gateway that has run: --data-dir DIR.",
    });
  }
  const reader = openLabelReader(file);
  try {
    return read(reader, file);
  } finally {
    reader.close();
  }
}
