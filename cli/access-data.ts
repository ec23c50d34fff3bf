/**
 * Who is known to a gateway, changed from the command line: opens the data directory, whether a
 * gateway runs on it or not. A running one takes note within a fraction of a second.
 */

import { existsSync } from "node:fs";
import path from "node:path";
import type { AccessStore } from "../gateway/access/access-store.ts";
import { withAccessStore } from "../gateway/access/credentials.ts";
import { readConfig } from "../gateway/config/config.ts";
import { EdgeError } from "../src/assert.ts";
import { isNodeId } from "../src/wire/topics.ts";
import type { CommandInput, OptionSpec } from "./command.ts";

export const DATA_OPTIONS: readonly OptionSpec[] = [
  {
    flags: "--data-dir <dir>",
    description: "the gateway's data directory",
    kind: "text",
  },
  { flags: "--config <file>", description: "the gateway's settings, YAML", kind: "text" },
];

/** Does something with the list and closes it. Throws `EdgeError` `data-directory-missing`. */
export async function withAccess<T>(
  input: CommandInput,
  work: (store: AccessStore) => T | Promise<T>,
): Promise<T> {
  return withAccessStore(dataDirectory(input), work);
}

/** What `DATA_OPTIONS` or the environment say, as a gateway takes them, whether it is there or not. */
export function namedDirectory(input: CommandInput): string {
  const { dataDirectory } = readConfig(input.text("config"), process.env);
  return path.resolve(input.text("data-dir") ?? dataDirectory);
}

/** Throws `EdgeError` `data-directory-missing`. */
export function dataDirectory(input: CommandInput): string {
  const directory = namedDirectory(input);
  if (existsSync(directory)) return directory;
  throw new EdgeError({
    code: "data-directory-missing",
    message: "there is no such data directory",
    where: directory,
    hint: "Name the gateway's with --data-dir or --config; a gateway makes it at its first start.",
  });
}

/** A name that may have credentials. Throws `EdgeError` `access-name`. */
export function accessName(text: string | undefined): string {
  if (text !== undefined && isNodeId(text)) return text;
  throw new EdgeError({
    code: "access-name",
    message: `${JSON.stringify(text ?? "")} cannot be a name`,
    where: "name",
    hint: "Use 1 to 64 lower case letters, digits, dashes and underscores; node, bridge, group and join are reserved.",
  });
}
