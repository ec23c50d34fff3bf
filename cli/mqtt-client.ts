/**
 * A reader of any MQTT broker, for people's tools, and somebody who asks a gateway for something: the
 * only file of the command line that knows mqtt.
 *
 * The reader subscribes again after every reconnection and says when it loses the broker, so that what
 * is on a screen is never silently old; it publishes nothing. Who asks connects once.
 */

import { randomUUID } from "node:crypto";
import { connect, connectAsync } from "mqtt";
import { EdgeError } from "../src/assert.ts";
import {
  type RequestName,
  type RequestResponse,
  requestTopic,
  responseSchema,
  responseTopic,
} from "../src/wire/requests.ts";
import { bridgeTopic, type TopicBase } from "../src/wire/topics.ts";
import { brokerUrl, readCa } from "./gateway-link.ts";

export type MqttReader = {
  /** Ends the connection; resolves when it is closed. */
  close(): Promise<void>;
};

export type MqttReaderOptions = {
  /** `mqtt://`, `mqtts://`, `ws://` or `wss://`; user and password may stand in it. */
  readonly url: string;
  /** A certificate authority of one's own, PEM. */
  readonly caFile?: string | undefined;
  readonly filters: readonly string[];
  /** How long to wait before another try at a broker that is not there; a second by itself. */
  readonly retryMs?: number;
  readonly onMessage: (topic: string, payload: Uint8Array, retained: boolean) => void;
  /** `problem` is set while there is no connection. */
  readonly onState: (connected: boolean, problem?: string) => void;
};

const CONNECT_TIMEOUT_MS = 5_000;
const RECONNECT_MS = 1_000;

/** Connects and keeps connected until `close`. Throws `EdgeError` for a URL or a file that cannot be
 * used; an unreachable broker is a state, not an exception, for it may come. */
export function readMqtt(options: MqttReaderOptions): MqttReader {
  const url = brokerUrl(options.url, "--broker");
  const client = connect(url.href, {
    connectTimeout: CONNECT_TIMEOUT_MS,
    reconnectPeriod: options.retryMs ?? RECONNECT_MS,
    protocolVersion: 4,
    clean: true,
    resubscribe: false,
    ...(options.caFile === undefined ? {} : { ca: readCa(options.caFile) }),
  });
  let problem: string | undefined;
  let closing = false;
  client.on("connect", () => {
    problem = undefined;
    client.subscribe([...options.filters], { qos: 1 }, (error, granted) => {
      const refused = granted?.find((grant) => grant.qos > 2);
      if (error || refused) {
        options.onState(false, `the broker refuses ${refused?.topic ?? error?.message}`);
      } else {
        options.onState(true);
      }
    });
  });
  client.on("message", (topic, payload, packet) => {
    options.onMessage(topic, payload, packet.retain);
  });
  client.on("error", (error) => {
    problem = describe(error);
    options.onState(false, problem);
  });
  client.on("close", () => {
    if (!closing) options.onState(false, problem ?? "the connection was lost");
  });
  return {
    close: () => {
      closing = true;
      return client.endAsync(true);
    },
  };
}

export type AskerOptions = {
  readonly url: string;
  readonly caFile?: string | undefined;
  /** Where the URL has none. */
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly base: TopicBase;
  /** `bridge/info`, as it comes. */
  readonly onInfo: (json: string) => void;
};

export type Asker = {
  /** Throws `EdgeError` `request-unanswered`. */
  ask(name: RequestName, request: object): Promise<RequestResponse>;
  close(): Promise<void>;
};

const ANSWER_MS = 15_000;

/** Connects with an operator's credentials. Throws `EdgeError` `broker-refused`. */
export async function openAsker(options: AskerOptions): Promise<Asker> {
  const { base, user, password, caFile } = options;
  const url = brokerUrl(options.url, "--broker");
  const client = await connectAsync(url.href, {
    connectTimeout: CONNECT_TIMEOUT_MS,
    reconnectPeriod: 0,
    protocolVersion: 4,
    ...(user !== undefined && { username: user }),
    ...(password !== undefined && { password }),
    ...(caFile === undefined ? {} : { ca: readCa(caFile) }),
  }).catch((error: Error) => {
    throw new EdgeError({
      code: "broker-refused",
      message: describe(error),
      where: `${url.protocol}//${url.host}`,
      hint: "Name a broker that runs with --broker, and an operator: mqtt://operator:TOKEN@host:1883.",
    });
  });
  type Waiting = { readonly answer: (text: string) => void; readonly fail: () => void };
  const waiting = new Map<string, Waiting>();
  client.on("close", () => {
    for (const { fail } of waiting.values()) fail();
  });
  client.on("message", (topic, payload) => {
    const text = payload.toString();
    if (topic === bridgeTopic(base, "info")) return options.onInfo(text);
    const { transaction } = JSON.parse(text) as { transaction?: string };
    waiting.get(transaction ?? "")?.answer(text);
  });
  await client.subscribeAsync([responseTopic(base, "#"), bridgeTopic(base, "info")], { qos: 1 });
  return {
    ask: async (name, request) => {
      const transaction = randomUUID();
      const answer = new Promise<string>((resolve, reject) => {
        const fail = (): void => reject(unanswered(name));
        waiting.set(transaction, { answer: resolve, fail });
        setTimeout(fail, ANSWER_MS).unref();
      }).finally(() => waiting.delete(transaction));
      const payload = JSON.stringify({ ...request, transaction });
      // A broker that lets nobody ask closes the connection, and never acknowledges the question.
      const published = client.publishAsync(requestTopic(base, name), payload, { qos: 1 });
      const [text] = await Promise.all([answer, published]);
      return responseSchema(name).parse(JSON.parse(text));
    },
    close: () => client.endAsync(true),
  };
}

function unanswered(name: string): EdgeError {
  return new EdgeError({
    code: "request-unanswered",
    message: "no answer came",
    where: name,
    hint: "Ask as an operator, of a broker that a gateway serves, under its topics' base (--base).",
  });
}

function describe(error: Error): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "ECONNREFUSED") return "nobody listens there (connection refused)";
  if (code === "ENOTFOUND") return "there is no such host";
  return error.message === "" ? String(code ?? error) : error.message;
}
