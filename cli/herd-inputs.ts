/**
 * What a herd is made from: a student's container, a signal for the sensors, the gateway's key.
 */

import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Signal } from "../device-sim/herd.ts";
import { datasetFolder, findRecordings } from "../recordings/find.ts";
import { readRecordings } from "../recordings/read.ts";
import { readShippedEmulator } from "../recordings/shipped-emulator.ts";
import { EdgeError } from "../src/assert.ts";
import type { Profile } from "../src/signal/profile.ts";
import type { CommandInput, CommandIo } from "./command.ts";

const PROFILES = fileURLToPath(new URL("../profiles", import.meta.url));

/** Which data set a profile's herd replays. */
const DATASET_OF: Readonly<Record<string, string>> = {
  cattle: "cows",
  "cattle-four": "cows",
  people: "people",
  watch: "watch",
};

/** A container by its short name or its file. Throws `EdgeError` `student-missing`. */
export function readStudent(which: string, profile: Profile): Uint8Array {
  const shipped: Readonly<Record<string, string>> = {
    default: "student.bwm",
    plain: "student-plain.bwm",
  };
  const name = shipped[which];
  const file = name === undefined ? path.resolve(which) : path.join(PROFILES, profile.name, name);
  if (existsSync(file)) return readFileSync(file);
  throw new EdgeError({
    code: "student-missing",
    message: "there is no such student",
    where: file,
    hint: "Say default, plain or the file of a container; `bellwether train` makes one.",
  });
}

/** Recordings where some are found, else the emulator; says which. Throws `EdgeError`
 * `no-emulator` and all of `readRecordings`. */
export async function chooseSignal(
  input: CommandInput,
  profile: Profile,
  io: CommandIo,
): Promise<Signal> {
  const found = findRecordings(input.text("data"));
  const folder = datasetFolder(found, DATASET_OF[profile.name] ?? profile.name);
  if (folder !== null) {
    io.note(`simulate: sensors replay the recordings in ${folder}`);
    const subjects = input.list("subjects");
    const recordings = await readRecordings(folder);
    return { kind: "recordings", recordings, ...(subjects.length > 0 ? { subjects } : {}) };
  }
  io.note("simulate: no recordings found, so sensors emulate animals");
  return { kind: "emulator", parameters: await readShippedEmulator(profile.name) };
}

/** Without the gateway's key, from a file or from joining, a node takes no release: that is worth a
 * word. Throws `EdgeError` `public-key`. */
export function readKey(
  file: string,
  joined: { readonly publicKeys: readonly Uint8Array[] },
  io: CommandIo,
): readonly Uint8Array[] {
  if (!existsSync(file)) {
    if (joined.publicKeys.length > 0) return [];
    io.note(`simulate: no public key in ${file}, so these nodes accept no release`);
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
