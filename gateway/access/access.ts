/**
 * Who may say and hear what on the embedded broker. Everything that is not allowed here is denied.
 *
 * A node publishes on its own `up` topics and its own availability (by last will), and hears its own
 * `down` topics, nothing else. Readers hear the public plane and publish nothing but that a Home
 * Assistant is there. Operators may also ask the gateway to do things (`bridge/request/…`) and hear its
 * answers. A client without credentials, which only the loopback allows, is a node by its client id and
 * a reader besides. Frames of the node plane are never forwarded to others, whatever wildcard they have
 * subscribed to: they may hold raw movement of an animal or a person.
 *
 * Who somebody is, is decided in `authentication.ts`; that these rules hold is asked of the running
 * broker at every start, by `rights-self-test.ts`.
 */

import { isJoinTopic, JOIN_REQUEST_BYTES_MAX, joinTopic } from "../../src/wire/join.ts";
import type { NodeId } from "../../src/wire/messages.ts";
import {
  downFilter,
  everyNodeFilter,
  nodeTopic,
  parseDownTopic,
  parsePublicTopic,
  parseUpTopic,
  type TopicBase,
  upFilter,
} from "../../src/wire/topics.ts";
import { type EdgeNode, mayHostPublish } from "../sparkplug/sparkplug-names.ts";

/** Somebody who has shown who they are, or need not. */
export type Principal =
  | { readonly role: "node"; readonly node: NodeId }
  | { readonly role: "reader" | "operator"; readonly user: string }
  /** It has shown a join code and may ask for credentials, once. */
  | { readonly role: "joining"; readonly clientId: string }
  /** Without credentials, from this machine. */
  | { readonly role: "local"; readonly node: NodeId | undefined };

export type Publishing = {
  readonly topic: string;
  readonly retain: boolean;
  readonly payloadBytes: number;
};

/** `rules` of the broker: these, and in tests such as let something through. */
export type AccessRules = {
  /** Each is undefined when allowed, else the reason. */
  readonly mayPublish: typeof mayPublish;
  readonly maySubscribe: typeof maySubscribe;
  readonly mayHear: typeof mayHear;
};

/** `{"state":"offline"}` and the same with blanks. */
const AVAILABILITY_BYTES_MAX = 64;
/** Where Home Assistant says that it is there, at every connection and as its last will. Refused, it
 * would be cut off for it, and come back for ever. */
export const HOME_ASSISTANT_STATUS = "homeassistant/status";
/** `offline` */
const STATUS_BYTES_MAX = 7;

/** Undefined when allowed, else the reason. A last will is a publication like any other. */
export function mayPublish(
  base: TopicBase,
  who: Principal,
  publishing: Publishing,
): string | undefined {
  switch (who.role) {
    case "node":
      return mayPublishAsNode(base, who.node, publishing);
    case "local":
      if (isStatus(publishing)) return undefined;
      return who.node === undefined
        ? "without credentials a client publishes only under a node's name"
        : mayPublishAsNode(base, who.node, publishing);
    case "joining":
      return mayAskToJoin(base, who.clientId, publishing);
    case "operator":
      if (isStatus(publishing)) return undefined;
      if (!isRequest(base, publishing.topic)) return "operators publish requests and nothing else";
      return publishing.retain ? "requests are not retained" : undefined;
    case "reader":
      return isStatus(publishing) ? undefined : "readers publish nothing";
  }
}

function isStatus({ topic, retain, payloadBytes }: Publishing): boolean {
  return topic === HOME_ASSISTANT_STATUS && !retain && payloadBytes <= STATUS_BYTES_MAX;
}

function mayPublishAsNode(
  base: TopicBase,
  node: NodeId,
  { topic, retain, payloadBytes }: Publishing,
): string | undefined {
  const up = parseUpTopic(base, topic);
  if (up !== undefined) {
    if (up.node !== node) return "the topic is another node's";
    // Each retained message is matched against every later subscription.
    return retain ? "nodes retain nothing on the node plane" : undefined;
  }
  if (topic === nodeTopic(base, node, "availability")) {
    return payloadBytes <= AVAILABILITY_BYTES_MAX ? undefined : "payload too long";
  }
  return "nodes publish only on their own topics";
}

