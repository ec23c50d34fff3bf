/**
 * A reader of any MQTT broker, for people's tools: the only file of the command line that knows mqtt.
 *
 * It subscribes again after every reconnection and says when it loses the broker, so that what is on
 * a screen is never silently old. It publishes nothing.
 */

import { readFileSync } from "node:fs";
import { connect } from "mqtt";
import { EdgeError } from "../src/assert.ts";

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
  readonly onMessage: (topic: string, payload: Uint8Array, retained: boolean) => void;
  /** `problem` is set while there is no connection. */
  readonly onState: (connected: boolean, problem?: string) => void;
};

const CONNECT_TIMEOUT_MS = 5_000;
const RECONNECT_MS = 1_000;
const PROTOCOLS = ["mqtt:", "mqtts:", "ws:", "wss:"];

/** Connects and keeps connected until `close`. Throws `EdgeError` for a URL or a file that cannot be
 * used; an unreachable broker is a state, not an exception, for it may come. */
export function readMqtt(options: MqttReaderOptions): MqttReader {
  const url = brokerUrl(options.url);
  const client = connect(url.href, {
    connectTimeout: CONNECT_TIMEOUT_MS,
    reconnectPeriod: RECONNECT_MS,
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

function brokerUrl(text: string): URL {
  if (URL.canParse(text)) {
    const url = new URL(text);
    if (PROTOCOLS.includes(url.protocol) && url.hostname !== "") return url;
  }
  throw new EdgeError({
    code: "broker-url",
    message: `${JSON.stringify(text)} is no broker`,
    where: "--broker",
    hint: "Write mqtt://host:1883, or mqtts://user:password@host:8883.",
  });
}

function readCa(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new EdgeError({
      code: "file-unreadable",
      message: (error as Error).message,
      where: file,
      hint: "Give the PEM file of the authority that signed the broker's certificate.",
    });
  }
}

function describe(error: Error): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "ECONNREFUSED") return "nobody listens there (connection refused)";
  if (code === "ENOTFOUND") return "there is no such host";
  return error.message === "" ? String(code ?? error) : error.message;
}
