/** Requests that come over MQTT: what the desk says to each, and where that is told. */

import { LIMITS } from "../../src/wire/limits.ts";
import { type RequestResponse, responseTopic } from "../../src/wire/requests.ts";
import type { TopicBase } from "../../src/wire/topics.ts";
import type { Link, LinkRequest } from "../broker/link.ts";
import type { RequestDesk } from "./request-desk.ts";

/**
 * Answers on the topic that belongs to the request, or where an operator's MQTT 5 client wants it.
 *
 * The latter must lie below `bridge/response/`: the gateway may publish everywhere, and must not be
 * made to say something to a node, or where readers hear it. Any other is answered as if none had been
 * wanted.
 */
export async function answerOverMqtt(
  base: TopicBase,
  desk: RequestDesk,
  link: Pick<Link, "publish">,
  request: LinkRequest,
): Promise<void> {
  const { name, payload, user, correlationData } = request;
  const response = await desk.answer(name, payload, { user, via: "MQTT" });
  const topic = answerTopic(base, request);
  if (topic === undefined) return;
  link.publish(topic, JSON.stringify(response satisfies RequestResponse), {
    qos: 1,
    retain: false,
    ...(correlationData !== undefined && { correlationData }),
  });
}

/** Undefined where the request's own name is no topic that anything can be told on. */
function answerTopic(base: TopicBase, { name, responseTopic: wanted }: LinkRequest) {
  if (wanted !== undefined && isResponseTopic(base, wanted)) return wanted;
  const topic = responseTopic(base, name);
  return isResponseTopic(base, topic) ? topic : undefined;
}

function isResponseTopic(base: TopicBase, topic: string): boolean {
  const start = responseTopic(base, "");
  const rest = topic.slice(start.length);
  return (
    topic.startsWith(start) &&
    topic.length <= LIMITS.topicBytes &&
    /^[A-Za-z0-9_-]+(\/[A-Za-z0-9_-]+)*$/.test(rest) &&
    topic.split("/").length <= LIMITS.topicLevels
  );
}
