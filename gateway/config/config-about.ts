/**
 * What there is to say about settings: their JSON Schema, for editors and other programs, and a file's
 * settings as they count, each with where it comes from.
 *
 * The words are those of `config-template.ts`, so that a setting is explained once.
 */

import { z } from "zod";
import type { Settings } from "./config.ts";
import { FileSchema } from "./config-schema.ts";
import { CONFIG_TEMPLATE } from "./config-template.ts";

export type JsonSchema = {
  description?: string;
  properties?: Record<string, JsonSchema>;
  [key: string]: unknown;
};

/** JSON Schema, draft 2020-12. */
export function configJsonSchema(): JsonSchema {
  const schema = z.toJSONSchema(FileSchema, { io: "input" }) as JsonSchema;
  const words = settingWords();
  for (const [section, inside] of Object.entries(schema.properties ?? {})) {
    describe(inside, words.get(section));
    for (const [key, setting] of Object.entries(inside.properties ?? {})) {
      describe(setting, words.get(`${section}.${key}`));
    }
  }
  return { ...schema, title: "Settings of a bellwether gateway" };
}

/** YAML with every setting as it counts, and behind each where it comes from. */
export function showSettings({ settings, origin }: Settings): string[] {
  return Object.entries(settings).flatMap(([section, inside]) => {
    if (typeof inside !== "object") return [line("", section, inside, origin(section))];
    const keys = Object.entries(inside as Record<string, unknown>);
    return [
      `${section}:`,
      ...keys.map(([key, value]) => line("  ", key, value, origin(section, key))),
    ];
  });
}

/** What the template says behind each setting, by its path; of a section, behind its name. */
export function settingWords(): ReadonlyMap<string, string> {
  const words = new Map<string, string>();
  let section = "";
  for (const text of CONFIG_TEMPLATE.split("\n")) {
    const top = /^([a-z_]+):[^#]*(?:# (.*))?$/.exec(text);
    const inner = /^ {2}(?:# )?([a-z_]+):[^#]*(?:# (.*))?$/.exec(text);
    if (top !== null) section = top[1] ?? "";
    const path = top === null ? `${section}.${inner?.[1] ?? ""}` : section;
    const said = (top ?? inner)?.[2];
    if (said !== undefined) words.set(path, said);
  }
  return words;
}

function describe(schema: JsonSchema, words: string | undefined): void {
  if (words !== undefined) schema.description = words;
}

/** JSON is YAML. */
function line(indent: string, key: string, value: unknown, from: string): string {
  return `${`${indent}${key}: ${JSON.stringify(value)}`.padEnd(44)} # ${from}`;
}
