/**
 * `bellwether config`: whether a file of settings is good, what counts in the end, and the schema.
 */

import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { encryptedListeners, refuseOpen } from "../gateway/broker/open-listeners.ts";
import {
  type GatewayConfig,
  parseConfig,
  parseSettings,
  type Settings,
} from "../gateway/config/config.ts";
import { configJsonSchema, showSettings } from "../gateway/config/config-about.ts";
import { configReference } from "../gateway/config/config-reference.ts";
import { EdgeError } from "../src/assert.ts";
import { type CommandInput, type CommandIo, type CommandSpec, EXIT } from "./command.ts";

const FILE = { name: "[file]", description: "settings, YAML; without it defaults and environment" };

export const command: CommandSpec = {
  name: "config",
  summary: "check a file of settings, show what counts, print schema and reference",
  options: [],
  examples: ["bellwether config validate farm.yaml", "bellwether config show farm.yaml"],
  commands: [
    {
      name: "validate",
      summary: "whether a gateway would take these settings; every problem with its line",
      arguments: [FILE],
      options: [],
      examples: ["bellwether config validate farm.yaml"],
      run: validate,
    },
    {
      name: "show",
      summary: "every setting as it counts, and where it comes from: line, variable or default",
      arguments: [FILE],
      options: [],
      examples: ["BELLWETHER_CONFIG_BROKER_PORT=1884 bellwether config show farm.yaml"],
      run: show,
    },
    {
      name: "schema",
      summary: "the JSON Schema of the settings, for editors",
      options: [],
      examples: ["bellwether config schema > bellwether.schema.json"],
      run: schema,
    },
    {
      name: "reference",
      summary: "a page of all settings, in Markdown",
      options: [],
      examples: ["bellwether config reference > settings.md"],
      run: async (_input, io) => {
        if (io.json) io.printJson({ markdown: configReference() });
        else io.print(configReference().trimEnd());
        return EXIT.ok;
      },
    },
  ],
};

async function validate(input: CommandInput, io: CommandIo): Promise<number> {
  const { text, file } = readText(input);
  const config = parseConfig(text, file, process.env);
  const warnings: string[] = [];
  checkListeners(config, (message) => warnings.push(message));
  checkFiles(config);
  for (const warning of warnings) io.note(`config: ${warning}`);
  if (io.json) io.printJson({ file, ok: true, warnings });
  else io.print(`${file} is good`);
  return EXIT.ok;
}

async function show(input: CommandInput, io: CommandIo): Promise<number> {
  const { text, file } = readText(input);
  const shown: Settings = parseSettings(text, file, process.env);
  if (io.json) io.printJson(shown.settings);
  else for (const line of showSettings(shown)) io.print(line);
  return EXIT.ok;
}

async function schema(_input: CommandInput, io: CommandIo): Promise<number> {
  if (io.json) io.printJson(configJsonSchema());
  else io.print(JSON.stringify(configJsonSchema(), undefined, 2));
  return EXIT.ok;
}

function readText(input: CommandInput): { readonly text: string; readonly file: string } {
  const [file] = input.arguments;
  if (file === undefined) return { text: "", file: "bellwether.yaml" };
  try {
    return { text: readFileSync(file, "utf8"), file };
  } catch (error) {
    throw new EdgeError({
      code: "config-missing",
      message: (error as Error).message,
      where: file,
      hint: "Name a file that exists, or none for the defaults.",
    });
  }
}

/** As a start would: whether something unencrypted leaves the loopback without a word for it. */
function checkListeners(config: GatewayConfig, warn: (message: string) => void): void {
  const { broker, websocket } = config;
  if (broker.url !== undefined) return;
  const isBare = websocket.enabled && !encryptedListeners(config).websocket;
  refuseOpen(
    { ...broker, ...(isBare && { websocket: { ...websocket, certificates: undefined } }) },
    (_level, message) => warn(message),
  );
}

/** Throws `EdgeError` `config-file-missing`, naming every file that is not there. */
function checkFiles(config: GatewayConfig): void {
  const { broker, tls, teacherFile, dataDirectory } = config;
  const isShown = Object.values(encryptedListeners(config)).includes(true);
  const wanted = {
    "broker.password_file": broker.passwordFile,
    "broker.ca_file": broker.caFile,
    "teacher.file": teacherFile,
    "tls.certificate_file": isShown
      ? (tls.certificateFile ?? path.join(dataDirectory, "tls", "server.pem"))
      : tls.certificateFile,
    "tls.key_file": tls.keyFile,
    "tls.client_ca_file": tls.clientCaFile,
  };
  const missing = Object.entries(wanted).filter(
    ([, file]) => file !== undefined && !existsSync(file),
  );
  if (missing.length === 0) return;
  throw new EdgeError({
    code: "config-file-missing",
    message: missing.map(([setting, file]) => `${setting}: there is no ${file}`).join("; "),
    where: "settings",
    hint: "Paths are relative to the file of settings; `bellwether certs make` makes certificates.",
  });
}
