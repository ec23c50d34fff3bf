/**
 * A node's link over MQTT: the only file of the node that knows mqtt.js. It runs in browsers too.
 *
 * Plain MQTT 3.1.1, QoS 1, clean sessions: what must not be lost is in the outbox, so the broker
 * keeps nothing for a node. Each attempt to connect is a new client, so that nothing which an old
 * connection left in mqtt.js's own store is sent behind the outbox's back. Attempts back off with
 * jitter: a herd that lost its gateway must not come back in one breath.
 */

import { connect, type MqttClient } from "mqtt";
import type { NodeId } from "../src/wire/messages.ts";
import { type Prng, uniform } from "../src/prng.ts";
import {
  downFilter,
  nodeTopic,
  OFFLINE_JSON,
  parseDownTopic,
  type TopicBase,
  upTopic,
} from "../src/wire/topics.ts";
import type { Link, LinkEvents, OpenLink } from "./link.ts";

export type MqttLinkOptions = {
  /** `mqtt://`, `mqtts://`, `ws://` or `wss://`; user and password may stand in it. */
  readonly url: string;
  readonly base: TopicBase;
  /** A certificate authority of one's own, PEM. */
  readonly ca?: Uint8Array | undefined;
  /** What a node was given when it joined; its user is its name. */
  readonly password?: (node: NodeId) => string | undefined;
  /** For the jitter of attempts. */
  readonly random: Prng;
  /** Shortest and longest wait between two attempts. */
  readonly retryMs?: number;
  readonly retryMsMax?: number;
  /** A connection that is silent for one and a half of these is given up. */
  readonly keepaliveSeconds?: number;
};

const RETRY_MS = 1_000;
const RETRY_MS_MAX = 30_000;
const KEEPALIVE_SECONDS = 15;
const CONNECT_MS = 10_000;
/** A connection that lasted so long was a good one: the next attempt is not held back. */
const GOOD_CONNECTION_MS = 10_000;
const FAREWELL_MS = 1_000;

export function mqttLinks(options: MqttLinkOptions): OpenLink {
  return (node, events) => new MqttLink(options, node, events);
}

class MqttLink implements Link {
  readonly #options: MqttLinkOptions;
  readonly #node: NodeId;
  readonly #events: LinkEvents;
  #client: MqttClient | undefined;
  #connectedMs: number | undefined;
  #attempts = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(options: MqttLinkOptions, node: NodeId, events: LinkEvents) {
    this.#options = options;
    this.#node = node;
    this.#events = events;
    this.#connect();
  }

  publish(topic: Parameters<Link["publish"]>[0], frame: Uint8Array): void {
    if (this.#connectedMs === undefined) return;
    const to = upTopic(this.#options.base, this.#node, topic);
    // It sends any bytes; its types name Node's own kind, which no browser has.
    this.#client?.publish(to, frame as Buffer, { qos: 1, retain: false });
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    const client = this.#client;
    if (client === undefined) return;
    const wasConnected = this.#connectedMs !== undefined;
    this.#connectedMs = undefined;
    if (wasConnected) {
      await within(FAREWELL_MS, this.#sayFarewell(client));
      // With a DISCONNECT, so that the broker does not carry out the last will as well.
      await within(FAREWELL_MS, client.endAsync(false));
    }
    await within(FAREWELL_MS, client.endAsync(true));
  }

  #connect(): void {
    const { options, will } = this.#connectOptions();
    const client = connect(this.#options.url, { ...options, will });
    this.#client = client;
    let problem = "the connection was lost";
    client.on("connect", () => this.#subscribe(client));
    client.on("message", (topic, payload) => {
      const parsed = parseDownTopic(this.#options.base, topic);
      if (parsed?.node === this.#node) this.#events.message(parsed.kind, payload);
    });
    client.on("error", (error) => {
      problem = describe(error);
      // A peer that refuses, or speaks something else, may hold the connection open for ever.
      client.end(true);
    });
    client.on("close", () => {
      if (client === this.#client) this.#afterClose(problem);
    });
  }

  #connectOptions() {
    const { base, ca, keepaliveSeconds } = this.#options;
    const password = this.#options.password?.(this.#node);
    return {
      options: {
        clientId: this.#node,
        protocolVersion: 4,
        clean: true,
        keepalive: keepaliveSeconds ?? KEEPALIVE_SECONDS,
        connectTimeout: CONNECT_MS,
        reconnectPeriod: 0,
        // In a browser it would start a worker from a text of its own.
        timerVariant: "native",
        resubscribe: false,
        ...(ca === undefined ? {} : { ca: Buffer.from(ca) }),
        ...(password === undefined ? {} : { username: this.#node, password }),
      },
      will: {
        topic: nodeTopic(base, this.#node, "availability"),
        payload: OFFLINE_JSON,
        qos: 1,
        retain: true,
      },
    } as const;
  }

  #subscribe(client: MqttClient): void {
    const filter = downFilter(this.#options.base, this.#node);
    client.subscribe(filter, { qos: 1 }, (error, granted) => {
      if (client !== this.#client || this.#closed) return;
      const refused = granted?.some((grant) => grant.qos > 2) ?? false;
      if (error !== null || refused) {
        // Without answers a node would send for ever; another broker or another rule must be set.
        client.end(true);
        return;
      }
      this.#connectedMs = performance.now();
      this.#events.connected();
    });
  }

  #afterClose(problem: string): void {
    const { retryMs = RETRY_MS, retryMsMax = RETRY_MS_MAX, random } = this.#options;
    this.#client = undefined;
    const since = this.#connectedMs;
    this.#connectedMs = undefined;
    if (since !== undefined && performance.now() - since >= GOOD_CONNECTION_MS) this.#attempts = 0;
    if (this.#closed) return;
    const waitMs = Math.min(retryMsMax, retryMs * 2 ** this.#attempts) * uniform(random, 0.5, 1);
    this.#attempts += 1;
    this.#timer = setTimeout(() => this.#connect(), waitMs);
    if (since === undefined) this.#events.unreachable(problem);
    else this.#events.disconnected(problem);
  }

  async #sayFarewell(client: MqttClient): Promise<void> {
    const topic = nodeTopic(this.#options.base, this.#node, "availability");
    await client.publishAsync(topic, OFFLINE_JSON, { qos: 1, retain: true });
  }
}

/** Waits for something that may never come, and does not mind if it fails. */
async function within(limitMs: number, work: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  await Promise.race([work.catch(() => undefined), limit]);
  clearTimeout(timer);
}

function describe(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ECONNREFUSED") return "nobody listens there (connection refused)";
  if (code === "ENOTFOUND") return "there is no such host";
  return error.message === "" ? String(code ?? error) : error.message;
}