function mayAskToJoin(
  base: TopicBase,
  clientId: string,
  { topic, retain, payloadBytes }: Publishing,
): string | undefined {
  if (topic !== joinTopic(base, clientId, "request")) return "a join code is good for joining only";
  if (retain) return "a join request is not retained";
  return payloadBytes <= JOIN_REQUEST_BYTES_MAX ? undefined : "payload too long";
}

/**
 * Undefined when allowed, else the reason.
 *
 * @param actsAsNode it has used its node topics without credentials: a node needs no other topic, and
 * one that asks for everything and reads slowly would hold up everybody
 */
export function maySubscribe(
  base: TopicBase,
  who: Principal,
  filter: string,
  actsAsNode: boolean,
): string | undefined {
  if (filter.startsWith("$")) return "topics that start with $ are the broker's own";
  switch (who.role) {
    case "node":
      return isOwnDown(base, who.node, filter) ? undefined : "nodes hear only their own topics";
    case "joining":
      return filter === joinTopic(base, who.clientId, "response")
        ? undefined
        : "a join code is good for joining only";
    case "local":
      if (isOwnDown(base, who.node, filter)) return undefined;
      if (actsAsNode) return "nodes hear only their own topics";
      return mayRead(base, filter);
    case "reader":
    case "operator":
      return mayRead(base, filter);
  }
}

/** A filter that names a private plane is refused outright; one that merely covers it hears nothing
 * of it. */
function mayRead(base: TopicBase, filter: string): string | undefined {
  if (filter.startsWith(`${base}/node/`)) return "the node plane is private to each node";
  return isJoinTopic(base, filter) ? "joining is between a device and the gateway" : undefined;
}

function isOwnDown(base: TopicBase, node: NodeId | undefined, filter: string): boolean {
  if (node === undefined) return false;
  return filter === downFilter(base, node) || parseDownTopic(base, filter)?.node === node;
}

/** Whether a message goes to a client whose subscription matches it. */
export function mayHear(base: TopicBase, who: Principal, topic: string): boolean {
  if (who.role === "joining") return topic === joinTopic(base, who.clientId, "response");
  if (topic.startsWith("$") || isJoinTopic(base, topic)) return false;
  const isPrivate = topic.startsWith(`${base}/node/`);
  switch (who.role) {
    case "node":
      return parseDownTopic(base, topic)?.node === who.node;
    case "operator":
      return !isPrivate;
    case "reader":
      return !isPrivate && !isAdministration(base, topic);
    case "local":
      if (isPrivate) return who.node !== undefined && isOwnDown(base, who.node, topic);
      return !isAdministration(base, topic);
  }
}

function isRequest(base: TopicBase, topic: string): boolean {
  return topic.startsWith(`${base}/bridge/request/`);
}

/** Answers to operators may hold what others must not know. */
function isAdministration(base: TopicBase, topic: string): boolean {
  return isRequest(base, topic) || topic.startsWith(`${base}/bridge/response/`);
}

/** The rules that a broker runs by. */
export const ACCESS_RULES: AccessRules = { mayPublish, maySubscribe, mayHear };

/** The same where hosts of Sparkplug read along: readers and operators may be such a host. */
export function accessRules(edge: EdgeNode | undefined): AccessRules {
  if (edge === undefined) return ACCESS_RULES;
  return {
    ...ACCESS_RULES,
    mayPublish: (base, who, publishing) => {
      const mayBeHost = who.role !== "node" && who.role !== "joining";
      if (mayBeHost && mayHostPublish(edge, publishing)) return undefined;
      return mayPublish(base, who, publishing);
    },
  };
}

/** What a gateway listens to, on any broker. */
export function gatewayFilters(base: TopicBase): readonly string[] {
  return [upFilter(base), everyNodeFilter(base, "availability"), HOME_ASSISTANT_STATUS];
}

/** The node that a message on the public plane is about, where it is its availability. */
export function availabilityOf(base: TopicBase, topic: string): NodeId | undefined {
  const parsed = parsePublicTopic(base, topic);
  return parsed?.plane === "node" && parsed.name === "availability" ? parsed.node : undefined;
}
