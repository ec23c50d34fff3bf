/**
 * Joins a gateway by a join code, over MQTT alone, as a microcontroller would: connect with the user
 * `join`, subscribe to the answer's topic, publish the request, read the answer, disconnect.
 */

import { connect, type MqttClient } from "mqtt";
import { EdgeError } from "../src/assert.ts";
import { JOIN_USER, type JoinResponse, joinTopic, readJoinResponse } from "../src/wire/join.ts";
import type { NodeId } from "../src/wire/messages.ts";
import type { TopicBase } from "../src/wire/topics.ts";
import type { NodeCredentials } from "./node-credentials.ts";

export type JoinOptions = {
  /** `mqtt://`, `mqtts://`, `ws://` or `wss://`. */
  readonly url: string;
  readonly base: TopicBase;
  /** A certificate authority of one's own, PEM. */
  readonly ca?: Uint8Array | undefined;
  readonly code: string;
};

const JOIN_MS = 15_000;

/** Throws `EdgeError` `join-refused` and `join-unanswered`. */
export async function joinGateway(options: JoinOptions, node: NodeId): Promise<NodeCredentials> {
  const { url, ca, code } = options;
  const client = connect(url, {
    clientId: node,
    username: JOIN_USER,
    password: code,
    protocolVersion: 4,
    clean: true,
    reconnectPeriod: 0,
    timerVariant: "native",
    connectTimeout: JOIN_MS,
    ...(ca === undefined ? {} : { ca: Buffer.from(ca) }),
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const tooLate = new Promise<never>((_, reject) => {
      const late = new Error(`no answer within ${JOIN_MS / 1000} s`);
      timer = setTimeout(() => reject(unanswered(node, url, late)), JOIN_MS);
    });
    const response = await Promise.race([ask(client, options, node), tooLate]);
    if (response.status === "ok") return response;
    throw refused(node, response.error);
  } finally {
    clearTimeout(timer);
    await client.endAsync(true);
  }
}

function ask(client: MqttClient, { base, url }: JoinOptions, node: NodeId): Promise<JoinResponse> {
  const failed = (error: Error): EdgeError => unanswered(node, url, error);
  const answers = joinTopic(base, node, "response");
  return new Promise((resolve, reject) => {
    client.on("message", (topic, payload) => {
      if (topic !== answers) return;
      const response = readJoinResponse(new TextDecoder().decode(payload));
      if (response === undefined) reject(failed(new Error("the answer cannot be read")));
      else resolve(response);
    });
    client.on("error", (error) => {
      // CONNACK 4 and 5: the code, or too many guesses.
      const { code } = error as { code?: number | string };
      reject(code === 4 || code === 5 ? refused(node, error.message) : failed(error));
    });
    client.on("close", () => reject(failed(new Error("the connection was lost"))));
    client.on("connect", () => {
      client.subscribe(answers, { qos: 1 }, (error) => {
        if (error) return reject(failed(error));
        client.publish(joinTopic(base, node, "request"), '{"v":1}', { qos: 1 });
      });
    });
  });
}

function refused(node: NodeId, reason: string): EdgeError {
  return new EdgeError({
    code: "join-refused",
    message: `the gateway does not let ${node} join: ${reason}`,
    where: "join code",
    hint: "A code is good for minutes and for so many nodes: make a new one with `bellwether nodes add`.",
  });
}

function unanswered(node: NodeId, url: string, error: Error): EdgeError {
  const { code } = error as { code?: number | string };
  return new EdgeError({
    code: "join-unanswered",
    message: `${node} could not join: ${error.message === "" ? String(code ?? error) : error.message}`,
    where: addressOf(url),
    hint: hintOf(String(code)),
  });
}

/** By Node's names of what went wrong; a browser tells none. */
function hintOf(code: string): string {
  if (/CERT|SELF_SIGNED|UNABLE_TO_/.test(code)) {
    return "Name the authority that signed its certificate with --ca: `bellwether certs make` writes its ca.pem. Its names must be those that --gateway says.";
  }
  if (/^(ECONN|ENOTFOUND|EAI_|EHOST|ENET|ETIMEDOUT)/.test(code)) {
    return "Does a gateway listen there? Give its address with --gateway; other machines reach it only where its broker.host lets them.";
  }
  return "Is it a bellwether gateway with a broker of its own, with the same topic base (--base)? mqtts:// is needed where it speaks TLS, with --ca.";
}

/** A broker's address as people may read it: without user and password. */
export function addressOf(url: string): string {
  const shown = new URL(url);
  shown.username = "";
  shown.password = "";
  return shown.href;
}
