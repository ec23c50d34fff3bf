/**
 * What tests of credentials share: a broker of its own on a data directory, the command line on that
 * directory, and clients that say what became of them.
 */

import { execFile } from "node:child_process";
import path from "node:path";
import { connect, type IClientOptions, type MqttClient } from "mqtt";
import { command as certs } from "../cli/certs.ts";
import { type CommandSpec, commandInput, parseOption } from "../cli/command.ts";
import { command as config } from "../cli/config.ts";
import { command as nodes } from "../cli/nodes.ts";
import { command as users } from "../cli/users.ts";
import { Authentication } from "../gateway/access/authentication.ts";
import { openAuthority, tlsFiles, writeServer } from "../gateway/access/certificate-files.ts";
import { issueServer } from "../gateway/access/certificates.ts";
import { openAccess } from "../gateway/access/open-access.ts";
import { type BrokerOptions, startBroker } from "../gateway/broker/broker.ts";
import type { Link } from "../gateway/broker/link.ts";
import { ServerCertificates, type TlsSettings } from "../gateway/broker/tls-listener.ts";
import { silentIo } from "./command-io.ts";
import { base } from "./gateway-kit.ts";

export type AccessBroker = Link & {
  readonly port: number;
  readonly operatorToken: string | undefined;
  readonly lines: readonly string[];
  readonly received: readonly { readonly topic: string; readonly text: string }[];
};

/** A broker on a free port with the credentials of a data directory. */
export async function accessBroker(
  dataDirectory: string,
  more: Partial<BrokerOptions> & { readonly loopback?: "anonymous" | "closed" } = {},
): Promise<AccessBroker> {
  const lines: string[] = [];
  const received: { topic: string; text: string }[] = [];
  const log = (_level: string, message: string, fields: object = {}): void => {
    lines.push(`${message} ${JSON.stringify(fields)}`);
  };
  const { loopback = "closed", ...options } = more;
  const access = openAccess({ dataDirectory, loopback }, log);
  const link = await startBroker(
    {
      host: "127.0.0.1",
      port: 0,
      base,
      connectionsMax: 300,
      packetsPerSecond: 10_000,
      packetsBurst: 10_000,
      authentication: access.authentication,
      ...options,
    },
    {
      onMessage: (topic, payload) =>
        received.push({ topic, text: Buffer.from(payload).toString() }),
      onConnection: () => undefined,
      log,
    },
  );
  return {
    ...link,
    port: Number(new URL(link.url).port),
    operatorToken: await access.beginOperator(),
    lines,
    received,
    close: async () => {
      await link.close();
      access.close();
    },
  };
}

/** With TLS and WebSocket over TLS as well, by an authority of the data directory. */
export function secureBroker(
  dataDirectory: string,
  clientCertificates: TlsSettings["clientCertificates"] = "optional",
): Promise<AccessBroker> {
  const files = tlsFiles(dataDirectory);
  const authority = openAuthority(files, "farm", Date.now());
  writeServer(files, issueServer(authority, ["localhost", "127.0.0.1"], Date.now()));
  const brought = { certificateFile: undefined, keyFile: undefined, clientCaFile: undefined };
  const certificates = new ServerCertificates(
    { dataDirectory, clientCertificates, ...brought },
    () => undefined,
  );
  const at = { host: "127.0.0.1", port: 0, certificates };
  return accessBroker(dataDirectory, {
    tls: at,
    websocket: { ...at, origins: ["https://farm.example"] },
  });
}

export function portOfScheme(broker: AccessBroker, scheme: string): number {
  return Number(new URL(broker.urls.find((url) => url.startsWith(`${scheme}:`)) ?? "").port);
}

/** An authentication without a broker, at a time of the test's choosing. */
export function authenticationAt(
  store: ConstructorParameters<typeof Authentication>[0]["store"],
  now: () => number,
): Authentication {
  return new Authentication({ store, loopback: "closed", log: () => undefined, now });
}

/** `bellwether …`: what it prints as JSON. Those that change a data directory run in this process, on
 * a connection of their own to it, and others in another. */
export async function bellwether(...words: readonly string[]): Promise<Record<string, unknown>> {
  const spec = [nodes, users, certs, config].find(({ name }) => name === words[0]);
  if (spec !== undefined) return runHere(spec, words.slice(1));
  const { code, out, err } = await run(process.execPath, [
    path.resolve("cli/main.ts"),
    ...words,
    "--json",
    "--quiet",
  ]);
  if (code !== 0) throw new Error(`bellwether ${words.join(" ")}: ${err}`);
  return JSON.parse(out.trim().split("\n").at(-1) ?? "") as Record<string, unknown>;
}

async function runHere(
  group: CommandSpec,
  words: readonly string[],
): Promise<Record<string, unknown>> {
  const command = "commands" in group && group.commands.find(({ name }) => name === words[0]);
  if (!command || !("run" in command)) throw new Error(`no such command: ${words.join(" ")}`);
  const values: Record<string, unknown> = {};
  for (const { flags, default: usual } of command.options) {
    if (usual !== undefined) values[flags.split(" ")[0]?.slice(2) ?? ""] = usual;
  }
  const args: string[] = [];
  for (let i = 1; i < words.length; i++) {
    const word = words[i] as string;
    const option = command.options.find(({ flags }) => flags.split(" ")[0] === word);
    const name = word.slice(2).replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
    if (option === undefined) args.push(word);
    else if (option.kind === "flag") values[name] = true;
    else values[name] = parseOption(option, words[++i] ?? "");
  }
  let printed: unknown;
  const io = silentIo({
    printJson: (value) => {
      printed = value;
    },
    json: true,
  });
  const code = await command.run(commandInput(values, args), io);
  if (code !== 0) throw new Error(`bellwether ${group.name} ${words.join(" ")}: ${code}`);
  return printed as Record<string, unknown>;
}

export function run(
  program: string,
  words: readonly string[],
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  return new Promise((resolve) => {
    execFile(program, words, { timeout: 60_000 }, (error, out, err) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      resolve({ code, out, err });
    });
  });
}

/** Connects, or throws with the broker's return code in the message. */
export function tryConnect(url: string, options: IClientOptions): Promise<MqttClient> {
  return new Promise((resolve, reject) => {
    const client = connect(url, { reconnectPeriod: 0, connectTimeout: 8_000, ...options });
    client.once("connect", () => resolve(client));
    client.on("error", (error) => {
      client.end(true);
      const { code } = error as { code?: unknown };
      reject(new Error(`refused ${String(code)}: ${error.message}`));
    });
    client.once("close", () => reject(new Error("closed")));
  });
}

/** Clients of one test, ended together. */
export class Clients {
  readonly #all: MqttClient[] = [];

  async connect(...args: Parameters<typeof tryConnect>): Promise<MqttClient> {
    const client = await tryConnect(...args);
    client.on("error", () => undefined);
    this.#all.push(client);
    return client;
  }

  async end(): Promise<void> {
    for (const client of this.#all.splice(0)) await client.endAsync(true);
  }
}

/** The granted quality of service, 128 where it was refused. */
export async function subscribeTo(client: MqttClient, filter: string): Promise<number> {
  try {
    const [granted] = await client.subscribeAsync(filter, { qos: 1 });
    return granted?.qos ?? 128;
  } catch {
    return 128;
  }
}

export function ended(client: MqttClient): Promise<void> {
  return new Promise((resolve) => {
    if (!client.connected) resolve();
    client.once("close", () => resolve());
  });
}
