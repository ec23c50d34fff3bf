/**
 * `bellwether schema`: the topics for machines, as an AsyncAPI document and as JSON Schemas.
 *
 * `docs/asyncapi.json` and `docs/schemas` are what it writes; a test keeps them so.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { EdgeError } from "../src/assert.ts";
import { asyncApiDocument } from "../src/wire/asyncapi.ts";
import { PAYLOADS, payloadSchemaFile } from "../src/wire/public-topics.ts";
import { type CommandInput, type CommandIo, type CommandSpec, EXIT } from "./command.ts";

const OUT = {
  flags: "--out <dir>",
  description: "write files into this folder instead of standard output",
  kind: "text",
} as const;

export const command: CommandSpec = {
  name: "schema",
  summary: "the topics for machines: an AsyncAPI document, JSON Schemas of the payloads",
  options: [],
  examples: ["bellwether schema asyncapi > asyncapi.json", "bellwether schema topics --out docs"],
  commands: [
    {
      name: "asyncapi",
      summary: "one AsyncAPI 3.0.0 document of every topic; with --out, DIR/asyncapi.json",
      options: [OUT],
      examples: ["bellwether schema asyncapi --out docs"],
      run: async (input, io) => give({ "asyncapi.json": asyncApiDocument() }, input, io),
    },
    {
      name: "topics",
      summary: "a JSON Schema (draft-07) of every payload; with --out, DIR/schemas/NAME.json",
      description:
        "Without --out one object on standard output, whose fields are the names of the files.",
      options: [OUT],
      examples: ["bellwether schema topics --out docs"],
      run: async (input, io) => give(topicFiles(), input, io),
    },
  ],
};

function topicFiles(): Record<string, unknown> {
  const names = Object.keys(PAYLOADS);
  return Object.fromEntries(
    names.map((name) => [`schemas/${name}.json`, payloadSchemaFile(name)] as const),
  );
}

/** A single file is printed as it is, several as one object. */
function give(
  files: Readonly<Record<string, unknown>>,
  input: CommandInput,
  io: CommandIo,
): number {
  const folder = input.text("out");
  if (folder === undefined) {
    const [only, ...others] = Object.values(files);
    const value = others.length === 0 ? only : files;
    if (io.json) io.printJson(value);
    else io.print(JSON.stringify(value, undefined, 2));
    return EXIT.ok;
  }
  const written = Object.entries(files).map(([name, value]) => {
    const file = path.join(folder, name);
    write(file, `${JSON.stringify(value, undefined, 2)}\n`);
    return file;
  });
  if (io.json) io.printJson({ written });
  else for (const file of written) io.print(file);
  return EXIT.ok;
}

function write(file: string, text: string): void {
  try {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  } catch (error) {
    throw new EdgeError({
      code: "file-unwritable",
      message: (error as Error).message,
      where: file,
      hint: "Name a folder that can be written with --out.",
    });
  }
}
