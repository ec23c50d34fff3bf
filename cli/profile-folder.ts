/**
 * A profile and the folder of its models: one that ships, or one of somebody's own, by its name or by
 * its folder. `train` writes such a folder, with the profile itself in it.
 */

import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { EdgeError } from "../src/assert.ts";
import type { Profile } from "../src/signal/profile.ts";
import { PROFILE_FILE, parseProfile } from "../src/signal/profile-file.ts";
import { SHIPPED_PROFILES } from "../src/signal/profiles.ts";

const PROFILES = fileURLToPath(new URL("../profiles", import.meta.url));
/** Some thousand labels; a larger file is something else. */
const MOST_FILE_BYTES = 1 << 18;

export type ProfileFolder = {
  readonly profile: Profile;
  /** Where its models lie. */
  readonly folder: string;
  /** The data set that herds replay, and that a gateway's anchor set is from. */
  readonly dataset: string;
};

/** Which data set a shipped profile's herd replays. */
const DATASET_OF: Readonly<Record<string, string>> = { cattle: "cows", "cattle-four": "cows" };

/**
 * By name: in `./profiles`, then beside the program, then those that are built in, so that a shipped
 * profile that was trained anew is the new one. By folder: whatever has a slash in it.
 *
 * @throws EdgeError `unknown-profile` naming every place looked at, and those of `parseProfile`
 */
export function openProfile(which: string): ProfileFolder {
  const found = findProfile(which);
  if (found !== undefined) return found;
  throw new EdgeError({
    code: "unknown-profile",
    message: `there is no profile "${which}"`,
    where: placesOf(which)
      .map((folder) => path.join(folder, PROFILE_FILE))
      .join(", "),
    hint: `Name the folder that \`bellwether train\` wrote, or one that ships: ${SHIPPED_PROFILES.map(({ name }) => name).join(", ")}.`,
  });
}

/** The same, or undefined where there is none. Throws those of `parseProfile`. */
export function findProfile(which: string): ProfileFolder | undefined {
  for (const folder of placesOf(which)) {
    const file = path.join(folder, PROFILE_FILE);
    if (!existsSync(file)) continue;
    if (statSync(file).size > MOST_FILE_BYTES) throw tooLarge(file);
    return { folder, ...parseProfile(readFileSync(file, "utf8"), file) };
  }
  const shipped = SHIPPED_PROFILES.find(({ name }) => name === which);
  return shipped === undefined ? undefined : shippedFolder(shipped);
}

function placesOf(which: string): readonly string[] {
  if (/[/\\]/.test(which)) return [path.resolve(which)];
  return [...new Set([path.resolve("profiles", which), path.join(PROFILES, which)])];
}

export function shippedFolder(profile: Profile): ProfileFolder {
  return {
    profile,
    folder: path.join(PROFILES, profile.name),
    dataset: DATASET_OF[profile.name] ?? profile.name,
  };
}

function tooLarge(where: string): EdgeError {
  return new EdgeError({
    code: "profile-file",
    message: `is larger than ${MOST_FILE_BYTES} bytes`,
    where,
    hint: "Train the profile again; the file has some lines only.",
  });
}
