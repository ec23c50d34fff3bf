/**
 * `bellwether users`: people and programs with credentials on the embedded broker.
 *
 * Readers hear the public topics; operators may also ask the gateway to do things. Like `nodes`, it
 * changes the gateway's data directory, and a running gateway takes note at once.
 */

import { readFileSync } from "node:fs";
import type { Role } from "../gateway/access/access-store.ts";
import { freeName, givePassword, knownIdentity } from "../gateway/access/credentials.ts";
import { EdgeError } from "../src/assert.ts";
import { accessName, DATA_OPTIONS, withAccess } from "./access-data.ts";
import {
  type CommandInput,
  type CommandIo,
  type CommandSpec,
  EXIT,
  type OptionSpec,
} from "./command.ts";

const PEOPLE: readonly Role[] = ["reader", "operator"];
/** Against lists of common passwords: our own have 32. */
const PASSWORD_LETTERS_MIN = 12;

const PASSWORD_FILE: OptionSpec = {
  flags: "--password-file <file>",
  description: "a password of yours, its first line; else one is made and shown",
  kind: "text",
};

export const command: CommandSpec = {
  name: "users",
  summary: "readers of the public topics, and operators",
  options: [],
  examples: ["bellwether users add anna", "bellwether users list"],
  commands: [
    {
      name: "add",
      summary: "a user and a password, which is shown once",
      arguments: [{ name: "<name>", description: "lower case letters, digits, - and _" }],
      options: [
        {
          flags: "--role <role>",
          description: "what it may do",
          kind: "text",
          choices: ["reader", "operator"],
          default: "reader",
        },
        PASSWORD_FILE,
        ...DATA_OPTIONS,
      ],
      examples: ["bellwether users add home-assistant --role operator"],
      run: add,
    },
    {
      name: "list",
      summary: "who is known, and as what",
      options: DATA_OPTIONS,
      examples: ["bellwether users list --json"],
      run: list,
    },
    {
      name: "revoke",
      summary: "take a user's credentials away; ends its sessions at once",
      arguments: [{ name: "<name>", description: "the user's name" }],
      options: DATA_OPTIONS,
      examples: ["bellwether users revoke anna"],
      run: revoke,
    },
    {
      name: "rotate",
      summary: "a new password; the old one ends at once",
      arguments: [{ name: "<name>", description: "the user's name" }],
      options: [PASSWORD_FILE, ...DATA_OPTIONS],
      examples: ["bellwether users rotate operator"],
      run: rotate,
    },
  ],
};

async function add(input: CommandInput, io: CommandIo): Promise<number> {
  const name = accessName(input.arguments[0]);
  const role = input.text("role") === "operator" ? "operator" : "reader";
  const chosen = chosenPassword(input.text("password-file"));
  return withAccess(input, async (store) => {
    const password = await givePassword(store, freeName(store, name), role, chosen);
    return tell(io, { name, role, password, chosen });
  });
}

async function rotate(input: CommandInput, io: CommandIo): Promise<number> {
  const name = accessName(input.arguments[0]);
  const chosen = chosenPassword(input.text("password-file"));
  return withAccess(input, async (store) => {
    const { role } = knownIdentity(store, name, PEOPLE);
    return tell(io, {
      name,
      role,
      password: await givePassword(store, name, role, chosen),
      chosen,
    });
  });
}

async function revoke(input: CommandInput, io: CommandIo): Promise<number> {
  const name = accessName(input.arguments[0]);
  return withAccess(input, (store) => {
    knownIdentity(store, name, PEOPLE);
    store.remove(name, PEOPLE);
    if (io.json) io.printJson({ revoked: name });
    else io.print(`${name} is not known any more`);
    return EXIT.ok;
  });
}

async function list(input: CommandInput, io: CommandIo): Promise<number> {
  return withAccess(input, (store) => {
    const users = store.identities().filter(({ role }) => PEOPLE.includes(role));
    if (io.json) {
      io.printJson({
        users: users.map(({ name, role, createdMs, changedMs }) => ({
          name,
          role,
          created: createdMs,
          changed: changedMs,
        })),
      });
    } else {
      for (const { name, role, changedMs } of users) {
        io.print(`${name}  ${role}  since ${new Date(changedMs).toISOString()}`);
      }
      if (users.length === 0) io.note("users: none is known");
    }
    return EXIT.ok;
  });
}

type Told = {
  readonly name: string;
  readonly role: Role;
  readonly password: string;
  readonly chosen: string | undefined;
};

/** A password that a person chose is not shown: they have it. */
function tell(io: CommandIo, { name, role, password, chosen }: Told): number {
  const shown = chosen === undefined ? { password } : {};
  if (io.json) io.printJson({ user: name, role, ...shown });
  else io.print(`user ${name}${chosen === undefined ? ` password ${password}` : ""}`);
  if (chosen === undefined) io.note("users: shown this once");
  return EXIT.ok;
}

function chosenPassword(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  let text: string;
  try {
    text = readFileSync(file, "utf8").split("\n")[0]?.trim() ?? "";
  } catch (error) {
    throw new EdgeError({
      code: "file-unreadable",
      message: (error as Error).message,
      where: file,
      hint: "Name a file whose first line is the password.",
    });
  }
  if (text.length >= PASSWORD_LETTERS_MIN) return text;
  throw new EdgeError({
    code: "password-short",
    message: `a password of ${text.length} letters can be guessed`,
    where: file,
    hint: `Take at least ${PASSWORD_LETTERS_MIN}, or leave --password-file out and have one made.`,
  });
}
