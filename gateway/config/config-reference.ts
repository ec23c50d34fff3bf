/**
 * The reference of settings, as Markdown, made from their schema and the template's words.
 *
 * `docs/CONFIGURATION.md` is what this gives; a test keeps it so.
 */

import { configJsonSchema, type JsonSchema } from "./config-about.ts";

const HEAD = `# Settings

Made from the schema by \`bellwether config reference\`; every setting of a gateway, its default and what it takes. A file of settings is YAML; all of it is optional, a setting that does not exist is an error with its line. A variable of the environment goes before the file, the command line before both. Paths are relative to the file. Passwords never stand in it: settings that end in \`_file\` name a file that holds one.

\`\`\`bash
bellwether config validate farm.yaml
bellwether config show farm.yaml
bellwether config schema > bellwether.schema.json
\`\`\`

With \`# yaml-language-server: $schema=bellwether.schema.json\` as its first line, editors check a file while it is written. A gateway reads its settings when it starts.
`;

/** The whole page. */
export function configReference(): string {
  const sections = Object.entries(configJsonSchema().properties ?? {});
  const alone = sections.filter(([, schema]) => schema.properties === undefined);
  const grouped = sections.filter(([, schema]) => schema.properties !== undefined);
  const parts = grouped.map(([section, schema]) => {
    const words = schema.description === undefined ? "" : `${sentence(schema.description)}\n\n`;
    const rows = Object.entries(schema.properties ?? {});
    return `## ${section}\n\n${words}${table(rows, `${section}.`)}`;
  });
  return [HEAD, `## On their own\n\n${table(alone, "")}`, ...parts].join("\n");
}

function table(settings: readonly (readonly [string, JsonSchema])[], before: string): string {
  const rows = settings.map(([key, schema]) => {
    const variable = `BELLWETHER_CONFIG_${`${before}${key}`.replace(".", "_").toUpperCase()}`;
    const what = schema.description ?? "";
    return `| \`${before}${key}\` | ${takes(schema)} | ${defaultOf(schema)} | ${cell(what)} | \`${variable}\` |\n`;
  });
  return `| setting | takes | default | what it is | in the environment |\n|---|---|---|---|---|\n${rows.join("")}`;
}

/** What JSON Schema may say of a setting's values. */
type Taken = {
  readonly type?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
  readonly enum?: readonly string[];
};

function takes(schema: JsonSchema): string {
  const { type, minimum, maximum, pattern, enum: choices } = schema as Taken;
  if (choices !== undefined) return choices.map((choice) => `\`${choice}\``).join(", ");
  if (type === "boolean") return "`true`, `false`";
  if (type === "array") return "a list";
  if (type === "object") return "names with values";
  if (type === "integer" || type === "number") {
    const kind = type === "integer" ? "whole number" : "number";
    return minimum === undefined ? kind : `${kind}, ${minimum} to ${maximum}`;
  }
  return pattern === undefined ? "text" : `text like \`${cell(pattern)}\``;
}

function defaultOf(schema: JsonSchema): string {
  const value = schema.default;
  if (value === undefined) return "none";
  const isEmpty = typeof value === "object" && Object.keys(value as object).length === 0;
  return isEmpty ? "none" : `\`${typeof value === "string" ? value : JSON.stringify(value)}\``;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
