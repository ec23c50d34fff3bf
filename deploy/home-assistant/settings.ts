/**
 * The add-on's start: the Supervisor's options and broker become settings of a gateway.
 *
 *     node deploy/home-assistant/settings.ts <options.json> <folder>
 *
 * `options.json` is what a person chose in Home Assistant. Where the broker is and who the add-on is
 * there, the Supervisor tells at `/services/mqtt` to whoever shows the token in SUPERVISOR_TOKEN
 * (https://developers.home-assistant.io/docs/api/supervisor/endpoints#service). The password goes
 * to a file of its own beside the settings, both for nobody else to read. What a person writes into
 * `bellwether.yaml` in the add-on's configuration folder is not touched: the program gets what is
 * written here through its environment, which goes before the file.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";

const Options = z.object({
  profile: z.enum(["cattle", "people"]),
  log_level: z.enum(["debug", "info", "warning", "error"]),
});
/** The Supervisor's answer, as far as it is needed. */
const BrokerAnswer = z.object({
  data: z.object({
    host: z.string().regex(/^[A-Za-z0-9.-]+$/),
    port: z.number().int().min(1).max(65_535),
    ssl: z.boolean(),
    username: z.string().min(1),
    password: z.string().min(1),
  }),
});
const ANSWER_MS = 10_000;

/** The environment of a gateway, `NAME=value`; the password stays out of it. */
export function environmentOf(
  options: unknown,
  service: unknown,
  passwordFile: string,
): { readonly environment: Readonly<Record<string, string>>; readonly password: string } {
  const { profile, log_level } = Options.parse(options);
  const { host, port, ssl, username, password } = BrokerAnswer.parse(service).data;
  const url = `${ssl ? "mqtts" : "mqtt"}://${encodeURIComponent(username)}@${host}:${port}`;
  return {
    environment: {
      BELLWETHER_CONFIG_PROFILE: profile,
      BELLWETHER_CONFIG_LOG_LEVEL: log_level,
      BELLWETHER_CONFIG_BROKER_URL: url,
      BELLWETHER_CONFIG_BROKER_PASSWORD_FILE: passwordFile,
    },
    password,
  };
}

async function main(optionsFile: string, folder: string): Promise<void> {
  const supervisor = process.env.SUPERVISOR_URL ?? "http://supervisor";
  const response = await fetch(`${supervisor}/services/mqtt`, {
    headers: { authorization: `Bearer ${process.env.SUPERVISOR_TOKEN ?? ""}` },
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  if (!response.ok) {
    throw new Error(
      `the Supervisor knows no broker (${response.status}). Install the Mosquitto add-on first.`,
    );
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const passwordFile = path.join(folder, "mqtt-password");
  const { environment, password } = environmentOf(
    JSON.parse(readFileSync(optionsFile, "utf8")),
    await response.json(),
    passwordFile,
  );
  writeFileSync(passwordFile, password, { mode: 0o600 });
  for (const [name, value] of Object.entries(environment)) {
    process.stdout.write(`${name}=${value}\n`);
  }
}

if (process.argv[1] === import.meta.filename) {
  const [optionsFile = "", folder = ""] = process.argv.slice(2);
  await main(optionsFile, folder).catch((error: unknown) => {
    process.stderr.write(`bellwether: ${(error as Error).message}\n`);
    process.exitCode = 1;
  });
}
