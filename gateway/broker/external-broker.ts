/**
 * The gateway as a client of a broker that people run already: Mosquitto, EMQX, HiveMQ.
 *
 * The only file of the gateway that knows mqtt.js. The broker's own users and access rules stand in
 * place of `access.ts` then; docs/TOPICS.md has the rule for a node. Plain MQTT 3.1.1 and a clean
 * session: nothing that matters is kept by the broker, and retained topics are told anew after each
 * connection. The last will says that the gateway is gone.
 */

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect, type MqttClient } from "mqtt";
import { EdgeError } from "../../src/assert.ts";
import { parseRequestTopic, requestFilter } from "../../src/wire/requests.ts";
import { bridgeTopic, type TopicBase } from "../../src/wire/topics.ts";
import { gatewayFilters, HOME_ASSISTANT_STATUS } from "../access/access.ts";
import type { Link, LinkEvents, PublishOptions } from "./link.ts";

export type ExternalBrokerOptions = {
  /** `mqtt://user@host:1883` or `mqtts://…`. */
  readonly url: string;
  readonly base: TopicBase;
  readonly passwordFile: string | undefined;
  readonly caFile: string | undefined;
  /** What to subscribe to where it is not the gateway's own plane. */
  readonly filters?: readonly string[];
  /** Asked before each connection; without it that of the gateway's own plane, or none. */
  readonly will?: () => LastWill;
};

export type LastWill = {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1;
  readonly retain: boolean;
};

/** The link of a client, which can end its session in good order and begin another. */
export type ExternalLink = Link & { readonly reopen: () => void };

const CONNECT_MS = 10_000;
const RECONNECT_MS = 2_000;
const KEEPALIVE_SECONDS = 15;

/** Returns at once and connects for as long as it takes: a broker may start after its gateway. */
export function connectBroker(options: ExternalBrokerOptions, events: LinkEvents): ExternalLink {
  const will = options.will ?? (options.filters === undefined ? gone(options.base) : undefined);
  const client = connect(options.url, {
    clientId: `bellwether-gateway-${randomBytes(4).toString("hex")}`,
    protocolVersion: 4,
    clean: true,
    keepalive: KEEPALIVE_SECONDS,
    connectTimeout: CONNECT_MS,
    reconnectPeriod: RECONNECT_MS,
    resubscribe: false,
    queueQoSZero: false,
    ...(will !== undefined && { will: packetOf(will()) }),
    ...(options.passwordFile && { password: readSecret(options.passwordFile, "password_file") }),
    ...(options.caFile && { ca: readSecret(options.caFile, "ca_file") }),
  });
  if (will !== undefined) {
    client.on("reconnect", () => {
      client.options.will = packetOf(will());
    });
  }
  let open = false;
  let problem = "";
  client.on("connect", () => {
    subscribe(client, options, events, () => {
      open = true;
      problem = "";
      events.log("info", "connected to broker", { url: withoutUser(options.url) });
      events.onConnection(true);
    });
  });
  client.on("message", (topic, payload, { retain }) => {
    const name = parseRequestTopic(options.base, topic);
    if (name === undefined || options.filters !== undefined) events.onMessage(topic, payload);
    // A request that a broker keeps would be carried out again after each connection.
    else if (!retain) events.onRequest?.({ name, payload, user: undefined });
  });
  client.on("error", (error) => {
    const reason = describe(error);
    if (reason !== problem) events.log("warning", "broker does not answer", { reason });
    problem = reason;
  });
  client.on("close", () => {
    if (!open) return;
    open = false;
    events.onConnection(false);
  });
  return {
    url: withoutUser(options.url),
    urls: [withoutUser(options.url)],
    isOpen: () => open,
    publish: (topic, payload, how) => {
      if (open) publish(client, topic, payload, how, events);
    },
    reopen: () => {
      client.reconnect();
    },
    close: async () => {
      // Ends in good order what is under way; a broker that is gone cannot hold this up.
      await client.endAsync(!open);
    },
  };
}

/** What the broker says when the gateway is gone. */
function gone(base: TopicBase): () => LastWill {
  const payload = Buffer.from(JSON.stringify({ state: "offline" }));
  return () => ({ topic: bridgeTopic(base, "state"), payload, qos: 1, retain: true });
}

function packetOf({ payload, ...will }: LastWill) {
  return { ...will, payload: Buffer.from(payload) };
}

function subscribe(
  client: MqttClient,
  options: ExternalBrokerOptions,
  events: LinkEvents,
  onReady: () => void,
): void {
  const requests = requestFilter(options.base);
  const filters = options.filters ?? [...gatewayFilters(options.base), requests];
  client.subscribe([...filters], { qos: 1 }, (error, granted) => {
    // Without these everything works but that configurations are told again, and that one can ask.
    const spared = [HOME_ASSISTANT_STATUS, requests];
    const refused = granted?.find((grant) => grant.qos > 2 && !spared.includes(grant.topic));
    if (error === null && refused === undefined) return onReady();
    events.log("error", "the broker does not let the gateway subscribe", {
      filter: refused?.topic ?? filters.join(" "),
      reason: error?.message ?? "access denied",
    });
    client.reconnect();
  });
}

function publish(
  client: MqttClient,
  topic: string,
  payload: Uint8Array | string,
  how: PublishOptions,
  events: LinkEvents,
): void {
  const bytes = typeof payload === "string" ? payload : Buffer.from(payload);
  // Properties are of MQTT 5, which is not spoken here.
  const { qos, retain } = how;
  client.publish(topic, bytes, { qos, retain }, (error) => {
    if (error) events.log("debug", "publish failed", { topic, reason: error.message });
  });
}

function readSecret(file: string, setting: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new EdgeError({
      code: "file-unreadable",
      message: (error as Error).message,
      where: `broker.${setting}`,
      hint: "Name a file that the gateway may read.",
    });
  }
}

/** A URL with a password in it must not reach a log. */
function withoutUser(url: string): string {
  const parsed = new URL(url);
  parsed.username = "";
  parsed.password = "";
  return parsed.href;
}

function describe(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  return error.message === "" ? String(code ?? "unknown") : error.message;
}
