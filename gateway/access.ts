/**
 * Who may say and hear what on the embedded broker. Everything that is not allowed here is denied.
 *
 * A node's MQTT client id is its name, so one rule covers it: it publishes on its own `up` topics and
 * its own availability (by last will), and hears its own `down` topics. Everyone else reads the public
 * plane and publishes nothing. Frames of the node plane are never forwarded to others, whatever
 * wildcard they have subscribed to: they may hold raw movement of an animal or a person.
 */

import type { NodeId } from "../src/wire/messages.ts";
import {
  downFilter,
  everyNodeFilter,
  isNodeId,
  nodeTopic,
  parseDownTopic,
  parsePublicTopic,
  parseUpTopic,
  type TopicBase,
  upFilter,
} from "../src/wire/topics.ts";

export type Publishing = {
  readonly topic: string;
  readonly retain: boolean;
  readonly payloadBytes: number;
};

/** `{"state":"offline"}` and the same with blanks. */
const AVAILABILITY_BYTES_MAX = 64;

/** Undefined when allowed, else the reason. */
export function mayPublish(
  base: TopicBase,
  clientId: string,
  publishing: Publishing,
): string | undefined {
  const up = parseUpTopic(base, publishing.topic);
  if (up !== undefined) {
    if (up.node !== clientId) return "the client id is not the node's name";
    // Each retained message is matched against every later subscription.
    return publishing.retain ? "nodes retain nothing on the node plane" : undefined;
  }
  if (isNodeId(clientId) && publishing.topic === nodeTopic(base, clientId, "availability")) {
    return publishing.payloadBytes <= AVAILABILITY_BYTES_MAX ? undefined : "payload too long";
  }
  return "only nodes publish, and only on their own topics";
}

/**
 * Undefined when allowed, else the reason.
 *
 * @param actsAsNode it has used its node topics: a node needs no other topic, and one that asks for
 * everything and reads slowly would hold up everybody
 */
export function maySubscribe(
  base: TopicBase,
  clientId: string,
  filter: string,
  actsAsNode: boolean,
): string | undefined {
  if (filter.startsWith("$")) return "topics that start with $ are the broker's own";
  if (!filter.startsWith(`${base}/node/`)) {
    return actsAsNode ? "nodes hear only their own topics" : undefined;
  }
  if (isNodeId(clientId) && filter === downFilter(base, clientId)) return undefined;
  const down = parseDownTopic(base, filter);
  return down?.node === clientId ? undefined : "the node plane is private to each node";
}

/** Whether a message goes to a client whose subscription matches it. */
export function mayHear(base: TopicBase, clientId: string, topic: string): boolean {
  if (!topic.startsWith(`${base}/node/`)) return true;
  return parseDownTopic(base, topic)?.node === clientId;
}

/** What a gateway listens to, on any broker. */
export function gatewayFilters(base: TopicBase): readonly string[] {
  return [upFilter(base), everyNodeFilter(base, "availability")];
}

/** The node that a message on the public plane is about, where it is its availability. */
export function availabilityOf(base: TopicBase, topic: string): NodeId | undefined {
  const parsed = parsePublicTopic(base, topic);
  return parsed?.plane === "node" && parsed.name === "availability" ? parsed.node : undefined;
}
