/**
 * A profile as the file `profile.json`, which `train` writes beside the models that it made.
 *
 * Read by hand and not by a schema: nodes read it, and a node's process has no room for a library.
 */

import { EdgeError } from "../assert.ts";
import { LIMITS } from "../wire/limits.ts";
import type { Profile } from "./profile.ts";
import { AXES, LEAST_RATE_HZ, MOST_RATE_HZ } from "./recordings.ts";

export const PROFILE_FILE = "profile.json";

/** A class index is a byte, of which one value means none. */
const MOST_CLASSES = 255;
const FORMAT = "bellwether-profile-1";

export type ProfileFile = {
  readonly profile: Profile;
  /** The data set that it was trained on: herds replay it, and a gateway's anchor set is from it. */
  readonly dataset: string;
};

export function formatProfile({ profile, dataset }: ProfileFile): string {
  return `${JSON.stringify({ format: FORMAT, dataset, ...profile }, null, 2)}\n`;
}

/** @throws EdgeError `profile-file` naming the field that does not fit */
export function parseProfile(text: string, where: string): ProfileFile {
  const refuse = (message: string): never => {
    throw new EdgeError({
      code: "profile-file",
      message,
      where,
      hint: "`bellwether train` writes this file beside the models; docs/FORMATS.md has its fields.",
    });
  };
  const fields = fieldsOf(text) ?? refuse("is no JSON object");
  const textOf = (key: string, pattern: RegExp): string => {
    const value = fields[key];
    return typeof value === "string" && pattern.test(value)
      ? value
      : refuse(`"${key}" does not fit`);
  };
  const wholeOf = (key: string, low: number, high: number): number => {
    const value = fields[key];
    const fits = typeof value === "number" && Number.isInteger(value);
    return fits && value >= low && value <= high
      ? value
      : refuse(`"${key}" is no whole number from ${low} to ${high}`);
  };
  if (fields.format !== FORMAT) refuse(`"format" is not ${FORMAT}`);
  const { rateHz, classes, labelClass } = fields;
  const rateFits = typeof rateHz === "number" && rateHz >= LEAST_RATE_HZ && rateHz <= MOST_RATE_HZ;
  if (!rateFits) return refuse(`"rateHz" is no number from ${LEAST_RATE_HZ} to ${MOST_RATE_HZ}`);
  if (!isNames(classes)) return refuse(`"classes" are not 2 to ${MOST_CLASSES} different names`);
  if (!isNamesOf(labelClass, classes)) {
    return refuse('"labelClass" does not lead from labels to all of "classes"');
  }
  const windowSamples = wholeOf("windowSamples", 1, LIMITS.windowSamples);
  return {
    dataset: textOf("dataset", /^[^/\\]{1,64}$/),
    profile: {
      name: textOf("name", /^[a-z0-9][a-z0-9-]{0,63}$/),
      rateHz,
      windowSamples,
      hopSamples: wholeOf("hopSamples", 1, LIMITS.windowSamples),
      channels: wholeOf("channels", AXES, AXES),
      classes,
      labelClass,
      inputMilligPerStep: wholeOf("inputMilligPerStep", 1, 1024),
    },
  };
}

function fieldsOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isNames(value: unknown): value is readonly string[] {
  return (
    Array.isArray(value) &&
    value.length >= 2 &&
    value.length <= MOST_CLASSES &&
    value.every((name) => typeof name === "string" && name !== "") &&
    new Set(value).size === value.length
  );
}

function isNamesOf(
  value: unknown,
  classes: readonly string[],
): value is Readonly<Record<string, string>> {
  if (!isRecord(value)) return false;
  const led = new Set(Object.values(value));
  return led.size === classes.length && classes.every((name) => led.has(name));
}
