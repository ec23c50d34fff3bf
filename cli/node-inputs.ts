/** What a node is made from: a student's container, how it sends windows, the gateway's key. */

import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { EdgeError } from "../src/assert.ts";
import { WINDOW_ENCODINGS, type WindowEncoding } from "../src/wire/messages.ts";
import type { CommandInput, CommandIo, OptionSpec } from "./command.ts";
import type { ProfileFolder } from "./profile-folder.ts";

export const PROFILE_OPTION: OptionSpec = {
  flags: "--profile <name>",
  description: "cattle, people, …, or the folder that `train` wrote",
  kind: "text",
  default: "cattle",
};

export const STUDENT_OPTION: OptionSpec = {
  flags: "--student <which>",
  description: "default, plain (trained without turned collars), or a container's file",
  kind: "text",
  default: "default",
};

export const FEATURES_OPTION: OptionSpec = {
  flags: "--features",
  description: "send an encoder's codes in place of windows where that is cheaper",
  kind: "flag",
};

export const ENCODING_OPTION: OptionSpec = {
  flags: "--offload-encoding <name>",
  description:
    "how windows travel: companded4 in half the bytes, companded2 a quarter for doubts, for " +
    "gateways that read them",
  kind: "text",
  choices: WINDOW_ENCODINGS,
  default: "int8",
};

export const KEY_OPTION: OptionSpec = {
  flags: "--key <file>",
  description: "the gateway's public key",
  kind: "text",
  default: "bellwether-data/keys/release-key.pub",
};

/** A container by its short name or its file. Throws `EdgeError` `student-missing`. */
export function readStudent(which: string, home: ProfileFolder): Uint8Array {
  const shipped: Readonly<Record<string, string>> = {
    default: "student.bwm",
    plain: "student-plain.bwm",
  };
  const name = shipped[which];
  const file = name === undefined ? path.resolve(which) : path.join(home.folder, name);
  if (existsSync(file)) return readFileSync(file);
  throw new EdgeError({
    code: "student-missing",
    message: "there is no such student",
    where: file,
    hint: "Say default, plain or the file of a container; `bellwether train` makes one.",
  });
}

export function encodingOf(input: CommandInput): WindowEncoding {
  return WINDOW_ENCODINGS.find((known) => known === input.text("offload-encoding")) ?? "int8";
}

/** Without the gateway's key, from a file or from joining, a node takes no release: that is worth a
 * word. Throws `EdgeError` `public-key`. */
export function readKey(
  file: string,
  joined: { readonly publicKeys: readonly Uint8Array[]; readonly nodes: number },
  io: CommandIo,
): readonly Uint8Array[] {
  if (!existsSync(file)) {
    if (joined.publicKeys.length > 0) return [];
    const who = joined.nodes === 1 ? "this node accepts" : "these nodes accept";
    io.note(`no public key in ${file}, so ${who} no release`);
    return [];
  }
  const text = readFileSync(file, "utf8").trim();
  if (/^[0-9a-f]{64}$/i.test(text)) return [new Uint8Array(Buffer.from(text, "hex"))];
  throw new EdgeError({
    code: "public-key",
    message: "this is no Ed25519 public key in 64 hex digits",
    where: file,
    hint: "Name the release-key.pub in the gateway's data directory.",
  });
}
