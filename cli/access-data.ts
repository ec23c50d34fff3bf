/**
 * Who is known to a gateway, changed from the command line: opens the data directory, whether a
 * gateway runs on it or not. A running one takes note within a fraction of a second.
 */

import { existsSync } from "node:fs";
import path from "node:path";
import { AccessStore, type Identity, type Role } from "../gateway/access-store.ts";
import { readConfig } from "../gateway/config.ts";
import { keepSecret, makeSecret } from "../gateway/secrets.ts";
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
  const store = new AccessStore(dataDirectory(input));
  try {
    return await work(store);
  } finally {
    store.close();
  }
}

/** What `DATA_OPTIONS` say, whether it is there or not. */
export function namedDirectory(input: CommandInput): string {
  const config = input.text("config");
  const configured =
    config === undefined ? "bellwether-data" : readConfig(config, process.env).dataDirectory;
  return path.resolve(input.text("data-dir") ?? configured);
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

/** Throws `EdgeError` `access-unknown` where nobody of these roles is called so. */
export function knownIdentity(store: AccessStore, name: string, roles: readonly Role[]): Identity {
  const found = store.identity(name);
  if (found !== undefined && roles.includes(found.role)) return found;
  throw new EdgeError({
    code: "access-unknown",
    message: `no ${roles.join(" or ")} is called ${name}`,
    where: store.file,
    hint: roles.includes("node")
      ? "`bellwether nodes list` shows who is known."
      : "`bellwether users list` shows who is known.",
  });
}

/** Throws `EdgeError` `access-name-taken`. */
export function freeName(store: AccessStore, name: string): string {
  const found = store.identity(name);
  if (found === undefined) return name;
  throw new EdgeError({
    code: "access-name-taken",
    message: `${name} is known already, as a ${found.role}`,
    where: store.file,
    hint: "Rotate its credentials, revoke them first, or take another name.",
  });
}

/** Gives a name a new password in place of all that it had, and returns it: it is kept nowhere. */
export async function givePassword(
  store: AccessStore,
  name: string,
  role: Role,
  chosen?: string,
): Promise<string> {
  const password = chosen ?? makeSecret();
  const kept = await keepSecret(password, chosen === undefined ? "made" : "chosen");
  const nowMs = Date.now();
  const known = store.identity(name);
  store.put({
    name,
    role,
    secret: kept.scrypt,
    mosquitto: kept.mosquitto,
    certificate: null,
    createdMs: known?.createdMs ?? nowMs,
    changedMs: nowMs,
    joinHash: null,
    proven: true,
  });
  return password;
}
