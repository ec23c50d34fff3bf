/**
 * What a command has a running gateway do, as an operator: over MQTT, or, where the gateway is a client
 * of a broker that does not know us, over HTTP.
 *
 * Without credentials in `--broker` it makes itself an operator for the moment, in the gateway's data
 * directory: who may write there may do everything anyway. That operator is removed again at the end,
 * or, where the command was killed, by a later one.
 */

import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import path from "node:path";
import type { AccessStore } from "../gateway/access/access-store.ts";
import { givePassword } from "../gateway/access/credentials.ts";
import { urlOf } from "../gateway/broker/listeners.ts";
import { encryptedListeners } from "../gateway/broker/open-listeners.ts";
import { type GatewayConfig, readConfig } from "../gateway/config/config.ts";
import { EdgeError } from "../src/assert.ts";
import type { RequestResponse } from "../src/wire/requests.ts";
import { topicBase } from "../src/wire/topics.ts";
import { DATA_OPTIONS, dataDirectory, withAccess } from "./access-data.ts";
import type { CommandInput, OptionSpec } from "./command.ts";
import { readCa } from "./gateway-link.ts";
import { hostToReach } from "./health.ts";
import { openHttpAsker } from "./http-asker.ts";
import { type Asker, openAsker } from "./mqtt-client.ts";

export const ASK_OPTIONS: readonly OptionSpec[] = [
  {
    flags: "--broker <url>",
    description: "the gateway's broker, mqtt://operator:TOKEN@host:1883 (default: by the settings)",
    kind: "text",
  },
  { flags: "--ca <file>", description: "the authority of its certificate, PEM", kind: "text" },
  { flags: "--base <topic>", description: "what stands before the topics", kind: "text" },
  ...DATA_OPTIONS,
];

/** Throws the gateway's refusal as an `EdgeError` of its code. */
export function dataOf<Data>(response: RequestResponse): Data {
  if (response.status === "ok") return response.data as Data;
  const { code, error: message, hint } = response;
  throw new EdgeError({ code, message, where: "gateway", hint });
}

/** Throws `EdgeError` `broker-refused`, `gateway-refused`, and as `withAccess` does. */
export async function withAsker(
  input: CommandInput,
  onInfo: (json: string) => void,
  work: (asker: Asker) => Promise<number>,
): Promise<number> {
  const config = readConfig(input.text("config"), process.env);
  const { url: external, host, port } = config.broker;
  const embedded = urlOf("mqtt", hostToReach(host), port);
  const named = input.text("broker");
  const url = named ?? embedded;
  const base = topicBase(input.text("base") ?? config.base, "--base");
  const isElsewhere = named === undefined && external !== undefined;
  const open = async (user?: string, password?: string): Promise<number> => {
    const asker =
      isElsewhere && user !== undefined && password !== undefined
        ? await openHttpAsker({ ...pageOf(config, input), user, password, onInfo })
        : await openAsker({ url, base, user, password, caFile: input.text("ca"), onInfo });
    try {
      return await work(asker);
    } finally {
      await asker.close();
    }
  };
  if (!isElsewhere && URL.canParse(url) && new URL(url).username !== "") return open();
  return withAccess(input, (store) => asPassingOperator(store, open));
}

/** Where the gateway's page is, from this machine, and whose certificate it shows. */
function pageOf(
  config: GatewayConfig,
  input: CommandInput,
): { readonly url: string; readonly ca: Uint8Array | undefined } {
  const { host, port } = config.http;
  const isSecure = encryptedListeners(config).http;
  const own = path.join(dataDirectory(input), "tls", "ca.pem");
  const caFile = input.text("ca") ?? (isSecure && existsSync(own) ? own : undefined);
  return {
    url: urlOf(isSecure ? "https" : "http", hostToReach(host), port),
    ca: caFile === undefined ? undefined : readCa(caFile),
  };
}

/** Nobody waits for a rollout that long: an older one is of a command that was killed. */
const PASSING_MS = 7 * 24 * 3600 * 1000;
const PASSING_NAME = /^cli-[0-9a-f]{8}$/;

async function asPassingOperator(
  store: AccessStore,
  work: (user: string, password: string) => Promise<number>,
): Promise<number> {
  removeLeftBehind(store, Date.now() - PASSING_MS);
  const user = `cli-${randomBytes(4).toString("hex")}`;
  const password = await givePassword(store, user, "operator");
  try {
    return await work(user, password);
  } finally {
    store.remove(user, ["operator"]);
  }
}

/** Its password ended with the command, but it would stand in every list of users. */
function removeLeftBehind(store: AccessStore, beforeMs: number): void {
  for (const { name, createdMs } of store.identities()) {
    if (PASSING_NAME.test(name) && createdMs < beforeMs) store.remove(name, ["operator"]);
  }
}
